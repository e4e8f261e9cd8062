"""Flattening a scope: cancel its orders, close what it holds in slices, and watch until it is flat. Pure.

Every instrument of every run is closed by itself, so that one that hangs keeps nobody waiting: while it has live orders
these are cancelled, then what is held is closed by market orders of at most the exchange's freeze quantity.

Time goes in *rounds* from the job's beginning. In a round each cancel is asked for once, and an instrument gets new
slices only while all earlier ones of the round are filled or under way; what was refused, rejected or did not arrive is
asked for again in the next one. A slice is valid until its round ends, and its id is made of job, round and place: so
a job that is repeated after a crash asks for the same again, which makes no second order, and never for more than is
held. What is not filled a round later is cancelled and sliced anew at the price of then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import cast

from schemas.calendar import CalendarError, calendar_of
from schemas.fleet import Trading
from schemas.freeze import FreezeError, freeze_quantity
from schemas.orders import OrderIntent, Product, Side
from schemas.risk import TradingState
from streams.positions.fold import Key
from streams.risk.book import Book
from streams.risk.market import Market
from streams.risk.order import Order
from streams.risk.scopes import described, parse_scope

ROUND_US = 4_000_000  # market time
LEAST_LEFT_US = 500_000  # of a round: a slice that is asked for later would only just arrive
AT_ONCE = 20  # slices of a job that are under way at a time: more would lie in a gateway's queue
AT_ONCE_OF_KEY = 5
LABEL = "flatten"  # the label of its intents; the value is the job's id


@dataclass(frozen=True, slots=True)
class Job:
    """That a scope shall be flat."""

    id: str
    scope: str
    actor: str
    at_us: int  # since when
    then: TradingState = "REDUCING"  # the scope's state once it is flat
    reason: str = ""
    round_us: int = ROUND_US  # longer where market time runs faster
    round: int = -1  # the last in which something was asked
    asked: tuple[str, ...] = ()  # ids of that round
    detail: str = ""  # one sentence: what it waits for
    done_us: int = 0  # when it was found flat

    @property
    def is_done(self) -> bool:
        """Whether the scope is flat; the job is kept until its state is told."""
        return self.done_us > 0


def step(book: Book, market: Market, now_us: int) -> list[OrderIntent]:
    """What all jobs ask for now; the book has them as they are then. To be called often."""
    wanted: list[OrderIntent] = []
    claimed: set[Key] = set()
    for job in sorted((job for job in book.jobs.values() if not job.is_done), key=_since):
        after, intents = advance(book, market, job, now_us, claimed)
        claimed.update(keys_in(book, job.scope))
        if after != job:
            book.put_job(job.id, after)
        wanted += intents
    return wanted


def done(book: Book) -> list[Job]:
    """The jobs whose scope is flat: when the state ``then`` has been told, ``book.put_job(job.id, None)``."""
    return [job for job in book.jobs.values() if job.is_done]


def state_after(book: Book, job: Job) -> TradingState | None:
    """The state that a flat scope gets: HALTED stays if somebody has halted it meanwhile; None: it has no state."""
    if parse_scope(job.scope).instrument is not None:
        return None
    known = book.states.get(job.scope)
    return "HALTED" if known is not None and known.state == "HALTED" else job.then


def advance(
    book: Book, market: Market, job: Job, now_us: int, claimed: Collection[Key] = ()
) -> tuple[Job, list[OrderIntent]]:
    """The job after a step, and what it asks for. What an older job has claimed is left to that."""
    keys = [key for key in keys_in(book, job.scope) if book.held(key) or book.live(key)]
    if not keys:
        return replace(job, done_us=now_us, detail=f"{described(job.scope)} is flat"), []
    turn = _Turn(book, market, job, now_us)
    mine = [key for key in keys if key not in claimed]
    for key in mine:
        turn.cancel(key)
    for key in mine:
        turn.close(key)
    same = turn.round == job.round
    asked = (*(job.asked if same else ()), *(intent.id for intent in turn.intents))
    return replace(job, round=turn.round, asked=asked, detail=turn.detail()), turn.intents


def keys_in(book: Book, scope: str) -> Iterable[Key]:
    """All keys of a scope."""
    where = parse_scope(scope)
    if where.run is not None or where.instrument is not None:
        return book.keys_of(run=where.run, instrument=where.instrument)
    keys = book.keys()
    return [key for key in keys if where.account in (None, key[0])]


def _since(job: Job) -> tuple[int, str]:
    return job.at_us, job.id


def id_of(job: str, *place: object) -> str:
    """The id of an intent: the same for the same place in the same job."""
    return blake2b("\0".join(map(str, (job, *place))).encode(), digest_size=10).hexdigest()


class _Turn:
    """One step of a job."""

    def __init__(self, book: Book, market: Market, job: Job, now_us: int) -> None:
        self._book, self._market, self._job, self._now_us = book, market, job, now_us
        self.round = max(0, now_us - job.at_us) // job.round_us
        self._end_us = job.at_us + (self.round + 1) * job.round_us
        self._asked = set(job.asked) if self.round == job.round else set()
        self.intents: list[OrderIntent] = []
        self._cancelling: list[Order] = []
        self._closing: list[Key] = []
        self._closed: set[str] = set()  # exchanges
        self._trouble = ""
        self._under_way = 0

    def cancel(self, key: Key) -> None:
        """Asks once a round that what is live under a key be cancelled, but for slices that are just under way."""
        for order in self._book.live(key).values():
            if self._is_slice(order):
                self._under_way += 1
                continue
            self._cancelling.append(order)
            self._ask(id_of(self._job.id, self.round, "cancel", order.id), key, order.state.side, 0, order.id)

    def close(self, key: Key) -> None:
        """Asks for slices of what is held under a key, once nothing else of it is live."""
        held, live = self._book.held(key), self._book.live(key).values()
        if not held or not all(map(self._is_slice, live)):
            return
        self._closing.append(key)
        if not self._is_open(key):
            return
        number, may_go_on = self._slices(key)
        left = abs(held) - sum(order.state.working for order in live)
        room = min(AT_ONCE - self._under_way, AT_ONCE_OF_KEY - len(live))
        while may_go_on and left > 0 and room > 0:
            quantity = min(left, self._most(key, left))
            side: Side = "sell" if held > 0 else "buy"
            self._ask(id_of(self._job.id, self.round, "close", *key, number), key, side, quantity)
            left, number, room = left - quantity, number + 1, room - 1
            self._under_way += 1

    def detail(self) -> str:
        """What the job waits for, as a sentence."""
        parts = []
        if self._cancelling:
            unknown = sum(order.state.status == "unknown" for order in self._cancelling)
            more = f" ({unknown} of which nobody has said anything yet)" if unknown else ""
            parts.append(f"{len(self._cancelling)} orders to be cancelled{more}")
        if self._closing:
            parts.append(f"{len(self._closing)} positions to be closed")
        if self._closed:
            parts.append(f"{' and '.join(sorted(self._closed))} closed now")
        if self._trouble:
            parts.append(self._trouble)
        return ", ".join(parts) or "an older job does it"

    def _is_slice(self, order: Order) -> bool:
        """Whether it is a job's own and not yet a round old."""
        own = order.intent is not None and order.intent.labels.get(LABEL, "") in self._book.jobs
        return own and self._now_us - order.verdict_us < self._job.round_us

    def _slices(self, key: Key) -> tuple[int, bool]:
        """How many slices of a key this round has had, and whether there may be more of them now."""
        number, may_go_on = 0, self._end_us - self._now_us >= min(LEAST_LEFT_US, self._job.round_us // 4)
        while True:
            id_ = id_of(self._job.id, self.round, "close", *key, number)
            judged = self._book.judged.get(id_)
            if judged is None and id_ not in self._asked:
                return number, may_go_on
            order = self._book.orders.get(id_)
            if judged is None:
                may_go_on = False  # its verdict is still to come
            elif not judged.approved or order is None:
                may_go_on, self._trouble = False, f"risk refuses to close {key[2]}: see its verdict {id_}"
            elif not order.state.is_live and order.state.status != "complete":
                may_go_on = False
                self._trouble = f"{key[2]} {order.state.status}: {order.state.reason or 'no reason was given'}"
            number += 1

    def _is_open(self, key: Key) -> bool:
        exchange = key[2].partition(":")[0]
        try:
            session = calendar_of(exchange).session(calendar_of(exchange).day_of(self._now_us))
        except (KeyError, CalendarError):
            return True  # then it is refused, with a reason
        if session is not None and session.open_us <= self._now_us < session.close_us:
            return True
        self._closed.add(exchange)
        return False

    def _most(self, key: Key, quantity: int) -> int:
        instrument = self._market.instrument(key[2])
        try:
            return (freeze_quantity(instrument) if instrument else None) or quantity
        except FreezeError as error:
            self._trouble = str(error)
            return quantity

    def _ask(self, id_: str, key: Key, side: Side, quantity: int, order: str = "") -> None:
        if id_ in self._asked or id_ in self._book.judged:
            return
        account, run, instrument, product = key
        intent = OrderIntent(
            id_, account, run, "", instrument, side, quantity, "market", 0.0, 0.0, cast(Trading, account), self._now_us,
            f"{described(self._job.scope)} is flattened: {self._job.reason or self._job.actor}", {LABEL: self._job.id},
            "cancel" if order else "place", order, cast(Product, product),
        )  # fmt: skip
        if not order:
            intent = replace(intent, valid_s=(self._end_us - self._now_us - 1_000) / 1e6)
        self.intents.append(intent)
