"""`portfolio candles`: what is stored, in any interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra.settings import Settings
    from streams.archive.reader import CandleReader

app = typer.Typer(no_args_is_help=True)


@app.command()
def candles(
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="NSE:INFY, or INFY.")],
    interval: Annotated[str, typer.Option("--interval", "-i", help="1m, 3m, 5m, 10m, 15m, 30m, 60m or 1d.")] = "1m",
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help="ISO date or time, the exchange's own.", show_default=False)
    ] = "",
    until: Annotated[
        str, typer.Option("--to", metavar="TIME", help="The last candle's date or time.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values.")] = False,
) -> None:
    """Show stored candles; without a range those of the last day that has any (of 1d: the last 60 days)."""
    from cassandra import DriverException
    from cassandra.cluster import NoHostAvailable

    from infra.cassandra import connect
    from infra.clock import market_clock
    from infra.errors import UserError
    from infra.settings import settings
    from streams.archive import ask, show
    from streams.archive.reader import CandleReader

    if as_json and as_csv:
        raise UserError("Take one of --json and --csv.")
    wanted = instrument.strip().upper()
    ask.question(wanted if ":" in wanted else f"NSE:{wanted}", interval, since, until)  # before any server is asked
    chosen = settings()
    try:
        reader = CandleReader(connect(chosen))
        name = _name(reader, wanted, chosen)
        asked = ask.question(name, interval, since, until)
        found = ask.answer(reader, asked, market_clock().now_us())
    except (DriverException, NoHostAvailable) as error:
        raise UserError(f"Cassandra does not answer ({type(error).__name__}); see `./portfolio status`.") from error
    if not found and not (as_json or as_csv):
        raise UserError(_nothing(reader, name, bool(since or until)))
    zone = ask.zone_of(name)
    shown = show.print_json if as_json else show.print_csv if as_csv else show.print_table
    shown(found, zone)


def _name(reader: CandleReader, wanted: str, of: Settings) -> str:
    """The full name. UserError when neither the archive nor the list of instruments has it."""
    if ":" in wanted and reader.latest_days(wanted, 1):
        return wanted
    from streams.prices.tail import instrument_of

    return instrument_of(wanted, of)


def _nothing(reader: CandleReader, name: str, in_range: bool) -> str:
    days = reader.days(name)
    if not days:
        return f"There are no candles of {name} yet; `./portfolio feed add {name}` asks for its ticks."
    span = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    return f"There are no candles of {name} in that range; there are some {span}." if in_range else f"None of {name}."
