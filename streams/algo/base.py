"""What the author of an algo writes: a subclass of :class:`Algo` for one instrument; the runner maps it over many."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

from schemas.fleet import Signal
from schemas.market import Candle
from schemas.orders import Product, Side, Validity
from schemas.risk import Breach, RiskPoint, TradingState
from schemas.ticks import TickBatch
from streams.algo.intents import Terms
from streams.algo.kept import Kept
from streams.algo.orders import Order, OrderNews
from streams.algo.params import Param, declared
from streams.algo.ticks import Tick
from streams.algo.window import Window

ALL = 0  # as ``legs``: one instance has all of the run's instruments


class Desk(Protocol):
    """What stands behind an instance while it runs; it collects what the algo asks for."""

    now_us: int
    history: int  # how many candles a window has at most

    @property
    def risk_state(self) -> TradingState: ...
    def place(self, side: Side, quantity: int, instrument: str, price: float, trigger: float, terms: Terms, reason: str,
              labels: dict[str, str]) -> str: ...  # fmt: skip
    def modify(self, order: str, quantity: int, price: float, trigger: float, reason: str) -> str: ...
    def cancel(self, order: str, reason: str) -> str: ...
    def orders(self) -> list[Order]: ...
    def order(self, order: str) -> Order | None: ...
    def position(self, instrument: str) -> int: ...
    def filled(self, instrument: str) -> int: ...
    def signal(self, name: str, value: float, instrument: str, data: dict[str, object]) -> str: ...
    def command(self, verb: Literal["start", "stop"], run: str, reason: str) -> str: ...
    def log(self, text: str, values: dict[str, object]) -> None: ...
    def end(self, reason: str) -> None: ...
    def window(self, interval: str, instrument: str) -> Window: ...


class Algo:
    """An algo for one instrument (or for ``legs`` of them). Override the callbacks that you need.

    Declare what to listen to with the class variables below, parameters with ``param``, state that must survive with
    ``state``. There is no clock but :attr:`now_us`, and no effect but the methods here: so a backtest runs the same
    file. A callback that raises has had no effect: its orders and signals are dropped, its state is as before.
    """

    candles: ClassVar[str | Sequence[str]] = ()  # intervals for on_candle and window: "1m", "5m", ... "1d"
    history: ClassVar[int | str] = 100  # complete candles that window has at most; or the name of a parameter
    signals: ClassVar[str | Sequence[str]] = ()  # names for on_signal; "NAME:*" whatever the instrument
    timer: ClassVar[float] = 0  # seconds of market time between two on_timer
    legs: ClassVar[int] = 1  # instruments of an instance: the run's, in the order given, so many at a time; or ALL
    max_errors: ClassVar[int] = 20  # callbacks of an instance that raise in a row before the algo is stopped
    max_seconds: ClassVar[float] = 10.0  # a callback that takes longer hangs: the process is ended
    catch_up: ClassVar[float] = 300.0  # seconds: what was missed for longer is not worked through after a restart

    instruments: tuple[str, ...]
    state: dict[str, Any]
    parameters: ClassVar[dict[str, Param]] = {}
    kept: ClassVar[dict[str, Kept]] = {}
    _desk: Desk

    def __init_subclass__(cls, **more: Any) -> None:
        """Gathers the parameters and the state that the class and its bases declare."""
        super().__init_subclass__(**more)
        hints = inspect.get_annotations(cls)
        mine = {name: value for name, value in cls.__dict__.items() if isinstance(value, Param)}
        cls.parameters = cls.parameters | {n: declared(n, value, hints.get(n)) for n, value in mine.items()}
        cls.kept = cls.kept | {name: value for name, value in cls.__dict__.items() if isinstance(value, Kept)}

    # callbacks -------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Before the first event, when the windows hold what history there is; again whenever a task takes over.

        A ValueError here says that the parameters do not go together: the algo does not start.
        """

    def on_stop(self) -> None:
        """The algo is told to stop, or ends. Not called when the instrument only moves to another task."""

    def on_tick(self, tick: Tick) -> None:
        """One tick. Define this or ``on_ticks``."""

    def on_ticks(self, batch: TickBatch) -> None:
        """The ticks that came together, as numpy columns of shape ``(n,)``: ``batch.last_price`` and so on."""

    def on_candle(self, candle: Candle) -> None:
        """A candle of one of the intervals ``candles`` is complete; it is the last of ``window`` already."""

    def on_signal(self, signal: Signal) -> None:
        """Another run has said something that ``signals`` asks for."""

    def on_timer(self) -> None:
        """Market time has passed a multiple of ``timer`` seconds. Ticks of the feed carry the time."""

    def on_order(self, order: OrderNews) -> None:
        """There is news of an order of this instance: risk refused it, or its status, fills or terms have changed.

        :meth:`position` and :meth:`order` know it already. News may skip states: they are what the last record says
        that is not known yet. Without this callback positions are right too.
        """

    def on_risk(self, point: RiskPoint) -> None:
        """What this run has at risk, all its instruments together: once a second when it changes, else each minute."""

    def on_breach(self, breach: Breach) -> None:
        """A limit broke, or holds again (``state`` "over"): of this run, its instruments, its account, the platform."""

    # what an algo knows ----------------------------------------------------------------------------------------

    @property
    def instrument(self) -> str:
        """The instrument; the first of a group."""
        return self.instruments[0]

    @property
    def now_us(self) -> int:
        """Market time of the event at hand, in microseconds since the epoch."""
        return self._desk.now_us

    def window(self, interval: str = "", instrument: str = "") -> Window:
        """The last complete candles, at most ``history``; of the first interval and instrument by default."""
        return self._desk.window(interval, instrument)

    def position(self, instrument: str = "") -> int:
        """What this instance's orders add up to, bought less sold: what is filled and what is still working.

        An order counts from the moment it is asked for. Once it is refused, rejected, cancelled or lost, only what was
        filled of it counts; one whose cancel is under way counts until the cancel is done. A stop that waits counts
        too: with stops decide by :meth:`filled` and :meth:`orders`.
        """
        return self._desk.position(instrument)

    def filled(self, instrument: str = "") -> int:
        """What this instance's orders have bought less sold so far."""
        return self._desk.filled(instrument)

    def orders(self) -> list[Order]:
        """This instance's orders of which more may be filled, the oldest first."""
        return self._desk.orders()

    def order(self, order_id: str) -> Order | None:
        """An order of this instance; None for one that it never had or that ended many orders ago."""
        return self._desk.order(order_id)

    @property
    def risk_state(self) -> TradingState:
        """Whether trading is on for this run: the strictest of the platform's, its account's and its own state.

        ACTIVE: all orders; REDUCING: only orders that reduce a position; HALTED: only cancels. Known as far as the log
        says it; risk and the gateway have the last word.
        """
        return self._desk.risk_state

    # what an algo does -----------------------------------------------------------------------------------------

    def buy(self, quantity: int, instrument: str = "", *, price: float = 0.0, trigger: float = 0.0, reason: str = "",
            product: Product = "", validity: Validity = "DAY", protection: float = -1.0, valid_s: float = 30.0,
            **labels: str) -> str:  # fmt: skip
        """Asks to buy; returns the order's id. With a price a limit order, with a trigger a stop order, else market.

        ``product``: "CNC", "MIS" or "NRML"; "" lets risk choose. ``validity``: "DAY" or "IOC". ``protection``: how far
        in percent a market or stop order may be filled from the last price, -1 as the broker chooses. ``valid_s``:
        seconds of market time within which the order must be sent, or else it is refused.

        ValueError for a quantity that is no positive integer, a price below zero, or a term that no order has.
        """
        terms = Terms(product, validity, protection, valid_s)
        return self._desk.place("buy", quantity, instrument, price, trigger, terms, reason, labels)

    def sell(self, quantity: int, instrument: str = "", *, price: float = 0.0, trigger: float = 0.0, reason: str = "",
             product: Product = "", validity: Validity = "DAY", protection: float = -1.0, valid_s: float = 30.0,
             **labels: str) -> str:  # fmt: skip
        """Asks to sell; as :meth:`buy`."""
        terms = Terms(product, validity, protection, valid_s)
        return self._desk.place("sell", quantity, instrument, price, trigger, terms, reason, labels)

    def target(self, quantity: int, instrument: str = "", *, price: float = 0.0, reason: str = "",
               product: Product = "", validity: Validity = "DAY", protection: float = -1.0, valid_s: float = 30.0,
               **labels: str) -> str:  # fmt: skip
        """Buys or sells what is missing to this :meth:`position`; returns "" when nothing is."""
        missing = quantity - self.position(instrument)
        if not missing:
            return ""
        terms, side = Terms(product, validity, protection, valid_s), _side(missing)
        return self._desk.place(side, abs(missing), instrument, price, 0.0, terms, reason, labels)

    def exit(self, quantity: int | None = None, instrument: str = "", *, price: float = 0.0, reason: str = "",
             product: Product = "", validity: Validity = "DAY", protection: float = -1.0, valid_s: float = 30.0,
             **labels: str) -> str:  # fmt: skip
        """Brings the :meth:`position` nearer to zero by this much, all of it by default; "" when there is none."""
        has = self.position(instrument)
        wanted = abs(has) if quantity is None else min(quantity, abs(has))
        if not has:
            return ""
        terms = Terms(product, validity, protection, valid_s)
        return self._desk.place(_side(-has), wanted, instrument, price, 0.0, terms, reason, labels)

    def modify(self, order_id: str, quantity: int = 0, price: float = 0.0, trigger: float = 0.0, *,
               reason: str = "") -> str:  # fmt: skip
        """Asks for another quantity (in all, with what is filled), price or trigger of a working order; 0: as it is.

        Returns the wish's id, or "" when the order is not working any more. ValueError when nothing is to be changed,
        or something that an order of its kind does not have.
        """
        return self._desk.modify(order_id, quantity, price, trigger, reason)

    def cancel(self, order_id: str, reason: str = "") -> str:
        """Asks that no more of an order be filled; returns the wish's id, or "" when it is not working any more."""
        return self._desk.cancel(order_id, reason)

    def signal(self, name: str, value: float, instrument: str = "", **data: object) -> str:
        """Tells all others; returns the signal's id. It is about this instance's instrument unless one is named."""
        return self._desk.signal(name, value, instrument, data)

    def command(self, verb: Literal["start", "stop"], run: str, reason: str) -> str:
        """Asks that another run be started or stopped. PermissionError when this run was not allowed to."""
        return self._desk.command(verb, run, reason)

    def log(self, text: str, **values: object) -> None:
        """A line for the log, with the market time and the instrument before it."""
        self._desk.log(text, values)

    def end(self, reason: str) -> None:
        """Ends the whole algo in good order, after this event."""
        self._desk.end(reason)


def _side(missing: int) -> Side:
    return "buy" if missing > 0 else "sell"
