"""``portfolio tape``: plays a file of recorded trades through the simulator, the whole way to candles."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.errors import UserError
from infra.settings import settings

if TYPE_CHECKING:
    from rich.progress import Progress

    from schemas.market import Instrument

app = typer.Typer(name="tape", help="Recorded trades, played through the simulator.", no_args_is_help=True)
PATIENCE_S = 30.0
LOOK_S = 0.2


@app.callback()
def _group() -> None:
    """Keeps ``play`` a command of its own."""


@app.command()
def play(
    file: Annotated[Path, typer.Argument(help="A tape: CSV, or a zip archive that holds one.")],
    instrument: Annotated[str, typer.Option(help="Whose trades they are: EXCHANGE:SYMBOL.")],
    date: Annotated[str, typer.Option(help="The day of the trades where the exchange is: YYYY-MM-DD.")],
    speed: Annotated[str, typer.Option(help="'max', or a multiple of real time.")] = "max",
) -> None:
    """Plays every trade of FILE as a Kite packet: socket, worker, Kafka, candles, Cassandra. Ctrl-C stops it."""
    from producers.tape.formats import read_tape
    from producers.tape.player import instrument_of, to_columns

    name = instrument.strip().upper()
    wanted = {"file": str(file.absolute()), "instrument": name, "day": _day(date), "speed": _speed(speed)}
    record = instrument_of(name)
    to_columns(read_tape(file))  # what is wrong with it is best said before anything is touched
    _ask("post", "/simulator/tape", wanted)
    try:
        _subscribe(record)
        last = _watch(name)
    except KeyboardInterrupt:
        last = _ask("delete", f"/simulator/tape/{name}")
    except UserError:
        _ask("delete", f"/simulator/tape/{name}")
        raise
    typer.echo(_summary(last))
    if last["state"] != "done":
        raise typer.Exit(130 if last["state"] == "stopped" else 1)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UserError(f"--date is a day as 2013-10-07, not {text!r}.") from None


def _speed(text: str) -> float | None:
    try:
        number = None if text == "max" else float(text)
    except ValueError:
        number = 0.0
    if number is not None and not 0 < number < float("inf"):
        raise UserError(f"--speed is 'max' or a number above 0, a multiple of real time, not {text!r}.")
    return number


def _subscribe(record: Instrument) -> None:
    """Makes the instrument known to the platform and wants its ticks, in mode full."""
    from infra.kafka import produce_all
    from schemas.topics import INSTRUMENTS

    produce_all([(INSTRUMENTS, None, record.instrument, record)])
    until = time.monotonic() + PATIENCE_S
    while True:  # the console reads the new instrument from the log, a moment later
        try:
            _request("post", settings().console_url + "/api/feed", {"instruments": [record.instrument], "mode": "full"})
        except _NotFoundError as error:
            if time.monotonic() > until:
                raise UserError(f"The console does not learn of {record.instrument}: {error}") from error
            time.sleep(0.1)
        else:
            return


def _watch(name: str) -> dict[str, Any]:
    """A progress bar until the tape has ended. UserError when no feed worker ever listens."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    started = time.monotonic()
    with Progress(*columns, TimeRemainingColumn()) as bars:
        task = bars.add_task(name, total=None, note="")
        while True:
            now = _ask("get", f"/simulator/tape/{name}")
            _show(bars, task, now)
            if now["state"] not in ("waiting", "playing"):
                return now
            if not now["sent"] and time.monotonic() > started + PATIENCE_S:
                raise UserError(
                    f"No feed worker subscribed to {name} within {PATIENCE_S:.0f} s; see `./portfolio status` and"
                    " `./portfolio feed list`."
                )
            time.sleep(LOOK_S)


def _show(bars: Progress, task: Any, now: dict[str, Any]) -> None:
    waiting = now["state"] == "waiting"
    note = "waiting for a feed worker" if waiting else f"{now['sent'] / max(now['seconds'], 0.1):,.0f} ticks/s"
    bars.update(task, total=now["total"], completed=now["sent"], note=note)


def _summary(last: dict[str, Any]) -> str:
    name, sent, seconds = last["instrument"], last["sent"], last["seconds"]
    if last["state"] == "failed":
        return f"{name} failed after {sent:,} of {last['total']:,} trades: {last['detail']}"
    from schemas.calendar import calendar_of

    zone = calendar_of(name.partition(":")[0]).zone
    first, at = (datetime.fromtimestamp(last[key] / 1e6, UTC).astimezone(zone) for key in ("first_us", "at_us"))
    rate = f" ({sent / seconds:,.0f} a second)" if seconds > 0.5 else ""
    done = "Played" if last["state"] == "done" else "Stopped after"
    of = "" if last["state"] == "done" else f" of {last['total']:,}"
    return (
        f"{done} {sent:,}{of} trades of {name} in {seconds:.1f} s{rate}, {first:%Y-%m-%d %H:%M:%S} to {at:%H:%M:%S}"
        f" {at.tzname()}.\nTheir candles: ./portfolio candles {name} --from {first:%Y-%m-%d} --interval 1m"
    )


def _ask(verb: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    if not settings().uses_simulator:
        raise UserError("A tape is played by the simulator, and this home's settings use another Kite address.")
    return _request(verb, settings().kite_api_url + path, body)


class _NotFoundError(UserError):
    """404."""


def _request(verb: str, address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON answer. UserError with the server's sentence when it refuses, or when nothing answers."""
    import httpx

    from infra.console_client import PLAIN

    try:
        answer = httpx.request(verb, address, json=body, timeout=PATIENCE_S, verify=PLAIN)
        values: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise UserError(f"Nothing answers at {address}: start the platform with `./portfolio up` first.") from error
    if answer.is_error:
        kind = _NotFoundError if answer.status_code == 404 else UserError
        raise kind(str(values.get("error") or values.get("message") or f"{address} answered {answer.status_code}"))
    return values
