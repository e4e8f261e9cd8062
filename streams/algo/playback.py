"""An algo on a list of events, without anything around it: how an author tests one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from schemas.fleet import Signal
from schemas.market import Candle
from schemas.orders import OrderEvent, OrderVerdict
from schemas.risk import Breach, RiskPoint, RiskState
from schemas.ticks import TickBatch
from streams.algo.base import Algo
from streams.algo.definition import definition_of
from streams.algo.engine import Engine
from streams.algo.events import (
    Broke,
    Event,
    Heard,
    Judged,
    Measured,
    Minute,
    Record,
    Reported,
    Ruled,
    Run,
    Ticks,
)
from streams.algo.params import Value, read_settings

Given = TickBatch | Candle | Signal | OrderVerdict | OrderEvent | RiskPoint | Breach | RiskState
_EVENTS: dict[type[Given], tuple[str, Callable[..., Event]]] = {
    TickBatch: ("ticks/0", Ticks), Candle: ("candles/0", Minute), Signal: ("signals/0", Heard),
    OrderVerdict: ("order-verdicts/0", Judged), OrderEvent: ("order-events/0", Reported),
    RiskPoint: ("risk-points/0", Measured), Breach: ("breaches/0", Broke), RiskState: ("risk-states/0", Ruled),
}  # fmt: skip


def replay(
    made: type[Algo], happened: Iterable[Given], *, instruments: Sequence[str], history: Iterable[Candle] = (),
    may_command: bool = False, **settings: Value,
) -> list[Record]:  # fmt: skip
    """The orders, signals and requests that come of what happened, in order.

    ``happened``: batches of ticks, complete one-minute candles, signals, and what risk and the gateway say, as they
    came; ``history``: candles of before, which fill the windows. The same makes orders with the same ids, so what is
    said of an order can be put in when it is known. AssertionError with the trace of the first callback that raised,
    if one did.
    """
    definition = definition_of(made)
    engine = Engine(definition, Run(may_command=may_command), read_settings(definition.parameters, settings))
    past = list(history)
    for group in definition.groups(instruments):
        engine.add(group, upto={"candles/0": len(past)}).look_back({"candles/0": 0})
    for offset, candle in enumerate(past):
        engine.recall(Minute("candles/0", offset, candle))
    outcomes = [unit.start(0) for unit in engine.units.values()]
    for event in events_of(happened, len(past)):
        outcomes += engine.feed(event)
        if engine.end:
            break
    if engine.end and engine.end.status == 2:
        raise AssertionError(engine.end.reason)
    for note in (note for outcome in outcomes for note in outcome.notes if note.level == "error"):
        raise AssertionError(note.text)
    return [record for outcome in outcomes for record in outcome.records]


def events_of(happened: Iterable[Given], candles: int = 0) -> Iterable[Event]:
    """Events with places as a log of one partition a topic would give them; ``candles`` lie there already."""
    places = Counter({"candles/0": candles})
    for given in happened:
        source, event = _EVENTS[type(given)]
        yield event(source, places[source], given)
        places[source] += 1
