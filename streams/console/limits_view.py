"""Limits as a person sees them, and the scopes that people name."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.orders import EXTERNAL
from schemas.risk import Limit, LimitUse
from streams.console import risk_models as models
from streams.console.errors import NotFoundError
from streams.console.state import Console
from streams.console.trading_log import LimitChange, TradingLog
from streams.console.trading_rows import iso
from streams.console.trading_view import known_runs
from streams.risk.limits import sentence as limit_sentence
from streams.risk.limits import value_text
from streams.risk.scopes import EACH, Scope, check_scope, described


def limits_view(console: Console) -> models.Limits:
    """GET /api/risk/limits."""
    with console.trading_follower.lock:
        log = console.trading
        uses = _uses(log)
        return models.Limits(limits=[limit_row(limit, uses) for _, limit in sorted(log.limits.items())])


def _uses(log: TradingLog) -> dict[tuple[str, str], tuple[LimitUse, str]]:
    """Of each limit the largest use, and whose it is."""
    most: dict[tuple[str, str], tuple[LimitUse, str]] = {}
    for point in log.points():
        for use in point.uses:
            at = (use.scope, use.limit)
            if at not in most or use.used > most[at][0].used:
                most[at] = (use, point.scope)
    return most


def limit_row(limit: Limit, uses: Mapping[tuple[str, str], tuple[LimitUse, str]]) -> models.LimitRow:
    """A limit with its largest use."""
    use, by = uses.get((limit.scope, limit.limit), (None, ""))
    return models.LimitRow(
        scope=limit.scope, limit=limit.limit, value=limit.value, unit=limit.unit, action=limit.action,
        text=_limit_text(limit), shown=_shown(limit), actor=limit.actor, reason=limit.reason, at_us=limit.at_us,
        at=iso(limit.at_us), used=use.used if use else None, used_by=by,
        share=use.used / use.value if use and use.value else None,
    )  # fmt: skip


def _limit_text(limit: Limit) -> str:
    """What it says; a record that somebody wrote by hand may say anything."""
    try:
        return limit_sentence(limit)
    except (KeyError, ValueError):
        return f"{limit.scope}: {limit.limit} {limit.value:g}, which means nothing."


def _shown(limit: Limit) -> str:
    return value_text(limit.value, limit.unit)


def limit_history_view(console: Console, limit: int) -> models.LimitHistory:
    """GET /api/risk/limits/history."""
    with console.trading_follower.lock:
        changes = console.trading.limit_changes[-limit:][::-1]
    return models.LimitHistory(changes=[_history_row(change) for change in changes])


def _history_row(change: LimitChange) -> models.LimitHistoryRow:
    limit, before = change.limit, change.before
    return models.LimitHistoryRow(
        scope=limit.scope, limit=limit.limit, unit=limit.unit, action=limit.action, actor=limit.actor,
        reason=limit.reason, at_us=change.at_us, at=iso(change.at_us),
        before=before.value if before else None, before_shown=_shown(before) if before else "",
        after=None if limit.removed else limit.value, after_shown="" if limit.removed else _shown(limit),
    )  # fmt: skip


def scope_named(console: Console, text: str, *, new: bool = False) -> Scope:
    """The scope that is meant, its names known. UserError, one sentence with similar names, when it is none.

    ``new``: the algo is to come.
    """
    scope = check_scope(full_scope(console, text))
    if new or scope.run in (None, "", EACH, EXTERNAL):
        return scope
    with console.trading_follower.lock:
        runs = known_runs(console) | set(console.fleet.state.algos)
    return check_scope(scope.text, runs)


def full_scope(console: Console, text: str) -> str:
    """The scope with its instrument's full name: ``instrument:infy`` means ``instrument:NSE:INFY``."""
    head, mark, name = text.strip().rpartition("instrument:")
    if not mark or name.strip() in ("", EACH):
        return text
    with console.follower.lock:
        return f"{head}{mark}{console.feed.book.find(name).instrument}"


def limit_is_unknown(console: Console, scope: str, name: str) -> NotFoundError:
    """The error for a limit that is not set, with those that are."""
    with console.trading_follower.lock:
        there = [limit for where, limit in console.trading.limits if where == scope]
    hint = f"; there it has {', '.join(sorted(there))}" if there else ": `./portfolio risk limits` lists them"
    return NotFoundError(f"There is no limit {name} of {described(scope)}{hint}.")
