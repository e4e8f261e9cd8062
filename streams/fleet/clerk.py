"""The part of the fleet that acts: join requests, requests of algos, schedules, unfulfilled wishes, the audit.

Each duty has a thread of its own, so that PostgreSQL being away keeps nobody but those who want to join. A duty acts
only while this worker's book is active, on the book's state; what it writes it waits to see there, so that it never
decides twice on the same state. All of it may be repeated: a crash between any two lines does no harm.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from confluent_kafka import Message

from infra import kafka
from infra.clock import Clock
from infra.errors import UserError
from infra.postgres import connect
from infra.reading import batches
from infra.settings import Settings
from schemas.codec import UndecodableError, decode, encode
from schemas.fleet import AlgoRequest, JoinRequest
from schemas.topics import ALGO_EVENTS, ALGO_REQUESTS, NODE_REQUESTS, NODES, Topic
from streams.fleet import timetable
from streams.fleet.book import Book
from streams.fleet.desk import FleetDesk, Record, wall_us
from streams.fleet.join import check_request
from streams.fleet.reconcile import unfulfilled
from streams.fleet.requests import answer
from streams.fleet.signing import Signer, control_key
from streams.registry import audit

LOOK_S = 0.5
AGAIN_S = 2.0
SEEN_WITHIN_S = 10.0
log = structlog.get_logger(process="fleet")


class Clerk:
    """All duties of one worker; ``first`` is done once, before the others, when the book is active."""

    def __init__(self, of: Settings, book: Book, clock: Clock, first: Callable[[Clerk], None]) -> None:
        self.settings, self.book = of, book
        self.desk = FleetDesk(lambda: book.state, self.write, Signer("fleet", control_key(of.home)))
        self._clock, self._first = clock, first
        self._stop = threading.Event()
        self._began = threading.Event()
        duties: dict[str, Callable[[], None]] = {
            "look": self._look,
            "join": lambda: self._serve(NODE_REQUESTS, self._join),
            "request": lambda: self._serve(ALGO_REQUESTS, self._request),
            "audit": self._audit,
        }
        self._threads = [
            threading.Thread(target=self._again_and_again, args=(name, duty), name=f"fleet-{name}", daemon=True)
            for name, duty in duties.items()
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends them, each after what it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(3)

    def write(self, records: Sequence[Record]) -> None:
        """Writes records, all together, and waits until the book has them. UserError when Kafka or the book is late."""
        if not records:
            return
        ends = kafka.write_all(records, self.settings)
        folded = {name: end for name, end in ends.items() if self.book.folds(name)}
        if not self.book.wait_until(folded, SEEN_WITHIN_S):
            raise UserError("A change of the fleet is written, but was not read back in time.")

    def _again_and_again(self, name: str, duty: Callable[[], None]) -> None:
        """Does a duty until the end; whatever goes wrong is told, and tried again."""
        while not self._stop.is_set():
            if not self.book.active or (name != "look" and not self._began.is_set()):
                self._stop.wait(0.05)
                continue
            try:
                duty()
            except Exception as error:  # noqa: BLE001 - a duty that ended silently would be missed too late
                reason = str(error).strip() or type(error).__name__
                log.warning("the fleet could not do its duty; trying again", duty=name, reason=reason)
                self._stop.wait(AGAIN_S)

    # schedules and unfulfilled wishes ----------------------------------------------------------------------------

    def _look(self) -> None:
        if not self._began.is_set():
            self._first(self)
            self._began.set()
        now = timetable.Now(wall_us(), self._clock.at_wall, self._clock.speed)
        asked = timetable.turns(self.book.state, now)
        if asked.wishes or asked.events:
            self.desk.carry_out(asked.wishes, timetable.ACTOR, asked.events)
            for event in asked.events:
                log.warning("a schedule was missed", task=event.task, reason=event.reason)
        again = unfulfilled(self.book.state, wall_us())
        if again:
            self.desk.command_again(again)
            log.info("commands were given again", tasks=[wish.task.task for wish in again])
        self._stop.wait(LOOK_S)

    # what others write -------------------------------------------------------------------------------------------

    def _serve(self, topic: Topic, take: Callable[[Message], None]) -> None:
        for messages in batches(f"fleet-{topic.name}", [topic], self.settings, self._acts):
            for message in messages:
                take(message)

    def _audit(self) -> None:
        with contextlib.closing(connect(self.settings)) as by:
            for messages in batches("audit", audit.TOPICS, self.settings, self._acts, audit.BATCH):
                audit.take(by, messages)

    def _acts(self) -> bool:
        return self.book.active and not self._stop.is_set()

    def _join(self, message: Message) -> None:
        try:
            request = decode(JoinRequest, message.value() or b"")
        except UndecodableError as error:
            log.warning("a join request cannot be read", offset=message.offset(), reason=str(error))
            return
        verdict = check_request(request, self.book.state.nodes.get(request.node), self.settings, wall_us())
        records: list[Record] = []
        if verdict.node:
            records.append((NODES, 0, request.node, encode(verdict.node)))
            log.info("a join request", node=request.node, standing=verdict.node.standing, reason=verdict.node.reason)
        if verdict.event:
            records.append((ALGO_EVENTS, 0, "", encode(verdict.event)))
            log.warning("a join request was refused", node=request.node, reason=verdict.event.reason)
        self.write(records)

    def _request(self, message: Message) -> None:
        try:
            request = decode(AlgoRequest, message.value() or b"")
        except UndecodableError as error:
            where: dict[str, Any] = {"partition": message.partition(), "offset": message.offset()}
            to = kafka.producer(self.settings)
            kafka.dead_letter(to, ALGO_REQUESTS, str(error), message.value() or b"", source="fleet", **where)
            kafka.flush(to)
            return
        wishes, event = answer(request, self.book.state, wall_us())
        if event:
            self.desk.carry_out(wishes, request.task, [event])
            log.info("an algo's request", task=request.task, answer=event.kind, reason=event.reason)
