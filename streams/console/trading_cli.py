"""``portfolio orders|trades|positions|order|explain``: a person's orders, and all others. A client of the console."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from infra.cli.amounts import Amounts

app = typer.Typer(no_args_is_help=True)
order_app = typer.Typer(
    name="order",
    no_args_is_help=True,
    help="Place, change and cancel orders by hand. Risk judges them like all others.",
)
app.add_typer(order_app)
Row = dict[str, Any]
WAIT_S = 10.0  # what a market order needs is far less; what rests in the book is not waited for

Algo = Annotated[
    str, typer.Option("--algo", metavar="RUN", help="an algo's run, EXTERNAL, or - for people's", show_default=False)
]
Instrument = Annotated[
    str, typer.Option("--instrument", "-i", metavar="NAME", help="NSE:INFY, or INFY", show_default=False)
]
Day = Annotated[str, typer.Option("--day", metavar="DATE", help="of that day, as 2026-11-27", show_default=False)]
Account = Annotated[str, typer.Option("--account", metavar="NAME", help="paper or live", show_default=False)]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="the latest ones that many")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object, for machines")]
Name = Annotated[str, typer.Argument(metavar="INSTRUMENT", help="NSE:INFY, or INFY")]
Quantity = Annotated[str, typer.Argument(metavar="QUANTITY", help="shares or units, not lots")]
Price = Annotated[
    str, typer.Option("--price", metavar="RUPEES", help="a limit order at this price", show_default=False)
]
Trigger = Annotated[
    str, typer.Option("--trigger", metavar="RUPEES", help="a stop order at this price", show_default=False)
]
Id = Annotated[str, typer.Argument(metavar="ORDER", help="the order's id, as in `orders`")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; it is kept with it", show_default=False)]
Product = Annotated[
    str, typer.Option("--product", metavar="CNC|MIS|NRML", help="MIS for shares by default", show_default=False)
]
Validity = Annotated[str, typer.Option("--validity", metavar="DAY|IOC")]
Protection = Annotated[
    float, typer.Option("--protection", metavar="PERCENT", help="market protection; -1: the broker's automatic")
]
InAccount = Annotated[str, typer.Option("--account", metavar="paper|live", help="live: real money")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="until it is known what became of it")]


@app.command()
def orders(
    algo: Algo = "",
    instrument: Instrument = "",
    day: Day = "",
    account: Account = "",
    limit: Limit = 50,
    live: Annotated[bool, typer.Option("--live", help="only those of which more may come")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the orders of all algos and people, and what became of them; the latest below."""
    query = _query(algo, instrument, day, account) | {"limit": limit, "live": live}
    _show("/orders", query, as_json, lambda screen: screen.orders_screen)


@app.command()
def trades(
    algo: Algo = "", instrument: Instrument = "", day: Day = "", account: Account = "", limit: Limit = 50,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show fills, each at its own price; the latest below."""
    query = _query(algo, instrument, day, account) | {"limit": limit}
    _show("/trades", query, as_json, lambda screen: screen.trades_screen)


@app.command()
def positions(
    algo: Algo = "",
    instrument: Instrument = "",
    day: Day = "",
    account: Account = "",
    all_: Annotated[bool, typer.Option("--all", help="also what is flat and was not traded today")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is held, by algo and instrument, and what it is worth."""
    query = _query(algo, instrument, day, account) | {"all": all_}
    _show("/positions", query, as_json, lambda screen: screen.positions_screen)


@app.command()
def explain(order: Id, as_json: AsJson = False) -> None:
    """Explain one order: what led to it, what risk said, what was sent, every event and fill, the position after it."""
    _show(f"/explain/{_quoted(order)}", {}, as_json, lambda screen: screen.explanation_screen)


@order_app.command(cls=Amounts)
def buy(
    instrument: Name,
    quantity: Quantity,
    price: Price = "",
    trigger: Trigger = "",
    product: Product = "",
    validity: Validity = "DAY",
    protection: Protection = -1.0,
    account: InAccount = "paper",
    reason: Why = "",
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Buy, on paper unless you say --account live. Without a price at the market's.

    Example: portfolio order buy INFY 10 --price 1520
    """
    _place("buy", instrument, quantity, price, trigger, product, validity, protection, account, reason, wait, as_json)


@order_app.command(cls=Amounts)
def sell(
    instrument: Name,
    quantity: Quantity,
    price: Price = "",
    trigger: Trigger = "",
    product: Product = "",
    validity: Validity = "DAY",
    protection: Protection = -1.0,
    account: InAccount = "paper",
    reason: Why = "",
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Sell, on paper unless you say --account live. Without a price at the market's; a stop has --trigger."""
    _place("sell", instrument, quantity, price, trigger, product, validity, protection, account, reason, wait, as_json)


@order_app.command()
def cancel(order: Id, reason: Why = "", wait: Wait = True, as_json: AsJson = False) -> None:
    """Cancel what is not filled yet."""
    _ask("DELETE", f"/orders/{_quoted(order)}", wait, as_json, {"reason": reason})


@order_app.command()
def modify(
    order: Id,
    quantity: Annotated[
        str, typer.Option("--quantity", metavar="N", help="in all, filled ones included", show_default=False)
    ] = "",
    price: Price = "",
    trigger: Trigger = "",
    reason: Why = "",
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Change a live order's quantity, price or trigger."""
    asked = {
        "quantity": number("--quantity", quantity, whole=True), "price": number("--price", price),
        "trigger": number("--trigger", trigger), "reason": reason,
    }  # fmt: skip
    _ask("PATCH", f"/orders/{_quoted(order)}", wait, as_json, {}, asked)


@order_app.command()
def show(order: Id, as_json: AsJson = False) -> None:
    """Show one order as `explain` does."""
    explain(order, as_json)


def _place(
    side: str, instrument: str, quantity: str, price: str, trigger: str, product: str, validity: str,
    protection: float, account: str, reason: str, wait: bool, as_json: bool,
) -> None:  # fmt: skip
    asked = {
        "account": account.strip().lower(), "instrument": instrument, "side": side,
        "quantity": number("QUANTITY", quantity, whole=True), "price": number("--price", price),
        "trigger": number("--trigger", trigger), "product": product.upper(), "validity": validity.upper(),
        "protection": protection, "reason": reason,
    }  # fmt: skip
    _ask("POST", "/orders", wait, as_json, {}, asked)


def _ask(method: str, path: str, wait: bool, as_json: bool, query: Row, body: Row | None = None) -> None:
    """Asks, waits, and tells what became of it. typer.Exit(1) when it was refused, or nothing is known in time."""
    from streams.console.fates import ask

    more = {} if body is None else {"json": body}
    answer = ask(method, path, params=query | {"wait_s": WAIT_S if wait else 0}, **more)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        for warning in answer["warnings"]:
            typer.secho(warning, fg="yellow", err=True)
        good = answer["done"] and (answer["settled"] or not wait)
        typer.secho(answer["message"], fg=None if good else "yellow" if answer["done"] else "red")
        if wait and not answer["settled"]:
            typer.secho(f"`./portfolio explain {answer['id']}` shows how it goes on.", fg="yellow")
    if not answer["done"] or (wait and not answer["settled"]):
        raise typer.Exit(1)


def number(what: str, text: str, *, whole: bool = False) -> float | int:
    """What a person wrote; 0 for nothing. UserError when it is no number, or no whole one."""
    from infra.errors import UserError
    from schemas.rupees import read_number

    if not text.strip():
        return 0
    try:
        value = read_number(text)
    except ValueError:
        raise UserError(f"{what} {text!r} is no number; write 10 or 1,523.40.") from None
    if not whole:
        return value
    if value != int(value):
        raise UserError(f"{what} {text!r} is no whole number.")
    return int(value)


def _query(algo: str, instrument: str, day: str, account: str) -> Row:
    return {"algo": algo, "instrument": instrument, "day": day, "account": account.strip().lower()}


def _show(path: str, query: Row, as_json: bool, screen: Callable[[Any], Callable[[Row, int], Any]]) -> None:
    from streams.console.fates import ask

    answer = ask("GET", path, params=query)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    from rich.console import Console

    from streams.console import trading_screen

    console = Console(highlight=False)
    trading_screen.show(screen(trading_screen)(answer, console.width), console)


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="") or "-"
