"""The book of the one risk process that is in charge, from its tables to the transactions that change them.

A *turn* folds some records and judges the intents among them; what comes of it is committed in a thread: first what is
told (flushed, and harmless when it is told again), then, in one transaction, the verdicts and what has changed in the
table. So the table is always what the verdicts in the log say, whenever the process dies; what was told but not
committed is told again. Whoever took charge in the meantime has fenced this process off: then nothing is committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import orjson

from infra import kafka
from infra.brake import Brake, set_brake
from infra.clock import Clock
from infra.fenced import FencedError, FencedWriter
from infra.fenced_tables import FencedTable, Message
from infra.metrics import RISK_LATENCY, RISK_VERDICTS
from infra.settings import Settings
from schemas.codec import UndecodableError, decode, encode
from schemas.risk import TradingState
from schemas.topics import ORDER_VERDICTS, POSITION_DIFFERENCES, RISK_STATES, Topic
from streams.fleet.signing import control_key, trust_of
from streams.risk.book import Book
from streams.risk.clerk import Clerk
from streams.risk.commands import SIGNERS, Orderly
from streams.risk.intake import READ, Intake, Outcome, Record
from streams.risk.market import Market
from streams.risk.watching import Watching

NAME = "risk"
PLAIN = {"delivery.timeout.ms": 0}  # what is told waits for Kafka as long as it takes
FORGET_S = 60.0
ONLY_PLACES_S = 1.0  # so long changes wait that say no more than how far the topics were read


class Charge:
    """One time in charge. A thread's, for they block: :meth:`take_charge`, :meth:`restore`, :meth:`commit`."""

    def __init__(self, of: Settings, table: FencedTable, market: Market, clock: Clock, clerk: Clerk) -> None:
        self._settings, self._table, self._market, self._clock, self._clerk = of, table, market, clock, clerk
        self._stopped = threading.Event()
        self._writer = FencedWriter(NAME, of, self._stopped)
        self._plain = kafka.producer(of, PLAIN)
        self._brake = Brake(of.home)
        self._committed_s = self._forgot_s = time.monotonic()
        self._waiting: list[Message] = []  # changes that are not committed yet
        self.verdicts = self.rejected = self.repeated = 0
        self._follow(Book(), {})

    def _follow(self, book: Book, last: dict[str, int]) -> None:
        self.book, now_us = book, self._clock.now_us
        self.watching = Watching(book, self._market, now_us, self._clock.speed, self._clerk)
        trust = trust_of(control_key(self._settings.home))
        self._orderly = Orderly(book, self._market, now_us, self.watching.job, trust, self._release, last)
        self.intake = Intake(book, self._market, now_us, self._orderly)

    def held(self) -> dict[str, TradingState]:
        """What the brake holds, by scope."""
        return {scope: hold.state for scope, hold in self._brake.held().items()}

    def take_charge(self) -> None:
        """Fences off whoever was in charge before."""
        self._writer.take_charge()

    def end(self) -> None:
        """Gives up: nothing more is committed."""
        self._stopped.set()

    def restore(self) -> None:
        """The book from the table and, where that has nothing, from the log. KafkaException when Kafka is away.

        ValueError when the table cannot be read.
        """
        tables = self._table.contents()
        last = {signer: int(orjson.loads(packed)) for signer, packed in tables.pop(SIGNERS, {}).items()}
        book = Book.restore(tables)
        if not tables:  # the first start, or entries of another form: what only risk itself writes is in its topics
            for topic in (RISK_STATES, POSITION_DIFFERENCES, ORDER_VERDICTS):
                self._fold(book, topic)
        self._follow(book, last)

    def _fold(self, book: Book, topic: Topic) -> None:
        for message in kafka.read_on(topic.name, 0, self._settings):
            try:
                book.take(decode(topic.record, message.value() or b""))
            except UndecodableError:
                self.rejected += 1

    # turns -------------------------------------------------------------------------------------------------------

    def turn(self, records: Sequence[Record]) -> Outcome:
        """Folds records and looks at what is at risk when that is due."""
        out = Outcome()
        self.intake.holds = self.held()
        for record in records:
            self.intake.take(record, out)
        self.intake.finish(out)
        if self.intake.is_current:
            self.watching.look(out.told, self.intake.holds, filled=out.filled)
            if time.monotonic() - self._forgot_s > FORGET_S:
                self._forgot_s = time.monotonic()
                self.book.forget(self._clock.now_us())
        self._waiting += self._table.put([*self.book.take_changes(), *self._orderly.changes()])
        return out

    def is_to_commit(self, out: Outcome) -> bool:
        """Whether what came of a turn has to be committed now."""
        if out.verdicts or out.told or out.aside:
            return True
        if not self._waiting:
            return False
        only_places = all(place.startswith(b"next/") for _, place, _ in self._waiting)
        return not only_places or time.monotonic() - self._committed_s > ONLY_PLACES_S

    @property
    def is_kept(self) -> bool:
        """Whether everything is committed, or about to be."""
        return not self._waiting

    def take_waiting(self) -> list[Message]:
        """The table's changes that the next commit makes last."""
        waiting, self._waiting = self._waiting, []
        return list({(topic, key): (topic, key, value) for topic, key, value in waiting}.values())

    def commit(self, out: Outcome, changes: Sequence[Message], asked_us: Sequence[int]) -> None:
        """Writes what came of a turn; FencedError when another process is in charge. ``asked_us``: for the metrics."""
        self._tell(out)
        verdicts = [(ORDER_VERDICTS.name, v.account.encode(), encode(v)) for v in out.verdicts]
        self._writer.write_bytes([*verdicts, *changes])
        self._committed_s = time.monotonic()
        now_us = time.time_ns() // 1000
        for verdict, at_us in zip(out.verdicts, asked_us, strict=True):
            RISK_VERDICTS.labels(verdict.code or "APPROVED").inc()
            RISK_LATENCY.observe(max(0.0, (now_us - at_us) / 1e6))
        self.verdicts += len(out.verdicts)
        self.rejected += len(out.aside)
        self.repeated += out.repeated

    def _tell(self, out: Outcome) -> None:
        for topic, key, record in out.told:
            self._plain.produce(topic.name, encode(record), key.encode(), partition=0)
        for record, reason in out.aside:
            topic = READ[record.topic]
            if topic.has_dead_letters:
                where = {"partition": 0, "offset": record.offset}
                kafka.dead_letter(self._plain, topic, reason, record.value, source=NAME, **where)
        while (out.told or out.aside) and self._plain.flush(1.0):
            if self._stopped.is_set():
                raise FencedError("Risk was stopped before it could tell what it did.")

    def _release(self, scope: str, actor: str, until_us: int) -> None:
        hold = self._brake.held().get(scope)
        if hold is not None and hold.at_us <= until_us:  # who halts while another resumes is right
            set_brake(self._settings.home, scope, "ACTIVE", actor)
