"""Orders, fills, positions and explanations on the terminal: what the API says in, something that rich can print out.

Pure. Narrow terminals get the columns that count, each number stands at the right; what a row has no room for is said
below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from schemas.orders import EXTERNAL
from schemas.rupees import grouped, rupees
from streams.console.fleet_screen import plain
from streams.console.trading_words import money, priced

Row = dict[str, Any]
Cell = str | Text
P = ParamSpec("P")
HOME = "NSE:"  # left out where there is no room: a bare symbol is looked up there first
COLOURS = {
    "asked": "yellow", "requested": "yellow", "unknown": "bold yellow", "accepted": "cyan", "open": "cyan",
    "trigger-pending": "cyan", "complete": "green", "cancelled": "dim", "refused": "red", "rejected": "red",
    "lost": "bold red", "not-sent": "red", "failed": "red", "filled": "green", "approved": "green",
    "ACTIVE": "green", "REDUCING": "bold yellow", "HALTED": "bold red", "broken": "red", "done": "yellow",
}  # fmt: skip


def fitting(
    make: Callable[Concatenate[Sequence[Row], bool, P], Table],
) -> Callable[Concatenate[Sequence[Row], int, P], Table]:
    """A table of rows that is made for a width: with all its columns where they fit, else with those that count."""

    @wraps(make)
    def made(rows: Sequence[Row], width: int, /, *args: P.args, **kwargs: P.kwargs) -> Table:
        table = make(rows, True, *args, **kwargs)
        endless = Console(width=10_000)
        needed = Measurement.get(endless, endless.options, table).maximum
        return table if needed <= width else make(rows, False, *args, **kwargs)

    return made


def orders_screen(said: Row, width: int) -> RenderableType:
    """The latest below; what was refused or rejected, and why, under the table."""
    orders = said["orders"][::-1]
    if not orders:
        return plain(
            "There is no such order: `./portfolio order buy INSTRUMENT QUANTITY` places one, on paper unless you say "
            "--account live; `./portfolio algo start` lets an algo trade."
        )
    return Group(_orders_table(orders, width, said["day"]), *_reasons(orders), *_more(said))


@fitting
def _orders_table(orders: Sequence[Row], wide: bool, day: str) -> Table:
    table = _table(wide)
    _columns(table, ("at", "<"), ("order", "<"), ("algo", "~"), ("", "<"), ("", ">"), ("instrument", "~"))
    _columns(table, *((("account", "<"), ("wanted", ">"), ("filled", ">")) if wide else ()), ("price", ">"))
    _columns(table, ("status", "<"))
    for o in orders:
        cells: list[Cell] = [
            moment(o["at"], day),
            Text(o["id"]),
            who(o),
            side(o["side"]),
            grouped(o["quantity"]),
        ]
        cells += [name(o["instrument"], wide)]
        if wide:
            cells += [account(o["account"]), Text(priced(o["kind"], o["price"], o["trigger"])), grouped(o["filled"])]
        price = o["average_price"] or o["price"] or o["trigger"]
        table.add_row(*cells, money(price) if price else Text("market", style="dim"), status(o, wide=wide))
    return table


def _reasons(orders: Sequence[Row]) -> Iterable[Text]:
    """Why what was not done was not; the same reason once."""
    alike: dict[str, list[Row]] = {}
    for o in orders:
        if said := ": ".join(part for part in (o["code"], o["reason"]) if part):
            alike.setdefault(said, []).append(o)
    for said, rows in alike.items():
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        yield Text.assemble((rows[-1]["id"], COLOURS.get(rows[-1]["status"], "")), more, ": ", plain(said))


def _more(said: Row) -> Iterable[Text]:
    if said["more"]:
        yield Text("There are more: --limit N shows so many, --day, --algo and --instrument narrow it down.", "dim")


def trades_screen(said: Row, width: int) -> RenderableType:
    """Fills, the latest below, and what they come to."""
    trades = said["trades"][::-1]
    if not trades:
        return plain("Nothing was filled: `./portfolio orders` shows what was asked for.")
    sums = {way: sum(t["value"] for t in trades if t["side"] == way) for way in ("buy", "sell")}
    total = f"{len(trades)} fills: bought for {rupees(sums['buy'])}, sold for {rupees(sums['sell'])}."
    return Group(_trades_table(trades, width, said["day"]), Text(total, style="dim"), *_more(said))


@fitting
def _trades_table(trades: Sequence[Row], wide: bool, day: str) -> Table:
    table = _table(wide)
    _columns(table, ("at", "<"), ("order", "<"), ("algo", "~"), ("", "<"), ("", ">"), ("instrument", "~"))
    _columns(table, ("price", ">"), *((("value", ">"), ("account", "<"), ("broker's", "<")) if wide else ()))
    for t in trades:
        cells: list[Cell] = [
            moment(t["at"], day),
            Text(t["order"]),
            who(t),
            side(t["side"]),
            grouped(t["quantity"]),
        ]
        more: list[Cell] = [cash(t["value"]), account(t["account"]), plain(t["broker_order"])] if wide else []
        table.add_row(*cells, name(t["instrument"], wide), money(t["price"]), *more)
    return table


def positions_screen(said: Row, width: int) -> RenderableType:
    """What is held, what it is worth, what the broker sees otherwise."""
    rows = said["positions"]
    if not rows and not said["differences"]:
        return plain("Nothing is held, and nothing was traded today; --all shows what was closed before.")
    sums = Text.assemble(
        ("Open ", "dim"), profit(said["open"]), ("  realised ", "dim"), profit(said["realised"]),
        ("  charges ", "dim"), rupees(said["charges"]),
    )  # fmt: skip
    return Group(*((_positions_table(rows, width), sums) if rows else ()), *differences(said["differences"]))


@fitting
def _positions_table(rows: Sequence[Row], wide: bool) -> Table:
    table = _table(wide)
    _columns(table, ("algo", "~"), ("instrument", "~"), *((("account", "<"), ("product", "<")) if wide else ()))
    _columns(table, ("held", ">"), ("average", ">"), ("price", ">"), *((("value", ">"),) if wide else ()))
    _columns(table, ("open", ">"), ("realised", ">"), *((("charges", ">"),) if wide else ()), ("at risk", ">"))
    for p in rows:
        cells: list[Cell] = [run(p["run"]), stock(p, wide)]
        cells += [account(p["account"]), Text(p["product"])] if wide else []
        held = grouped(p["quantity"]) if p["quantity"] else Text("flat", style="dim")
        cells += [held, money(p["average_price"]) if p["quantity"] else "", optional(p["price"], money)]
        cells += [optional(p["value"], cash)] if wide else []
        cells += [profit(p["open"], cash), profit(p["realised"], cash)]
        cells += [cash(p["charges"])] if wide else []
        table.add_row(*cells, optional(p["money_at_risk"], whole))
    return table


def differences(found: Sequence[Row]) -> Iterable[Text]:
    """Where the broker sees it otherwise, and what to do."""
    for d in found:
        yield Text.assemble(
            ("The broker holds ", "red"), (grouped(d["brokers"]), "bold red"),
            (f" {d['instrument']} {d['product']} in {d['account']}, the fills say {grouped(d['ours'])}: ", "red"),
            f"no new order leaves until `./portfolio risk accept {d['account']}` says that the broker is right.",
        )  # fmt: skip


def explanation_screen(said: Row, width: int) -> RenderableType:
    """One order from its cause to the position after it."""
    parts: list[RenderableType] = [Text(said["text"], style=COLOURS.get(said["order"]["status"], "bold"))]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    _columns(table, ("at", "<"), ("after", ">"), ("what", "<"), ("", "~"))
    day = said["order"]["at"][:10]
    for step in said["steps"]:
        words = plain(step["text"])
        if step["place"]:
            words.append(f"  [{step['place']}]", style="dim")
        at = step["at"][11:23] if step["at"][:10] == day else moment(step["at"], day)
        table.add_row(at, Text(lapse(step["after_ms"]), style="dim"), coloured(step["what"]), words)
    parts += ["", table]
    if said["cause"] and not said["cause"]["kind"]:
        parts.append(plain(f"What led to it lay at {said['cause']['place']}: {said['cause']['text']}"))
    if (verdict := said["verdict"]) and verdict["numbers"]:
        numbers = ", ".join(f"{key} {grouped(value)}" for key, value in verdict["numbers"].items())
        parts.append(plain(f"Limit {verdict['limit']}: {numbers}."))
    if said["order"]["labels"]:
        labels = ", ".join(f"{key}={value}" for key, value in said["order"]["labels"].items())
        parts.append(plain(f"Labels: {labels}."))
    if position := said["position"]:
        later = " (later fills are in it too)" if said["position_is_later"] else ""
        realised = Text.assemble(
            "; realised ", profit(position["realised"]), f", charges {rupees(position['charges'])}"
        )
        parts.append(Text(f"The position after it{later}: {_held(position)}").append_text(realised).append("."))
    parts += [breach_line(breach, day) for breach in said["breaches"]]
    parts += [state_line(state, day) for state in said["states"] if state["state"] != "ACTIVE"]
    return Group(*parts)


def _held(p: Row) -> str:
    if not p["quantity"]:
        return f"flat in {p['instrument']}"
    return f"{grouped(p['quantity'])} {p['instrument']} at {money(p['average_price'])}"


def breach_line(breach: Row, day: str) -> Text:
    """A limit that broke, in a line."""
    what = f"{breach['scope']} {breach['limit']} "
    return Text.assemble(
        moment(breach["at"], day), "  ", (what, "bold"), coloured(breach["state"]), ": ",
        plain(breach["reason"]), plain(f" {breach['detail']}" if breach["detail"] else ""),
    )  # fmt: skip


def state_line(state: Row, day: str) -> Text:
    """That trading is not on in a scope, who says so and why."""
    by = f" by {state['actor']}" if state["actor"] else ""
    at = f" since {moment(state['at'], day)}" if state["at"] else ""
    source = ", the brake of this computer" if state["source"] == "brake" else ""
    why = f": {state['reason']}" if state["reason"] else ""
    return Text.assemble((state["scope"], "bold"), " is ", coloured(state["state"]), plain(f"{by}{at}{source}{why}"))


def _table(wide: bool) -> Table:
    """With as little between the columns as the width needs."""
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2 if wide else 1, 0, 0))


def _columns(table: Table, *columns: tuple[str, str]) -> None:
    """``<`` left, ``>`` right, ``~`` left and the first to give way."""
    for title, way in columns:
        if way == "~":
            table.add_column(title, overflow="fold")
        else:
            table.add_column(title, justify="right" if way == ">" else "left", no_wrap=True)


def moment(at: str, day: str) -> str:
    """An ISO time in its own zone: the time of today, else the date with it."""
    if not at:
        return ""
    when = datetime.fromisoformat(at)
    return f"{when:%H:%M:%S}" if at[:10] == day else f"{when:%d %b %H:%M}"


def lapse(ms: float) -> str:
    """How long after the step before."""
    if ms < 1000:
        return f"+{ms:.1f} ms" if ms else ""
    return f"+{ms / 1000:.1f} s" if ms < 120_000 else f"+{ms / 60_000:.0f} m"


def who(row: Row) -> Text:
    """The algo's run; a person by name; risk, where it closes what people hold."""
    if not row["run"] and "flatten" in row.get("labels", ()):
        return Text("risk", style="italic")
    return run(row["run"], row["task"])


def run(name_: str, person: str = "") -> Text:
    """A run; a person's own and what was placed at the broker stand out."""
    if name_ == EXTERNAL:
        return Text(EXTERNAL, style="magenta")
    return plain(name_) if name_ else Text(person or "by hand", style="italic")


def name(instrument: str, wide: bool) -> Text:
    """An instrument; where there is no room without the home exchange."""
    return plain(instrument if wide else instrument.removeprefix(HOME))


def stock(row: Row, wide: bool) -> Text:
    """The instrument; where there is no room for a column of accounts real money is marked."""
    made = name(row["instrument"], wide)
    return made if wide or row["account"] != "live" else made.append(" live", style="bold red")


def side(way: str) -> Text:
    """buy, sell."""
    return Text(way, style={"buy": "green", "sell": "red"}.get(way, ""))


def account(which: str) -> Text:
    """paper, live."""
    return Text(which, style="bold red" if which == "live" else "")


def coloured(word: str) -> Text:
    """A status or state in its colour."""
    return Text(word, style=COLOURS.get(word, ""))


def status(o: Row, *, wide: bool) -> Text:
    """The status, where it is not plain with how much is filled."""
    made = coloured(o["status"])
    partly = 0 < o["filled"] < o["quantity"]
    return made.append(f" {grouped(o['filled'])}") if partly and not wide else made


def profit(value: float | None, form: Callable[[float], str] = rupees) -> Text:
    """Rupees, green above and red below 0."""
    if value is None:
        return Text("–", style="dim")
    return Text(form(value), style="green" if value > 0 else "red" if value < 0 else "dim")


def cash(value: float) -> str:
    """Rupees with both decimals, so that a column's stand below each other."""
    text = rupees(value)
    return text if "." in text else f"{text}.00"


def whole(value: float) -> str:
    """Whole rupees: where sums of lakhs stand below each other nobody reads paise."""
    return rupees(round(value))


def optional(value: float | None, form: Any) -> Any:
    """A value, or that it is not known."""
    return Text("–", style="dim") if value is None else form(value)


def show(made: RenderableType, console: Console | None = None) -> None:
    """Prints it."""
    (console or Console(highlight=False)).print(made)
