"""Risk as a person sees it, from the fold, the brake and the archive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar

from cassandra import DriverException, OperationTimedOut, RequestExecutionException
from cassandra.cluster import NoHostAvailable

from infra.brake import Hold, read_brake, strictest
from infra.clock import EXCHANGE, Clock
from schemas.calendar import calendar_of
from schemas.risk import STATES, LimitUse, RiskPart, RiskPoint, TradingState
from streams.archive.risk import RiskDay, RiskReader
from streams.console import risk_models as models
from streams.console.errors import NotFoundError, UnavailableError
from streams.console.limits_view import scope_named
from streams.console.state import Console
from streams.console.trading_log import TradingLog
from streams.console.trading_models import StateRow, TradingQuery
from streams.console.trading_rows import breach_row, difference_rows, iso, state_row
from streams.console.trading_view import Wanted, wanted
from streams.console.trading_words import sentence
from streams.risk.scopes import EACH, check_scope, parse_scope

SILENT_S = 75.0  # it repeats what it has to say every minute
_AWAY = (DriverException, NoHostAvailable, OperationTimedOut, RequestExecutionException)
T = TypeVar("T")


def risk_view(console: Console, query: models.RiskQuery) -> models.Risk:
    """GET /api/risk."""
    holds = read_brake(console.settings.home)
    with console.trading_follower.lock:
        asked, log = wanted(console, TradingQuery(**query.model_dump())), console.trading
        said = states_of(log, holds)
        now = console.clock.now_us()
        today = calendar_of(EXCHANGE).day_of(now)
        is_over = asked.day is not None and asked.day != today
        rows = [] if is_over else [
            scope_row(point, said) for point in log.points() if parse_scope(point.scope).kind in _SHOWN
        ]  # fmt: skip
        states, breaches = state_rows(log, holds, console.clock), [breach_row(breach) for breach in log.broken()]
        differences, heard_s = difference_rows(log, asked.account), log.heard_s
    if is_over and asked.day is not None:
        rows = _past_rows(console, asked.day)
    narrowed = [row for row in (_narrowed(row, asked) for row in rows) if row is not None]
    algos = sorted((row for row in narrowed if row.scope.startswith("algo:")), key=_by_risk)
    health = risk_health(console, heard_s)
    platform = next((row for row in narrowed if row.scope == "platform"), None)
    return models.Risk(
        market_us=now, market_time=console.market_time(now), is_over=is_over, risk=health,
        day=(asked.day or today).isoformat() if is_over or not platform else platform.day,
        state=strictest(said, ("platform",)), platform=platform,
        accounts=[row for row in narrowed if row.scope.startswith("account:")], algos=algos, states=states,
        breaches=breaches, differences=differences, warnings=[] if is_over else _warnings(health),
    )  # fmt: skip


_SHOWN = ("platform", "account", "algo")


def _by_risk(row: models.ScopeRow) -> tuple[float, str]:
    return -max(row.money_at_risk, row.day_max * 1e-9), row.scope


def _narrowed(row: models.ScopeRow, asked: Wanted) -> models.ScopeRow | None:
    """The row with only the parts that are asked for; None when it is not asked for at all."""
    if row.account and asked.account not in (None, row.account):
        return None
    if not row.scope.startswith("algo:"):
        return row
    if asked.run not in (None, row.run):
        return None
    parts = [
        part for part in row.parts
        if asked.account in (None, part.account) and asked.instrument in (None, part.instrument)
    ]  # fmt: skip
    if (asked.account or asked.instrument) and not parts:
        return None
    return row.model_copy(update={"parts": parts})


def risk_health(console: Console, heard_s: float) -> models.RiskPartHealth:
    """Whether risk answers on this computer, or else speaks in the log."""
    probe, here = console.probes.risk.answer, console.probes.risk.seen
    age_s = round(max(0.0, time.time() - heard_s), 1) if heard_s else None
    if age_s is not None and age_s <= SILENT_S and (probe.state == "ok" or not here):
        return models.RiskPartHealth(state="ok", detail=probe.detail if here else "", age_s=age_s)
    if probe.state == "ok":
        said = f"it said nothing for {age_s:.0f} s" if age_s is not None else "it has not said anything yet"
        return models.RiskPartHealth(state="silent", detail=probe.detail or said, age_s=age_s)
    return models.RiskPartHealth(state=probe.state, detail=probe.detail, age_s=age_s)


def _warnings(health: models.RiskPartHealth) -> list[str]:
    if health.state == "ok":
        return []
    if health.state == "unknown":
        return ["It is not known yet whether risk answers."]
    what = "does not answer: no new order leaves" if health.state == "down" else "is silent: this may be old"
    return [sentence(f"Risk {what}" + f" ({health.detail})" * bool(health.detail) + "; see `./portfolio status`")]


def platform_state(console: Console) -> TradingState:
    """Whether trading is on at all."""
    holds = read_brake(console.settings.home)
    with console.trading_follower.lock:
        return strictest(states_of(console.trading, holds), ("platform",))


def states_of(log: TradingLog, holds: Mapping[str, Hold]) -> dict[str, TradingState]:
    """The state of each scope of which something is said: the stricter of risk's word and the brake."""
    said: dict[str, TradingState] = {scope: state.state for scope, state in log.states.items()}
    for scope, hold in holds.items():
        said[scope] = max(said.get(scope, "ACTIVE"), hold.state, key=STATES.index)
    return said


def state_rows(log: TradingLog, holds: Mapping[str, Hold], clock: Clock) -> list[StateRow]:
    """What is not ACTIVE, and who says so."""
    rows = [state_row(state) for _, state in sorted(log.states.items()) if state.state != "ACTIVE"]
    for scope, hold in sorted(holds.items()):
        at_us = clock.at_wall(hold.at_us) if hold.at_us else 0
        rows.append(
            StateRow(scope=scope, state=hold.state, source="brake", actor=hold.actor, reason=hold.reason,
                     at_us=at_us, at=iso(at_us))
        )  # fmt: skip
    return rows


def held_rows(console: Console) -> list[StateRow]:
    """What is not ACTIVE now."""
    holds = read_brake(console.settings.home)
    with console.trading_follower.lock:
        return state_rows(console.trading, holds, console.clock)


def scope_row(point: RiskPoint, said: Mapping[str, TradingState]) -> models.ScopeRow:
    """What risk said of a scope."""
    p, scope = point, parse_scope(point.scope)
    above = ("platform", *(f"account:{account}" for account in {part.account for part in p.parts}))
    names = ("money_at_risk", "day_max", "previous_max", "realised", "open", "charges", "drawdown",
             "drawdown_all_time", "notional")  # fmt: skip
    return models.ScopeRow(
        scope=p.scope, account=scope.account or "", run=scope.run or "",
        state=max(p.state, strictest(said, (p.scope, *above)), key=STATES.index),
        day=p.day, at_us=p.at_us, at=iso(p.at_us), day_max_at=iso(p.day_max_us),
        change=round(p.day_max - p.previous_max, 2), change_percent=percent(p.day_max, p.previous_max),
        profit=round(p.realised + p.open - p.charges, 2), open_positions=p.open_positions, orders=p.orders,
        parts=sorted((_part_row(part) for part in p.parts), key=lambda part: (-part.money_at_risk, part.instrument)),
        uses=[use_row(use) for use in p.uses], **{name: round(getattr(p, name), 2) for name in names},
    )  # fmt: skip


def _part_row(part: RiskPart) -> models.PartRow:
    return models.PartRow(**{name: getattr(part, name) for name in models.PartRow.model_fields})


def use_row(use: LimitUse) -> models.UseRow:
    """How much of a limit is used."""
    share = use.used / use.value if use.value else None
    names = ("scope", "limit", "value", "used", "unit", "action")
    return models.UseRow(**{name: getattr(use, name) for name in names}, share=share)


def percent(now: float, before: float) -> float | None:
    """The change in percent; None when there was nothing before."""
    return round((now / before - 1) * 100, 2) if before else None


def history_view(console: Console, query: models.HistoryQuery) -> models.History:
    """GET /api/risk/history. UnavailableError while Cassandra does not answer."""
    scope = parse_named(console, query.scope)
    days = _ask(console, lambda reader: reader.days(scope, query.days))
    minutes = _ask(console, lambda reader: reader.points(scope, date.fromisoformat(days[-1].day))) if days else []
    return models.History(
        scope=scope,
        days=[history_row(day) for day in days],
        minutes=[
            models.MinuteRow(
                at_us=minute.at_us, money_at_risk=minute.money_at_risk, profit=round(minute.profit, 2),
                drawdown=minute.drawdown,
            )
            for minute in minutes
        ],
    )  # fmt: skip


def parse_named(console: Console, text: str) -> str:
    """The scope of a history: one that has days, though its algo may be long gone."""
    bare = check_scope(text).text
    if EACH in bare:
        raise NotFoundError(f"{bare} has no history: name one, as platform or algo:crossover.")
    known = _ask(console, lambda reader: reader.scopes())
    return bare if bare in known else scope_named(console, bare).text


def history_row(day: RiskDay) -> models.HistoryRow:
    """A day in a row."""
    names = ("day", "day_max", "previous_max", "realised", "open", "charges", "drawdown_max", "drawdown_all_time",
             "notional", "open_positions", "orders", "state")  # fmt: skip
    return models.HistoryRow(
        **{name: getattr(day, name) for name in names}, day_max_at=iso(day.day_max_us),
        change=round(day.change, 2), change_percent=percent(day.day_max, day.previous_max),
        profit=round(day.profit, 2),
    )  # fmt: skip


def _past_rows(console: Console, day: date) -> list[models.ScopeRow]:
    """The scopes on a day that is over."""

    def read(reader: RiskReader) -> list[RiskDay]:
        scopes = [scope for scope in reader.scopes() if parse_scope(scope).kind in _SHOWN]
        found = (reader.days(scope, 1, day) for scope in scopes)
        return [days[0] for days in found if days and days[0].day == day.isoformat()]

    return [_past_row(row) for row in _ask(console, read)]


def _past_row(day: RiskDay) -> models.ScopeRow:
    scope = parse_scope(day.scope)
    names = ("scope", "day", "at_us", "day_max", "previous_max", "realised", "open", "charges", "drawdown_all_time",
             "notional", "open_positions", "orders")  # fmt: skip
    return models.ScopeRow(
        **{name: getattr(day, name) for name in names}, account=scope.account or "", run=scope.run or "",
        state=day.state if day.state in STATES else "ACTIVE",
        at=iso(day.at_us), money_at_risk=day.day_max, day_max_at=iso(day.day_max_us), change=round(day.change, 2),
        change_percent=percent(day.day_max, day.previous_max), profit=round(day.profit, 2),
        drawdown=day.drawdown_max, parts=[], uses=[],
    )  # fmt: skip


def _ask(console: Console, question: Callable[[RiskReader], T]) -> T:
    reader = console.risk_archive
    if reader is None:
        raise UnavailableError("Cassandra does not answer, and the days of risk are there; see `./portfolio status`.")
    try:
        return question(reader)
    except _AWAY as error:
        raise UnavailableError(
            f"Cassandra does not answer ({type(error).__name__}); see `./portfolio status`."
        ) from error
