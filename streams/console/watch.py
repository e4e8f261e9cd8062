"""The live view's loop: asks the console once a second and draws, until it is stopped."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from pydantic import ValidationError
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from infra.errors import UserError
from infra.settings import Settings
from streams.console.models import Market, MarketRow
from streams.console.screen import View, draw, line, rows_that_fit
from streams.prices.pipe import reader_may_leave

EVERY_S = 1.0
PLAIN_EVERY_S = 5.0
RANKED_EVERY = 10  # answers: a row stays where it is for so long, so that the eye can follow it
REMEMBERED = 60  # prices a row
ASKED = 400  # rows
FIRST = ("NSE:NIFTY 50", "NSE:NIFTY BANK", "BSE:SENSEX", "NSE:INDIA VIX")


class Ranking:
    """A calm order of rows, ranked anew only now and then; and their last prices."""

    def __init__(self) -> None:
        self.history: dict[str, deque[float]] = {}
        self._order: list[str] = []
        self._answers = 0

    def take(self, rows: Sequence[MarketRow], room: int) -> list[MarketRow]:
        """The rows to show in ``room`` lines, in order. ``rows`` are in the console's order of activity."""
        by_name = {row.instrument: row for row in rows}
        for name, row in by_name.items():
            self.history.setdefault(name, deque(maxlen=REMEMBERED)).append(row.last_price)
        for gone in self.history.keys() - by_name.keys():
            del self.history[gone]
        shown = [name for name in self._order if name in by_name]
        if self._answers % RANKED_EVERY == 0 or len(shown) < min(room, len(rows)):
            shown = self._ranked(rows, room)
        self._order = shown
        self._answers += 1
        return [by_name[name] for name in shown[:room]]

    def _ranked(self, rows: Sequence[MarketRow], room: int) -> list[str]:
        """A few indices first; then the most active, and whoever of them was shown already keeps its place."""
        names = [row.instrument for row in rows]
        first = [name for name in FIRST if name in names]
        others = [row.instrument for row in rows if row.instrument not in first and not _is_index(row)]
        indices = [row.instrument for row in rows if row.instrument not in first and _is_index(row)]
        chosen = (first + others + indices)[:room]
        stay = [name for name in self._order if name in chosen]
        return stay + [name for name in chosen if name not in stay]


def _is_index(row: MarketRow) -> bool:
    """Only an index has a day's range but no volume."""
    return row.volume is None and row.mode != "ltp"


def ask(client: httpx.Client) -> Market:
    """The market now. UserError when the console does not answer, or not with a market."""
    try:
        answer = client.get("/api/market", params={"limit": ASKED})
        if answer.status_code != httpx.codes.OK:
            raise UserError(str(answer.json()["error"]))
        return Market.model_validate_json(answer.content)
    except (httpx.HTTPError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The console at {client.base_url} does not answer; see `./portfolio status`, or start it with "
            "`./portfolio up`."
        ) from error


def client_of(chosen: Settings) -> httpx.Client:
    """A client of this home's console."""
    return httpx.Client(base_url=chosen.console_url, timeout=3.0)


def watch(chosen: Settings) -> None:
    """The live view on a terminal, plain lines elsewhere; returns when it is stopped."""
    with _stopped_by_sigterm(), client_of(chosen) as client:
        try:
            if sys.stdout.isatty():
                _screen(client, chosen)
            else:
                _lines(client)
        except KeyboardInterrupt:
            return


def once(chosen: Settings) -> None:
    """One picture, at the terminal's width."""
    console = Console()
    with client_of(chosen) as client:
        market = ask(client)
    height = rows_needed(market, console.height if console.is_terminal else 40)
    console.print(_picture(market, Ranking(), chosen, (console.width, height), hint=""))


def save_svg(chosen: Settings, path: Path, size: tuple[int, int], answers: int) -> None:
    """The picture as an SVG file, after so many answers, a second apart, so that price lines have grown."""
    with client_of(chosen) as client:
        ranking = Ranking()
        for left in range(answers, 0, -1):
            market = ask(client)
            shown = _picture(market, ranking, chosen, size)
            if left > 1:
                time.sleep(EVERY_S)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=size[0], height=size[1], file=nowhere, force_terminal=True)
        console.print(shown)
    # without the address of a font: a picture loads nothing
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    path.write_text(console.export_svg(title="./portfolio watch", code_format=form), encoding="utf-8")


def rows_needed(market: Market, height: int) -> int:
    """A picture that is printed once needs no more lines than it has rows."""
    return min(height, len(market.instruments) + max(1, len(market.workers)) + 8)


def _screen(client: httpx.Client, chosen: Settings) -> None:
    ranking, market = Ranking(), None
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        for _ in _every(EVERY_S):
            problem = ""
            try:
                market = ask(client)
            except UserError as error:
                problem = str(error)
            if market is None:
                live.update(Text(f" {problem or 'Waiting for the console.'} Trying again."), refresh=True)
                continue
            size = (console.width, console.height)
            live.update(_picture(market, ranking, chosen, size, problem=problem), refresh=True)


def _picture(
    market: Market,
    ranking: Ranking,
    chosen: Settings,
    size: tuple[int, int],
    *,
    hint: str = "Ctrl-C stops",
    problem: str = "",
) -> RenderableType:
    rows = ranking.take(market.instruments, rows_that_fit(size[1], len(market.workers)))
    return draw(market, View(*size, rows, ranking.history, chosen.console_url, hint, problem))


def _lines(client: httpx.Client) -> None:
    """For a log or a pipe."""
    ranking = Ranking()
    with reader_may_leave():
        for _ in _every(PLAIN_EVERY_S):
            try:
                market = ask(client)
                text = line(market, ranking.take(market.instruments, 3))
            except UserError as error:
                text = str(error)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


def _every(seconds: float) -> Iterator[int]:
    """Counts at a steady pace, from now on, without end."""
    due, number = time.monotonic(), 0
    while True:
        yield number
        number += 1
        due = max(due + seconds, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the view as Ctrl-C does, with the terminal put back."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
