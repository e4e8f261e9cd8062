"""Commands that risk obeys: signed as all others (``streams.fleet.signing``), ``task`` is the scope.

``halt``, ``reduce`` and ``resume`` set the state of the platform, an account or an algo; ``resume`` lifts the brake of
the scope too and ends what was being flattened. ``flatten`` (and ``halt`` or ``reduce`` with ``"flatten": true``)
begins a job: only orders that reduce leave until the scope is flat, then the scope is in the state that was asked for.
``accept`` takes over what the broker says it holds, by bookings to the run EXTERNAL.

A command is obeyed once, or again in the same way after a crash: what comes of it has its id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
import structlog

from infra.errors import UserError
from schemas.fleet import AlgoEvent, Command, EventKind
from schemas.risk import RISK_NODE, RiskState, TradingState
from schemas.topics import ALGO_EVENTS, ORDER_EVENTS, POSITION_DIFFERENCES, RISK_STATES, Topic
from streams.fleet.signing import Checker, ExpiredError, RefusedError
from streams.positions.reconcile import adjustment
from streams.risk.book import Book
from streams.risk.jobs import Job
from streams.risk.market import Market
from streams.risk.scopes import PLATFORM, check_scope, described

ACTOR = "risk"  # who does what no person asked for
SIGNERS = "signers"  # the kind under which the last sequences are kept in the table
REMEMBERED_US = 86_400_000_000  # a command that is older than this has expired long since
STATES: dict[str, TradingState] = {"halt": "HALTED", "reduce": "REDUCING", "resume": "ACTIVE", "flatten": "ACTIVE"}
Told = list[tuple[Topic, str, Any]]
log = structlog.get_logger(process="risk")


class Orderly:
    """Obeys commands. ``now_us``: market time; ``make_job`` makes a job of id, scope, actor, state then and reason.

    ``release`` lifts the brake of a scope if it was set before an instant of the wall clock; OSError when it cannot.
    ``last``: the last sequence of each signer.
    """

    def __init__(
        self,
        book: Book,
        market: Market,
        now_us: Callable[[], int],
        make_job: Callable[[str, str, str, TradingState, str], Job],
        trust: str,
        release: Callable[[str, str, int], None],
        last: Mapping[str, int],
    ) -> None:
        self._book, self._market, self._now_us = book, market, now_us
        self._make_job, self._release = make_job, release
        self._checker = Checker(RISK_NODE, trust, dict(last))
        self._kept = dict(last)

    def obey(self, command: Command, wall_us: int) -> Told:
        """Does what a command says at an instant of the wall clock; what is to be written."""
        try:
            self._checker.check(command, wall_us)
            return self._do(command, wall_us)
        except ExpiredError as error:  # its fate is told by the time alone
            log.warning("a command came too late", command=command.id, verb=command.verb, reason=str(error))
            return []
        except (RefusedError, UserError) as error:
            log.warning("a command was refused", command=command.id, verb=command.verb, reason=str(error))
            return [fate(command.id, "refused", wall_us, str(error))]

    def changes(self) -> list[tuple[str, str, bytes | None]]:
        """What has changed of the last sequences since the last call, for the table."""
        now = self._checker.last
        newest = max(now.values(), default=0)
        for signer in [signer for signer, last in now.items() if last < newest - REMEMBERED_US]:
            del now[signer]
        made: list[tuple[str, str, bytes | None]] = [
            (SIGNERS, signer, orjson.dumps(last)) for signer, last in now.items() if self._kept.get(signer) != last
        ]
        made += [(SIGNERS, signer, None) for signer in self._kept if signer not in now]
        self._kept = dict(now)
        return made

    def _do(self, command: Command, wall_us: int) -> Told:
        arguments = _arguments(command)
        reason = str(arguments.get("reason", ""))
        if command.verb == "accept":
            return [*self._accept(command), fate(command.id, "done", wall_us)]
        if command.verb not in STATES:
            raise RefusedError(f"risk knows no {command.verb}: it is a node's")
        scope = self._state_scope(command.task)
        if command.verb == "resume":
            return [*self._resume(scope, command, reason, wall_us), fate(command.id, "done", wall_us)]
        if command.verb == "flatten" or arguments.get("flatten"):
            return [*self._flatten(scope, command, reason), fate(command.id, "accepted", wall_us)]
        told = self._set(scope, STATES[command.verb], command, reason)
        return [*told, fate(command.id, "done", wall_us)]

    def _state_scope(self, text: str) -> str:
        scope = check_scope(text)
        if scope.kind not in ("platform", "account", "algo") or "*" in scope.text:
            raise RefusedError(f"{text} has no trading state: name platform, an account or an algo")
        return scope.text

    def _set(self, scope: str, state: TradingState, command: Command, reason: str) -> Told:
        made = RiskState(scope, state, command.actor, self._now_us(), reason, command.id)
        self._book.take(made)
        return [(RISK_STATES, scope, made)]

    def _resume(self, scope: str, command: Command, reason: str, wall_us: int) -> Told:
        try:
            self._release(scope, command.actor, command.issued_us)
        except OSError as error:
            raise RefusedError(f"the brake of {described(scope)} cannot be lifted: {error.strerror}") from error
        told = self._set(scope, "ACTIVE", command, reason)
        for id_, job in list(self._book.jobs.items()):
            if job.scope == scope:
                self._book.put_job(id_, None)
                if job.actor != ACTOR:
                    told.append(fate(id_, "failed", wall_us, f"{described(scope)} was resumed before it was flat"))
        return told

    def _flatten(self, scope: str, command: Command, reason: str) -> Told:
        known, earlier = self._book.states.get(scope), [j for j in self._book.jobs.values() if j.scope == scope]
        then = STATES[command.verb]
        if command.verb == "flatten":  # as it was before
            then = earlier[0].then if earlier else known.state if known else "ACTIVE"
        self._book.put_job(command.id, self._make_job(command.id, scope, command.actor, then, reason))
        return self._set(scope, "REDUCING", command, reason)

    def _accept(self, command: Command) -> Told:
        account = check_scope(command.task)
        if account.text != PLATFORM and account.kind != "account":
            raise RefusedError(f"differences are of accounts, not of {command.task}")
        told: Told = []
        for found in list(self._book.differences.values()):
            if account.kind == "account" and account.account not in ("*", found.account):
                continue
            accepted = replace(found, state="accepted", actor=command.actor, at_us=self._now_us())
            event = adjustment(accepted, self._price(found.account, found.instrument, found.product), accepted.at_us)
            self._book.take(event)
            self._book.take(accepted)
            told += [(ORDER_EVENTS, found.account, event), (POSITION_DIFFERENCES, found.account, accepted)]
        if not told:
            raise RefusedError("there is no difference to accept")
        return told

    def _price(self, account: str, instrument: str, product: str) -> float:
        """What a difference is booked at: the broker's average, else the last price."""
        broker = self._book.brokers.get(account)
        for position in broker.positions if broker else ():
            if (position.instrument, position.product) == (instrument, product) and position.average_price > 0:
                return position.average_price
        quote = self._market.quote(instrument)
        return quote.price if quote else 0.0


def fate(command: str, kind: EventKind, wall_us: int, reason: str = "") -> tuple[Topic, str, AlgoEvent]:
    """What has become of a command, for ``algo-events``."""
    return ALGO_EVENTS, "", AlgoEvent(f"{command}-{kind}", RISK_NODE, "", kind, wall_us, command, reason=reason)


def _arguments(command: Command) -> dict[str, Any]:
    try:
        found = json.loads(command.arguments or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RefusedError("the command's arguments cannot be read")
    return found
