"""Tells Kafka what happened: one event at a time, in order, until each is acknowledged."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaException, Producer

from schemas.codec import encode
from schemas.topics import ALGO_EVENTS
from streams.node.state import State


class Outbox:
    """Sends the state's untold events. An event stays in the state until Kafka has it: it may be told twice (with the
    same id), never lost."""

    def __init__(self, state: State, to: Producer) -> None:
        self._state = state
        self._to = to
        self._in_flight = ""  # the event's id

    def pump(self) -> None:
        """Sends the next one if none is on its way. Call it only after the state was saved."""
        if self._in_flight or not self._state.untold or self._state.changed:
            return
        event = self._state.untold[0]
        try:
            self._to.produce(ALGO_EVENTS.name, encode(event), event.task.encode(), on_delivery=self._told)
        except (BufferError, KafkaException):
            return  # it is tried again
        self._in_flight = event.id

    def _told(self, error: Any, _: Any) -> None:
        told, self._in_flight = self._in_flight, ""
        if error is not None:
            return
        self._state.untold = [event for event in self._state.untold if event.id != told]
        self._state.changed = not self._state.untold  # else unsaved: after a crash it is told again, with the same id
        self.pump()
