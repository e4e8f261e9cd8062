"""What a record does to the book, and what is to be written because of it. No Kafka, no clock of its own.

Nothing that can be read stops the fold: what cannot be used is put aside with its reason, and the next record is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import structlog

from infra.errors import UserError
from schemas.codec import UndecodableError, decode
from schemas.fleet import Command
from schemas.orders import BrokerPositions, OrderEvent, OrderIntent, OrderVerdict
from schemas.risk import RISK_NODE, Limit, TradingState
from schemas.topics import (
    BROKER_POSITIONS,
    COMMANDS,
    LIMITS,
    ORDER_EVENTS,
    ORDER_INTENTS,
    POSITION_DIFFERENCES,
    POSITIONS,
    Topic,
)
from streams.positions.fold import to_position
from streams.positions.reconcile import Spot, reconcile
from streams.risk.book import Book
from streams.risk.commands import Orderly
from streams.risk.judge import judge
from streams.risk.limits import check_limit
from streams.risk.market import Market

READ: dict[str, Topic] = {t.name: t for t in (ORDER_INTENTS, ORDER_EVENTS, LIMITS, COMMANDS, BROKER_POSITIONS)}
UNSETTLED = ("requested", "unknown", "accepted")  # of an order in these it is not known what the broker has filled
JUST_US = 2_000_000  # what was filled so shortly before a snapshot may not be in it
log = structlog.get_logger(process="risk")


class Record(NamedTuple):
    """A record of one of the topics in ``READ``."""

    topic: str
    offset: int
    value: bytes
    at_us: int  # when it was written, by the wall clock


class Aside(NamedTuple):
    """A record that cannot be used, and why."""

    record: Record
    reason: str


@dataclass(slots=True)
class Outcome:
    """What is to be written after some records, in this order: what is told, then the verdicts."""

    told: list[tuple[Topic, str, Any]] = field(default_factory=list)  # topic, key, record
    verdicts: list[OrderVerdict] = field(default_factory=list)
    aside: list[Aside] = field(default_factory=list)
    repeated: int = 0  # intents that were judged before
    filled: bool = False  # something was filled


class Intake:
    """Takes records into a book. ``now_us``: market time; ``holds``: what the brake holds by scope."""

    def __init__(self, book: Book, market: Market, now_us: Callable[[], int], orderly: Orderly) -> None:
        self._book, self._market, self._now_us, self._orderly = book, market, now_us, orderly
        self.holds: Mapping[str, TradingState] = {}
        self.is_current = False  # whether the topics were read to their ends: only then the broker's word compares
        self._suspected: dict[str, Mapping[Spot, int]] = {}  # by account, what the last snapshot led to
        self._takers: dict[str, Callable[[Record, Any, Outcome], None]] = {
            ORDER_INTENTS.name: self._intent,
            ORDER_EVENTS.name: self._event,
            LIMITS.name: self._limit,
            COMMANDS.name: self._command,
            BROKER_POSITIONS.name: self._positions,
        }

    def take(self, record: Record, out: Outcome) -> None:
        """Takes in a record; what is to be written is put to ``out``."""
        try:
            self._takers[record.topic](record, decode(READ[record.topic].record, record.value), out)
        except (UndecodableError, UserError, ValueError) as error:
            log.warning("a record was put aside", topic=record.topic, offset=record.offset, reason=str(error))
            out.aside.append(Aside(record, str(error)))
        except Exception as error:
            log.exception("a record could not be taken in", topic=record.topic, offset=record.offset)
            out.aside.append(Aside(record, f"{type(error).__name__}: {error}"))
        self._book.applied(record.topic, record.offset)

    def finish(self, out: Outcome) -> None:
        """After the last record of a batch: tells the positions that have changed."""
        for holding in self._book.holdings.take_changed():
            out.told.append((POSITIONS, "/".join(holding.key), to_position(holding)))
            out.filled = True

    def _intent(self, record: Record, intent: OrderIntent, out: Outcome) -> None:
        if intent.id in self._book.judged:
            out.repeated += 1
            return
        verdict = judge(self._book, intent, record.offset, self._market, self._now_us(), self.holds)
        self._book.take(verdict)
        out.verdicts.append(verdict)

    def _event(self, record: Record, event: OrderEvent, out: Outcome) -> None:
        self._book.take(event)

    def _limit(self, record: Record, limit: Limit, out: Outcome) -> None:
        limit = check_limit(limit)
        self._book.take(limit if limit.at_us else replace(limit, at_us=self._now_us()))

    def _command(self, record: Record, command: Command, out: Outcome) -> None:
        if command.node == RISK_NODE:
            out.told += self._orderly.obey(command, record.at_us)

    def _positions(self, record: Record, broker: BrokerPositions, out: Outcome) -> None:
        book, account = self._book, broker.account
        book.take(broker)
        if not self.is_current:
            return
        found = {(d.instrument, d.product): d for d in book.differences.values() if d.account == account}
        moving = {o.state.instrument for o in book.live_of(account=account) if o.state.status in UNSETTLED}
        moving |= {h.key[2] for h in book.holdings if h.at_us > broker.at_us - JUST_US and h.key[0] == account}
        suspected, first = self._suspected.get(account, {}), account not in self._suspected
        done = reconcile(found, suspected, book.holdings, broker, moving, first=first)
        self._suspected[account] = done.suspected
        for difference in done.records:
            book.take(difference)
            out.told.append((POSITION_DIFFERENCES, account, difference))
