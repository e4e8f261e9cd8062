"""What is kept of a unit over restarts: the values of the record AlgoState. Pure.

Besides the algo's own state it has what the engine must know to go on as if it had never stopped, and the *outbox*:
the records that came of the last event. State and outbox are one record, written before the outbox is sent: so an
event's state and its orders are in the log both or neither, whenever the process dies. What was in the outbox is sent
again after a restart, with the same ids.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from schemas.fleet import AlgoRequest, AlgoState, Signal
from schemas.orders import OrderIntent
from streams.algo.events import Record
from streams.algo.kept import state_text
from streams.algo.ledger import Ledger, ledger_from

KINDS: dict[str, type[Record]] = {kind.__name__: kind for kind in (OrderIntent, Signal, AlgoRequest)}


@dataclass(frozen=True, slots=True)
class Saved:
    """A unit's kept values."""

    state: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)  # its own orders
    outbox: list[Record] = field(default_factory=list)
    since: dict[str, int] = field(default_factory=dict)  # source -> offset from which its windows can be folded again
    shape: str = ""  # what the windows are like: for others ``since`` does not do
    clock_us: int = 0  # market time up to which its timer has rung
    heard: list[str] = field(default_factory=list)  # ids of the last signals that it got
    upto: dict[str, int] = field(default_factory=dict)
    at_us: int = 0

    def to_record(self, run: str, unit: str) -> AlgoState:
        """As it is written."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("upto", "at_us")}
        values["ledger"] = self.ledger.to_json()
        values["outbox"] = [[type(record).__name__, dataclasses.asdict(record)] for record in self.outbox]
        return AlgoState(run, unit, state_text(values), self.at_us, dict(self.upto))


def from_record(record: AlgoState) -> Saved:
    """As it was. ValueError when somebody else has written something else."""
    try:
        values = json.loads(record.values)
        values["outbox"] = [KINDS[kind](**fields) for kind, fields in values.get("outbox", ())]
        values.pop("position", None)  # what was asked for before there was anybody who fills orders: nothing was filled
        values["ledger"] = ledger_from(values.get("ledger", {}))
        return Saved(**values, upto=dict(record.upto), at_us=record.at_us)
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"the state of {record.instrument} cannot be read: {error}") from error
