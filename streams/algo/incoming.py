"""From the log's messages to events: what concerns no unit of the run is passed over, mostly before it is decoded.

The topics of orders and risk have the records of all runs. Those of risk are told apart by their keys. An order's key
is only its account, so a record is looked through for the run's name as Avro writes it (a few hundred bytes, a
fraction of what decoding costs).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import fastavro
from confluent_kafka import Message

from schemas.codec import UndecodableError, decode
from schemas.fleet import Signal
from schemas.market import Candle
from schemas.orders import OrderEvent, OrderVerdict
from schemas.risk import Breach, RiskPoint, RiskState
from schemas.ticks import TickBatch
from schemas.topics import (
    BREACHES,
    CANDLES,
    ORDER_EVENTS,
    ORDER_VERDICTS,
    RISK_POINTS,
    RISK_STATES,
    SIGNALS,
    TICKS,
    Topic,
)
from streams.algo.definition import Definition
from streams.algo.events import (
    Broke,
    Event,
    Heard,
    Judged,
    Measured,
    Minute,
    Reported,
    Ruled,
    Run,
    Ticks,
)
from streams.algo.reader import source_of
from streams.algo.unit import scopes_of

ORDERS = (ORDER_VERDICTS, ORDER_EVENTS)  # followed for every run


class Incoming:
    """The events of one run and these instruments. ``tell`` gets a line for a record that cannot be decoded."""

    def __init__(
        self, definition: Definition, run: Run, instruments: Iterable[str], tell: Callable[[str], None]
    ) -> None:
        names = list(instruments)
        self._definition, self._run, self._tell = definition, run.run, tell
        self._mark, self._written = _avro(run.run), run.run.encode()
        self._keys = {
            CANDLES.name: _keys(names),
            SIGNALS.name: _keys(definition.signals),
            RISK_POINTS.name: _keys([f"algo:{run.run}"]),
            BREACHES.name: _keys(scopes_of(run, names)),
        }

    @property
    def topics(self) -> list[Topic]:
        """Those that the units need from where each of them is, but for the ticks."""
        has = self._definition
        asked = [CANDLES] * bool(has.intervals) + [SIGNALS] * bool(has.signals)
        return [*ORDERS, *asked, *[RISK_POINTS] * has.on_risk, *[BREACHES] * has.on_breach]

    def event(self, message: Message) -> Event | None:
        """The event that a message is; None when it is none, or concerns nobody here."""
        topic, key, value = str(message.topic()), message.key() or b"", message.value() or b""
        if key not in self._keys.get(topic, (key,)) or (topic in _ORDERS and not self._names_us(value)):
            return None
        source, offset = source_of(message), int(message.offset() or 0)
        try:
            return _event(topic, source, offset, value)
        except UndecodableError as error:
            self._tell(f"a record of {source} at {offset} was passed over: {error}")
        return None

    def _names_us(self, value: bytes) -> bool:
        """Whether the run's name is in it; it may be another run's record all the same."""
        return self._mark in value or (value[:1] == b"{" and self._written in value)


_ORDERS = {topic.name for topic in ORDERS}


def _event(topic: str, source: str, offset: int, value: bytes) -> Event | None:
    event: Event | None = None
    if topic == TICKS.name:
        event = Ticks(source, offset, decode(TickBatch, value))
    elif topic == CANDLES.name:
        event = Minute(source, offset, decode(Candle, value))
    elif topic == SIGNALS.name:
        event = Heard(source, offset, decode(Signal, value))
    elif topic == ORDER_VERDICTS.name:
        event = Judged(source, offset, decode(OrderVerdict, value))
    elif topic == ORDER_EVENTS.name:
        event = Reported(source, offset, decode(OrderEvent, value))
    elif topic == RISK_POINTS.name:
        event = Measured(source, offset, decode(RiskPoint, value))
    elif topic == BREACHES.name:
        event = Broke(source, offset, decode(Breach, value))
    elif topic == RISK_STATES.name:
        event = Ruled(source, offset, decode(RiskState, value))
    return event


def _keys(names: Iterable[str]) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names)


def _avro(text: str) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "string", text)
    return out.getvalue()
