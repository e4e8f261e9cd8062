"""Limits that break, hold again, and what is done about it.

A limit breaks once, and stands until it holds again: until no more than 95 % of it is used, or its value is another
and it holds. Who lets a scope trade again whose limit still stands breaks it again at once, with all that follows: the
limit is to be raised first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from schemas.orders import EXTERNAL
from schemas.risk import STATES, Breach, TradingState
from streams.risk.book import Book
from streams.risk.jobs import keys_in
from streams.risk.limits import ACTIONS, KINDS, value_text
from streams.risk.scopes import algo_scope, described, parse_scope
from streams.risk.uses import Use, Uses

EASED = 0.95  # a limit holds again when no more of it is used: one that is just at its value does not flicker
STOPPING = ("stop", "flatten", "halt")
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Warn:
    """It is told, nothing else; of ``block`` the judge refuses what adds to it."""

    reason: str


@dataclass(frozen=True, slots=True)
class SetState:
    """A scope (platform, account or algo) gets a stricter state."""

    scope: str
    state: TradingState
    reason: str


@dataclass(frozen=True, slots=True)
class StopRuns:
    """Their tasks are stopped, on whatever node they run."""

    runs: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Flatten:
    """A job flattens a scope; once it is flat its state is ``then``."""

    scope: str
    then: TradingState
    reason: str


Act = Warn | SetState | StopRuns | Flatten


def look(book: Book, uses: Uses, today: str, now_us: int, stale: Sequence[str]) -> list[Breach]:
    """New breaches and those that are over; the book has those that stand. ``stale``: prices that are not fresh."""
    found: list[Breach] = []
    for (scope, name), breach in list(book.breaches.items()):
        use = uses.of(scope, name, today)
        if use is None or _holds(use, breach):
            book.drop_breach(scope, name)
            found.append(_over(breach, use, now_us))
    for use in uses.broken(today):
        standing = book.breaches.get((use.scope, use.limit.limit))
        if standing is None or _is_resumed(book, standing):
            breach = _breach(use, now_us, _in_scope(book, use.scope, stale))
            book.put_breach(breach)
            found.append(breach)
    return found


def actions(book: Book, breach: Breach) -> list[Act]:
    """What a breach leads to, in this order and all at once: who is stopped has the time that its node gives it.

    State first: from then on only what reduces may leave (``halt``: only cancels), so what algos do when they hear of
    the breach can only help. A state that is stricter already stays.
    """
    if breach.action not in STOPPING:
        return [Warn(breach.reason)]
    runs = _runs(book, breach.scope)
    state: TradingState = "HALTED" if breach.action == "halt" else "REDUCING"
    acts: list[Act] = [
        SetState(scope, state, breach.reason)
        for scope in _state_scopes(breach.scope, runs)
        if (known := book.states.get(scope)) is None or STATES.index(known.state) < STATES.index(state)
    ]
    to_stop = tuple(run for run in runs if run not in ("", EXTERNAL))
    if to_stop:
        acts.append(StopRuns(to_stop, breach.reason))
    if breach.action == "flatten":
        acts.append(Flatten(breach.scope, _then(book, breach.scope), breach.reason))
    return acts


def _runs(book: Book, scope: str) -> list[str]:
    """Whom a scope is about: an algo's run, else all that hold something or have orders there."""
    where = parse_scope(scope)
    if where.run is not None:
        return [where.run]
    return sorted({key[1] for key in keys_in(book, scope) if book.held(key) or book.live(key)})


def _state_scopes(scope: str, runs: Sequence[str]) -> list[str]:
    """Whose state is set: instruments have none, there it is that of the algos."""
    where = parse_scope(scope)
    if where.instrument is None:
        return [scope]
    return [algo_scope(run) for run in runs if run != EXTERNAL]


def _then(book: Book, scope: str) -> TradingState:
    known = book.states.get(scope)
    return "HALTED" if known is not None and known.state == "HALTED" else "REDUCING"


def _holds(use: Use, breach: Breach) -> bool:
    if use.limit.value != breach.value or use.limit.unit != breach.unit:
        return not use.is_broken
    return not use.is_broken and use.used <= use.bound * EASED


def _is_resumed(book: Book, breach: Breach) -> bool:
    if breach.action not in STOPPING:
        return False
    state = book.states.get(breach.scope.partition("/")[0])
    return state is not None and state.state == "ACTIVE" and state.at_us > breach.at_us


def _in_scope(book: Book, scope: str, instruments: Sequence[str]) -> list[str]:
    """Those that are held or pending in a scope."""
    if not instruments:
        return []
    return sorted({key[2] for key in keys_in(book, scope) if book.sums.of(key).position} & set(instruments))


def _breach(use: Use, now_us: int, stale: Sequence[str]) -> Breach:
    limit, said = use.limit, use.in_units()
    words = KINDS[limit.limit].words
    reason = f"{described(use.scope)}: {words} is {_of(said.used, said.unit)}, {_of(said.value, said.unit)} is allowed"
    reason += f"; {ACTIONS[limit.action]}"
    if stale:
        more = f" and {len(stale) - MOST_NAMED} others" if len(stale) > MOST_NAMED else ""
        reason += f" (at old prices of {', '.join(stale[:MOST_NAMED])}{more})"
    id_ = blake2b(f"{use.scope} {limit.limit} {now_us}".encode(), digest_size=10).hexdigest()
    return Breach(id_, use.scope, limit.limit, said.value, said.used, said.unit, limit.action, now_us, f"{reason}.")


def _over(breach: Breach, use: Use | None, now_us: int) -> Breach:
    who = described(breach.scope)
    if use is None:
        return replace(breach, state="over", at_us=now_us, reason=f"{who}: there is no limit {breach.limit} any more.")
    said = use.in_units()
    used, value = _of(said.used, said.unit), _of(said.value, said.unit)
    reason = f"{who}: {breach.limit} is {used} of {value}: the limit holds again."
    return replace(breach, state="over", value=said.value, used=said.used, unit=said.unit, at_us=now_us, reason=reason)


def _of(value: float, unit: str) -> str:
    return f"{value_text(value, unit)} of capital" if unit == "percent" else value_text(value, unit)
