"""The live view as a picture: a market answer in, something that rich can print out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich import box
from rich.console import Group, JustifyMethod, RenderableType
from rich.rule import Rule
from rich.style import Style
from rich.table import Table
from rich.text import Text

from streams.console.models import Market, MarketRow, WorkerRow

UP, DOWN, QUIET, WARN, ACCENT = "green", "red", "bright_black", "yellow", "cyan"
SPARKS = "▁▂▃▄▅▆▇█"
_CHROME = 8  # lines that are neither instruments nor workers
_WIDE = 100
_STATES = {"streaming": UP, "connecting": WARN, "waiting-for-token": WARN, "refused": DOWN, "lost": DOWN}
_SECOND_US = 1_000_000
_HEAD_LINE = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")  # one line below the titles, no other


@dataclass(frozen=True, slots=True)
class View:
    """What is on the screen besides the market: its size, the order of the rows, what their prices were."""

    width: int
    height: int
    rows: Sequence[MarketRow]  # in the order in which they are shown
    history: Mapping[str, Sequence[float]]  # the last prices of each instrument, oldest first
    address: str
    hint: str = "Ctrl-C stops"
    problem: str = ""  # one sentence while the console does not answer


def rows_that_fit(height: int, workers: int) -> int:
    """How many instruments a screen of this height has room for."""
    return max(3, height - _CHROME - min(max(workers, 1), _workers_that_fit(height)))


def _workers_that_fit(height: int) -> int:
    return max(1, min(8, height // 6))


def draw(market: Market, view: View) -> RenderableType:
    """The whole screen."""
    return Group(
        _header(market, view.width),
        _totals(market, view.width),
        Text(""),
        _instruments(view) if view.rows else _nothing(market),
        Text(""),
        _workers(market.workers, view),
        Rule(style=QUIET),
        _footer(view),
    )


def _nothing(market: Market) -> Text:
    if not market.totals.subscribed:
        return Text(" Nothing is subscribed yet: ./portfolio feed add NSE:INFY", style=WARN)
    return Text(" Waiting for the first ticks.", style=WARN)


def _spread(left: Text, right: Text, width: int) -> Text:
    """Two texts at the two ends of a line; the right one gives way."""
    room = width - left.cell_len - right.cell_len
    if room < 1:
        left.truncate(width, overflow="ellipsis")
        return left
    return left.append(" " * room).append_text(right)


def _header(market: Market, width: int) -> Text:
    at = datetime.fromisoformat(market.market_time)
    left = Text().append(" PORTFOLIO ", style=f"bold black on {ACCENT}").append(f"  {at:%a %d %b %Y}  ")
    left.append(f"{at:%H:%M:%S} IST", style="bold bright_white")
    return _spread(left, _session(market), width)


def _session(market: Market) -> Text:
    session, made = market.session, Text()
    if session.state == "open" and session.close_us:
        minutes = max(0, session.close_us - market.market_us) // (60 * _SECOND_US)
        made.append("● ", style=UP).append(f"NSE open, {minutes // 60}:{minutes % 60:02d} left")
    else:
        made.append("○ NSE closed", style=QUIET)
    if market.simulated:
        speed = f" ×{market.speed:g}" if market.speed != 1 else ""
        made.append(f"  simulated{speed}", style=QUIET)
    return made.append(" ")


def _totals(market: Market, width: int) -> Text:
    totals = market.totals
    whole = totals.workers_streaming >= totals.workers_wanted
    figures = [
        (f"{totals.subscribed:,}", "instruments", "bold"),
        (f"{totals.ticks_per_s:,.0f}", "ticks/s", "bold"),
        (f"{totals.workers_streaming}/{totals.workers_wanted}", "workers", f"bold {UP if whole else WARN}"),
        _candles(totals.candles_lag_s),
    ]
    if totals.money_at_risk is not None and width >= _WIDE:
        figures.append((f"₹{short(round(totals.money_at_risk))}", "at risk", "bold"))
    left = Text(" ")
    if totals.trading != "ACTIVE":
        left.append(f"{totals.trading} ", style=f"bold {DOWN if totals.trading == 'HALTED' else WARN}").append("  ")
    for number, unit, style in figures:
        left.append(number, style=style).append(f" {unit}   ", style=QUIET)
    right = Text(f"{short(totals.ticks)} ticks seen ", style=QUIET)
    if totals.bad_records:
        right = Text(f"{totals.bad_records:,} unreadable records  ", style=WARN) + right
    return _spread(left, right, width)


def _candles(lag_s: float | None) -> tuple[str, str, str]:
    if lag_s is None:
        return "no", "candle worker yet", WARN
    if lag_s > 15:
        return f"{lag_s:,.0f} s", "candles behind", f"bold {DOWN}"
    return f"{lag_s:.1f} s", "candle lag", "bold"


def _instruments(view: View) -> Table:
    style = Style(dim=bool(view.problem))
    table = Table(box=_HEAD_LINE, expand=True, show_edge=False, pad_edge=False, header_style=QUIET, style=style)
    columns = _columns(view.width, with_history=any(len(prices) > 1 for prices in view.history.values()))
    for title, justify in columns:
        table.add_column(title, justify=justify, no_wrap=True, overflow="ellipsis")
    table.columns[0].ratio, table.columns[0].min_width = 1, 21
    for row in view.rows:
        cells = _cells(row, view.history.get(row.instrument, ()))
        table.add_row(*(cells[title] for title, _ in columns), style=style)
    return table


def _columns(width: int, *, with_history: bool) -> list[tuple[str, JustifyMethod]]:
    """Which columns a width has room for, and how each is aligned."""
    wanted: list[tuple[str, JustifyMethod]] = [(" Instrument", "left"), ("Last", "right"), ("Change", "right")]
    wanted.append(("%", "right"))
    if width >= _WIDE and with_history:
        wanted.append(("Recent", "left"))
    if width >= 125:
        wanted.append(("Day's range", "left"))
    if width >= 150:
        wanted[-1:] = [("Open", "right"), ("Low", "right"), ("Day's range", "left"), ("High", "right")]
    return [*wanted, ("Volume", "right"), ("Ticks/s", "right"), ("Age ", "right")]


def _cells(row: MarketRow, history: Sequence[float]) -> dict[str, Text]:
    colour = QUIET if not row.change else UP if row.change > 0 else DOWN
    moved = len(history) > 1 and history[-1] != history[-2]
    exchange, _, symbol = row.instrument.rpartition(":")
    return {
        " Instrument": Text(f" {exchange}:", style=QUIET).append(symbol, style=Style(bold=True, color="default")),
        "Last": Text(money(row.last_price), style=Style(color=colour if row.change else None, bold=moved)),
        "Change": Text("–" if row.change is None else f"{row.change:+,.2f}", style=colour),
        "%": Text("–" if row.change_percent is None else f"{row.change_percent:+.2f}", style=colour),
        "Recent": Text(sparkline(history, 20), style=colour),
        "Open": _plain(row.open),
        "Low": _plain(row.low),
        "Day's range": day_range(row, 15),
        "High": _plain(row.high),
        "Volume": Text("–" if row.volume is None else short(row.volume), style="" if row.volume else QUIET),
        "Ticks/s": Text(f"{row.ticks_per_s:.1f}", style="" if row.ticks_per_s else QUIET),
        "Age ": Text(f"{age(row.age_s)} ", style=QUIET if row.age_s < 10 else WARN),
    }


def _plain(price: float | None) -> Text:
    return Text("–" if price is None else money(price), style=QUIET)


def _workers(workers: Sequence[WorkerRow], view: View) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(no_wrap=True, overflow="ellipsis")
    table.columns[-1].ratio = 1
    for worker in list(workers)[: _workers_that_fit(view.height)]:
        colour = _STATES.get(worker.state, QUIET)
        table.add_row(Text(f" {worker.worker}", style="bold"), Text(f"● {worker.state}", style=colour), _doing(worker))
    return table if workers else Text(" No feed worker has spoken yet.", style=WARN)


def _doing(worker: WorkerRow) -> Text:
    if worker.state != "streaming" and worker.detail:
        return Text(worker.detail)
    made = Text(f"{worker.instruments:,} instruments   {worker.ticks_per_s:,.0f} ticks/s")
    return made.append(f"   pid {worker.pid} on {worker.host}", style=QUIET)


def _footer(view: View) -> Text:
    if view.problem:
        return Text(f" {view.problem}", style=f"bold {DOWN}", no_wrap=True, overflow="ellipsis")
    return _spread(Text(f" {view.address}/api/docs", style=ACCENT), Text(f"{view.hint} ", style=QUIET), view.width)


def sparkline(prices: Sequence[float], width: int) -> str:
    """The last ``width`` prices as little bars between their own lowest and highest."""
    last = list(prices)[-width:]
    if not last:
        return ""
    low, high = min(last), max(last)
    if high == low:
        return SPARKS[3] * len(last)
    return "".join(SPARKS[round((price - low) / (high - low) * (len(SPARKS) - 1))] for price in last)


def day_range(row: MarketRow, width: int) -> Text:
    """Where the last price lies between the day's low and high."""
    if row.low is None or row.high is None or row.high <= row.low:
        return Text("")
    at = min(max((row.last_price - row.low) / (row.high - row.low), 0.0), 1.0)
    place = round(at * (width - 1))
    return Text("─" * place, style=QUIET).append("◆", style=ACCENT).append("─" * (width - 1 - place), style=QUIET)


def money(price: float) -> str:
    """A price with two decimals (up to four where it has them), grouped as in India: 1,24,512.35."""
    sign, text = ("-" if price < 0 else ""), f"{abs(price):.4f}"
    whole, _, part = text.partition(".")
    part = part.rstrip("0").ljust(2, "0")
    head, tail = whole[:-3], whole[-3:]
    groups: list[str] = []
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    return f"{sign}{','.join([*groups, tail])}.{part}"


def short(count: int) -> str:
    """A large number as it is said in India: 12,345, 4.56 L (lakh, 10⁵), 1.23 Cr (crore, 10⁷)."""
    if count >= 10_000_000:
        return f"{count / 10_000_000:,.2f} Cr"
    return f"{count / 100_000:.2f} L" if count >= 100_000 else f"{count:,}"


def age(seconds: float) -> str:
    """An age in the largest unit that says something."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} m" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def line(market: Market, rows: Sequence[MarketRow]) -> str:
    """The market in one plain line with some rows' prices, for logs and pipes."""
    totals = market.totals
    lag = "no candle worker yet" if totals.candles_lag_s is None else f"candles {totals.candles_lag_s:.1f} s behind"
    moving = "  ".join(_quote(row) for row in rows)
    workers = f"workers {totals.workers_streaming}/{totals.workers_wanted}"
    at = market.market_time[:19].replace("T", " ")
    rate = f"{totals.subscribed:,} instruments  {totals.ticks_per_s:,.0f} ticks/s"
    return f"{at} IST  {rate}  {workers}  {lag}  {moving}".rstrip()


def _quote(row: MarketRow) -> str:
    change = "" if row.change_percent is None else f" {row.change_percent:+.2f}%"
    return f"{row.instrument} {money(row.last_price)}{change}"
