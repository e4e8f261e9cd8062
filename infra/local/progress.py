"""What a person sees while things are fetched and started: bars and lines in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.spinner import Spinner
from rich.text import Text

from infra.local import jars
from infra.local.jars import Jar
from infra.local.state import ServiceState

TITLES = {"kafka": "Kafka", "cassandra": "Cassandra"}


class Downloads:
    """A bar for each server's jars."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description:<22}"), BarColumn(28), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> Downloads:
        self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def fetch(self, wanted: Sequence[Jar]) -> None:
        """Fetches the jars. UserError when it fails."""
        lock = Lock()
        bars = {}
        for server in dict.fromkeys(jar.server for jar in wanted):
            size = sum(jar.size for jar in wanted if jar.server == server)
            bars[server] = self._progress.add_task(f"Fetching {TITLES[server]}", total=size)
            if not self._console.is_terminal:
                self._console.print(f"Fetching {TITLES[server]} ({size / 1e6:.0f} MB)")

        def advance(jar: Jar, count: int) -> None:
            with lock:
                self._progress.update(bars[jar.server], advance=count)

        jars.fetch(list(wanted), advance)


class Lines:
    """A line for each part with its time to ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()
        self._spinner = Spinner("dots")
        self._live = Live(console=console, refresh_per_second=12, transient=True) if console.is_terminal else None

    def __enter__(self) -> Lines:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def show(self, services: Sequence[ServiceState]) -> None:
        """Tells the parts that have become ready since the last time; the others wait below them."""
        for service in services:
            if service.state == "running" and service.name not in self._told:
                self._told.add(service.name)
                where = service.address or f"127.0.0.1:{service.port}"
                self._console.print(f"[green]✓[/] {service.title:<12} {service.ready_s or 0:5.1f} s   [dim]{where}[/]")
        if self._live:
            waiting = [service for service in services if service.name not in self._told]
            self._live.update(Group(*(self._line(service) for service in waiting)))

    def _line(self, service: ServiceState) -> Text | Spinner:
        if service.state == "waiting":
            return Text(f"  {service.title:<12} waits", style="dim")
        said = f" {service.title:<12} {service.state}" + (f": {service.error}" if service.error else "")
        self._spinner.update(text="")
        return Text.assemble(self._spinner.render(self._console.get_time()), said)  # type: ignore[arg-type]
