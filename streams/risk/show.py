"""Risk on the terminal: what the API says in, something that rich can print out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.rupees import grouped
from streams.console.fleet_screen import plain
from streams.console.trading_screen import (
    Row,
    account,
    breach_line,
    coloured,
    differences,
    fitting,
    moment,
    profit,
    run,
    state_line,
    stock,
    whole,
)
from streams.console.trading_words import money
from streams.risk.limits import value_text

NEAR, AT = 0.8, 1.0  # shares of a limit from which it is shown in yellow, in red
WIDE = 110  # columns from which a table has room for reasons
BAR = 24  # columns


def risk_screen(said: Row, width: int) -> RenderableType:
    """The whole: totals, by algo segregated by stock, limits, what is off and what broke."""
    parts: list[RenderableType] = [_head(said), *(Text(warning, style="yellow") for warning in said["warnings"])]
    scopes = [row for row in (said["platform"], *said["accounts"]) if row]
    if not scopes and not said["algos"]:
        none = "Nothing is stored of that day." if said["is_over"] else "Risk has not said anything yet."
        return Group(*parts, plain(f"{none} `./portfolio risk history` shows the days that there are."))
    parts += ["", totals_table([*scopes, *(said["algos"] if said["is_over"] else [])], width, said["day"])]
    if not said["is_over"]:
        parts += ["", *_algos(said["algos"], width)]
    uses = [use | {"scope": row["scope"]} for row in (*scopes, *said["algos"]) for use in row["uses"]]
    if uses:
        parts += ["", uses_table(uses, width)]
    parts += _below(said)
    return Group(*parts)


def _head(said: Row) -> Text:
    made = Text.assemble((f"Risk on {said['day']}", "bold"))
    if said["is_over"]:
        return made.append(", a day that is over: at risk is the largest of it", style="dim")
    return made.append(f", {said['market_time'][11:19]}: trading is ").append_text(coloured(said["state"]))


def _below(said: Row) -> list[RenderableType]:
    day = said["market_time"][:10]
    lines: list[RenderableType] = [state_line(state, day) for state in said["states"]]
    lines += [breach_line(breach, day) for breach in said["breaches"]]
    lines += list(differences(said["differences"]))
    return ["", *lines] if lines else []


@fitting
def totals_table(rows: Sequence[Row], wide: bool, day: str) -> Table:
    """A line for each scope: at risk, the day's maximum and its change, profit and loss, drawdown."""
    table = _table(wide)
    table.add_column("scope", overflow="fold")
    columns = ["at risk", "day's max", "change", *(("max at", "realised", "open", "charges") if wide else ())]
    columns += ["day's P&L", "drawdown", *(("all-time", "notional", "orders") if wide else ())]
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for r in rows:
        scope = plain(r["scope"])
        if r["state"] != "ACTIVE":
            scope = Text.assemble(scope, " ", coloured(r["state"]))
        cells: list[Any] = [scope, whole(r["money_at_risk"]), whole(r["day_max"]), change(r)]
        if wide:
            cells += [moment(r["day_max_at"], day), gain(r["realised"]), gain(r["open"]), whole(r["charges"])]
        cells += [gain(r["profit"]), loss(r["drawdown"])]
        if wide:
            cells += [loss(r["drawdown_all_time"]), whole(r["notional"]), grouped(r["orders"])]
        table.add_row(*cells)
    return table


def _algos(algos: Sequence[Row], width: int) -> Iterable[RenderableType]:
    held = [algo for algo in algos if algo["parts"]]
    if not held:
        yield plain("No algo holds anything, and none has an order that waits.")
        return
    yield algos_table(held, width)


@fitting
def algos_table(algos: Sequence[Row], wide: bool) -> Table:
    """Money at risk by algo, segregated by stock: the algo's sum, below it each of its stocks."""
    table = _table(wide)
    table.add_column("algo, stock", overflow="fold")
    if wide:
        table.add_column("account")
        table.add_column("product")
    columns = ["held", "covered", "pending", *(("average",) if wide else ()), "price", "at risk"]
    for title in (*columns, *(("realised", "open") if wide else ("P&L",))):
        table.add_column(title, justify="right", no_wrap=True)
    for algo in algos:
        made = [gain(algo["realised"]), gain(algo["open"])] if wide else [gain(algo["profit"])]
        blank = [""] * (7 if wide else 4)
        total = Text(whole(algo["money_at_risk"]), style="bold")
        table.add_row(run(algo["run"], "people's orders"), *blank, total, *made)
        for p in algo["parts"]:
            more = [account(p["account"]), p["product"]] if wide else []
            profits = (
                [gain(p["realised"]), gain(p["open"])] if wide else [gain(p["realised"] + p["open"] - p["charges"])]
            )
            table.add_row(
                Text("  ").append_text(stock(p, wide)), *more, grouped(p["quantity"]),
                grouped(p["covered"]) if p["covered"] else "", pending(p),
                *((money(p["average_price"]) if p["quantity"] else "",) if wide else ()),
                last(p), whole(p["money_at_risk"]), *profits,
            )  # fmt: skip
    return table


def last(part: Row) -> Text:
    """The last price; an old one is marked."""
    if not part["price"]:
        return Text("–", style="dim")
    return Text(money(part["price"])) if part["fresh"] else Text(f"{money(part['price'])} old", style="yellow")


def pending(part: Row) -> str:
    """What is still to be bought and sold: ``+10 −5``."""
    buys = f"+{grouped(part['pending_buy'])}" if part["pending_buy"] else ""
    sells = f"−{grouped(part['pending_sell'])}" if part["pending_sell"] else ""
    return " ".join(side for side in (buys, sells) if side)


@fitting
def uses_table(uses: Sequence[Row], wide: bool) -> Table:
    """How much of each limit is used, the most used first."""
    table = _table(wide)
    table.add_column("limit of", overflow="fold")
    table.add_column("limit", no_wrap=True)
    for title in ("used", "of", "share"):
        table.add_column(title, justify="right", no_wrap=True)
    if wide:
        table.add_column("", no_wrap=True)
        table.add_column("else")
    for use in sorted(uses, key=lambda use: -(use["share"] or 0.0)):
        used, of = value_text(use["used"], use["unit"]), value_text(use["value"], use["unit"])
        bar = [Bar(1.0, 0.0, min(1.0, use["share"] or 0.0), width=BAR, color=_colour(use["share"])), use["action"]]
        table.add_row(plain(use["scope"]), use["limit"], used, of, share(use["share"]), *(bar if wide else ()))
    return table


def share(part: float | None) -> Text:
    """``62%``, in yellow near the limit and red at it."""
    return Text("–", style="dim") if part is None else Text(f"{part:.0%}", style=_colour(part))


def _colour(part: float | None) -> str:
    if part is None or part < NEAR:
        return "green"
    return "yellow" if part < AT else "red"


def gain(value: float) -> Text:
    """A profit or loss in whole rupees."""
    return profit(value, whole)


def change(row: Row) -> Text:
    """The day's maximum against that of the day before."""
    if not row["previous_max"]:
        return Text("–", style="dim")
    sign = "+" if row["change"] > 0 else ""
    return Text(f"{sign}{row['change_percent']:.1f}%", style="yellow" if row["change"] > 0 else "green")


def loss(value: float) -> Text:
    """A drawdown: nothing, or red."""
    return Text(whole(value), style="red" if value > 0 else "dim")


def limits_screen(said: Row, width: int) -> RenderableType:
    """Each limit, how much of it is used and by whom."""
    limits = said["limits"]
    if not limits:
        return plain(
            "No limit is set: `./portfolio risk set platform money-at-risk 10,00,000` sets one; "
            "`./portfolio risk set --help` shows which there are."
        )
    wide = width >= WIDE
    table = _table(wide)
    table.add_column("scope", overflow="fold")
    table.add_column("limit", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("else", no_wrap=True)
    table.add_column("used", justify="right", no_wrap=True)
    if wide:
        for title in ("by", "set by", "at"):
            table.add_column(title)
        table.add_column("why", overflow="fold")
    for row in limits:
        more = [plain(row["used_by"]), plain(row["actor"]), row["at"][:16].replace("T", " "), plain(row["reason"])]
        action = "" if row["limit"] in ("capital", "adverse-move") else row["action"]
        used = share(row["share"]) if row["used"] is not None else Text("–", style="dim")
        table.add_row(plain(row["scope"]), row["limit"], row["shown"], action, used, *(more if wide else ()))
    return table


def limit_history_screen(said: Row, width: int) -> RenderableType:
    """Who changed what, the latest below."""
    changes = said["changes"][::-1]
    if not changes:
        return plain("No limit was ever set: `./portfolio risk set SCOPE LIMIT VALUE` sets one.")
    table = _table(width >= WIDE)
    for title in ("at", "who"):
        table.add_column(title, no_wrap=True)
    table.add_column("scope", overflow="fold")
    table.add_column("limit", no_wrap=True)
    for title in ("from", "to"):
        table.add_column(title, justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("else")
        table.add_column("why", overflow="fold")
    for c in changes:
        after = c["after_shown"] or Text("removed", style="yellow")
        more = [c["action"] if c["after"] is not None else "", plain(c["reason"])] if width >= WIDE else []
        at = c["at"][:16].replace("T", " ")
        table.add_row(at if width >= WIDE else at[5:], plain(c["actor"] or "–"), plain(c["scope"]), c["limit"],
                      c["before_shown"] or "–", after, *more)  # fmt: skip
    return table


def history_screen(said: Row, width: int) -> RenderableType:
    """The days of a scope: the largest money at risk as a bar and how it changed, profit and loss, drawdown."""
    days = said["days"]
    if not days:
        return plain(f"Nothing is stored of {said['scope']} yet: a day begins with its first order.")
    wide = width >= WIDE
    most = max(day["day_max"] for day in days)
    table = _table(wide)
    table.add_column("day", no_wrap=True)
    for title in ("max at risk", "change"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    columns = ["P&L", "drawdown", *(("realised", "open", "charges", "all-time", "orders") if wide else ())]
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    room = max(8, min(60, width - (105 if wide else 62)))
    for day in days:
        bar = Bar(most or 1.0, 0.0, day["day_max"], width=room, color="cyan")
        more = [gain(day["realised"]), gain(day["open"]), whole(day["charges"]), loss(day["drawdown_all_time"]),
                grouped(day["orders"])]  # fmt: skip
        table.add_row(
            day["day"], whole(day["day_max"]), change(day), bar, gain(day["profit"]), loss(day["drawdown_max"]),
            *(more if wide else ()),
        )  # fmt: skip
    return Group(Text(f"Money at risk of {said['scope']} by trading day", style="bold"), table)


def _table(wide: bool) -> Table:
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2 if wide else 1, 0, 0))
