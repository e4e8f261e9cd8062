"""What stands behind an instance in its callbacks: it collects what the algo asks for, and knows its orders.

Pure. Ids come from the run, the unit, the event and a counter, so an event that is worked through again gives the same
ids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from schemas.fleet import AlgoRequest, Signal
from schemas.orders import OrderIntent, Side
from schemas.risk import STATES, TradingState
from streams.algo import intents
from streams.algo.events import End, Note, Outcome, Run, stable_id
from streams.algo.ledger import Ledger
from streams.algo.orders import Order
from streams.algo.window import Series, Window

MOST = 1000  # outputs of one callback


class UnitDesk:
    """The desk of one unit (``streams.algo.base.Desk``). ``made`` has what was asked for since it was last taken.

    ``series`` are the unit's candles by instrument and interval, ``rulings`` the state of each scope of risk.
    """

    def __init__(
        self, run: Run, unit: str, instruments: tuple[str, ...], history: int, intervals: tuple[str, ...],
        series: Mapping[tuple[str, str], Series], rulings: Mapping[str, TradingState], ledger: Ledger,
    ) -> None:  # fmt: skip
        self.run, self.unit, self.instruments, self.history = run, unit, instruments, history
        self.ledger, self.made = ledger, Outcome(unit)
        self.ended: End | None = None
        self.now_us, self.event, self.cause = 0, "", ""
        self._series, self._rulings, self._count = series, rulings, 0
        self._first = next(iter(intervals), "")

    def begin(self, event: str, at_us: int) -> None:
        """A callback begins, for an event at this market time."""
        self.now_us, self.event, self._count = at_us, event, 0

    def taken(self) -> Outcome:
        """What was made since this was last called."""
        made, self.made = self.made, Outcome(self.unit)
        return made

    def note(self, level: Literal["info", "error"], text: str) -> None:
        """A line for the log."""
        self.made.notes.append(Note(level, self.now_us, self.unit, text))

    # orders ----------------------------------------------------------------------------------------------------

    def place(
        self, side: Side, quantity: int, instrument: str, price: float, trigger: float, terms: intents.Terms,
        reason: str, labels: Mapping[str, object],
    ) -> str:  # fmt: skip
        """Asks for an order; its id."""
        name = self._mine(instrument)
        return self._wish(intents.place(self._asked(), side, quantity, name, price, trigger, terms, reason, labels))

    def modify(self, order: str, quantity: int, price: float, trigger: float, reason: str) -> str:
        """Asks that a working order be another; the wish's id, "" when it is not working."""
        found = self.order(order)
        if found is None or not found.is_working:
            return ""
        return self._wish(intents.modify(self._asked(), found, quantity, price, trigger, reason))

    def cancel(self, order: str, reason: str) -> str:
        """Asks that a working order end; the wish's id, "" when it is not working."""
        found = self.order(order)
        return self._wish(intents.cancel(self._asked(), found, reason)) if found and found.is_working else ""

    def _asked(self) -> intents.Asked:
        return intents.Asked(self.run, self._id(), self.now_us, self.cause)

    def _wish(self, intent: OrderIntent) -> str:
        self.ledger = self.ledger.asked(intent)
        self.made.records.append(intent)
        return intent.id

    def orders(self) -> list[Order]:
        """Those that are working."""
        own = self.ledger.working.values()
        return [one.order for one in own if one.state.account == self.run.trading]

    def order(self, order: str) -> Order | None:
        """One that is remembered."""
        own = self.ledger.get(order)
        return own.order if own and own.state.account == self.run.trading else None

    def position(self, instrument: str) -> int:
        """Bought less sold: filled and still working."""
        return self.ledger.position(self.run.trading, self._mine(instrument))

    def filled(self, instrument: str) -> int:
        """Bought less sold."""
        return self.ledger.filled(self.run.trading, self._mine(instrument))

    @property
    def risk_state(self) -> TradingState:
        """The strictest of the states that hold for the run."""
        run = self.run
        scopes = ("platform", f"account:{run.trading}", f"algo:{run.run}")
        return max((self._rulings.get(scope, STATES[0]) for scope in scopes), key=STATES.index)

    # all else --------------------------------------------------------------------------------------------------

    def signal(self, name: str, value: float, instrument: str, data: Mapping[str, object]) -> str:
        """A signal; its id."""
        if not name or not math.isfinite(value):
            raise ValueError(f"a signal has a name and a finite value, not {name!r}, {value!r}")
        run, about = self.run, instrument or self.unit
        made = Signal(self._id(), name, run.run, run.task, about, float(value), self.now_us, intents.texts(data))
        self.made.records.append(made)
        return made.id

    def command(self, verb: Literal["start", "stop"], run: str, reason: str) -> str:
        """A request to the fleet; its id."""
        if not self.run.may_command:
            raise PermissionError(f"run {self.run.run} may not {verb} other runs; start it with leave to command")
        if verb not in ("start", "stop"):
            raise ValueError(f"a run can be asked to start or stop, not to {verb}")
        made = AlgoRequest(self._id(), self.run.task, verb, run, self.now_us, reason)
        self.made.records.append(made)
        return made.id

    def log(self, text: str, values: Mapping[str, object]) -> None:
        """A line."""
        self.note("info", " ".join([text, *(f"{name}={value}" for name, value in values.items())]))

    def end(self, reason: str) -> None:
        """The end, in good order."""
        self.ended = End(0, reason)

    def window(self, interval: str, instrument: str) -> Window:
        """The candles that are complete."""
        wanted = interval or self._first
        found = self._series.get((self._mine(instrument), wanted))
        if found is None:
            raise ValueError(f"candles of {wanted or 'any interval'} are not declared: candles = {wanted or '1m'!r}")
        return found.window()

    def _mine(self, instrument: str) -> str:
        name = instrument or self.instruments[0]
        if name not in self.instruments or (not instrument and len(self.instruments) > 1):
            raise ValueError(f"{instrument or 'no instrument'} was named; this has {', '.join(self.instruments)}")
        return name

    def _id(self) -> str:
        self._count += 1
        if self._count > MOST:
            raise RuntimeError(f"one callback asked for more than {MOST} orders and signals")
        return stable_id(self.run.run, self.unit, self.event, self._count)
