"""Stores risk points in Cassandra (``streams.archive.risk``), in a thread of its own that disturbs nothing else.

Where Cassandra or Kafka is away it tries again; the points wait in the log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from infra.reading import batches
from infra.settings import Settings
from schemas.codec import UndecodableError, decode
from schemas.risk import RiskPoint
from schemas.topics import RISK_POINTS

GROUP = "risk-archive"
BATCH = 500
FIRST_S, LONGEST_S = 1.0, 30.0  # between attempts
log = structlog.get_logger(process="risk-archive")


class Store:
    """The thread; it works while ``acts`` says so."""

    def __init__(self, of: Settings, acts: Callable[[], bool]) -> None:
        self._settings, self._acts = of, acts
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=GROUP, daemon=True)
        self.stored = 0
        self.problem = ""

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join(3)

    def _run(self) -> None:
        pause_s = FIRST_S
        while not self._stop.is_set():
            if not self._acts():
                self._stop.wait(FIRST_S)
                continue
            stored = self.stored
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001 - whatever it is, the points wait in the log
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                if not self.problem:
                    log.warning("risk points cannot be stored; trying again", reason=reason)
                self.problem = reason
            pause_s = FIRST_S if self.stored > stored else min(LONGEST_S, pause_s * 2)
            self._stop.wait(pause_s)

    def _follow(self) -> None:
        from infra.cassandra import connect  # late: the driver takes a second to be read in
        from streams.archive.risk import RiskWriter

        session = connect(self._settings)
        try:
            writer = RiskWriter(session)
            for messages in batches(GROUP, [RISK_POINTS], self._settings, self._goes_on, BATCH):
                points: list[RiskPoint] = []
                for message in messages:
                    try:
                        points.append(decode(RiskPoint, message.value() or b""))
                    except UndecodableError as error:
                        log.warning("a risk point cannot be read", offset=message.offset(), reason=str(error))
                writer.write(points)
                self.stored += len(points)
                self.problem = ""
        finally:
            session.cluster.shutdown()

    def _goes_on(self) -> bool:
        return self._acts() and not self._stop.is_set()
