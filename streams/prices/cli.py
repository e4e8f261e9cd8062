"""`portfolio tail`: the consumer script."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="ticks, candles, feed-status, ticks-dlq, ...")],
    instrument: Annotated[
        str, typer.Option("--instrument", "-i", help="Only this one: NSE:INFY, or INFY.", show_default=False)
    ] = "",
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after so many lines.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="Everything that is kept, oldest first.")] = False,
) -> None:
    """Show what a topic says as it says it, one line a tick or record. Ctrl-C stops.

    Topics that hold a state (instruments, subscriptions, feed-status, feed-pools) are shown as they are now first.
    """
    from infra.settings import settings
    from streams.prices import tail as view
    from streams.prices.pipe import reader_may_leave

    chosen = settings()
    wanted = view.topic_of(topic)
    try:
        name = view.instrument_of(instrument, chosen) if instrument else ""
        if name and topic == "ticks" and not view.is_subscribed(name, chosen):
            typer.secho(
                f"{name} is not subscribed, so no ticks come: `./portfolio feed add {name}`.", fg="yellow", err=True
            )
        with reader_may_leave():
            view.tail(view.Wanted(wanted, name, count or 0, as_json, from_start), chosen)
    except KeyboardInterrupt:
        return
