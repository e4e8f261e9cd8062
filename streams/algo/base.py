"""What the author of an algo writes: a subclass of :class:`Algo` for one instrument; the runner maps it over many."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

from schemas.fleet import Signal
from schemas.market import Candle
from schemas.orders import Side
from schemas.ticks import TickBatch
from streams.algo.kept import Kept
from streams.algo.params import Param, declared
from streams.algo.ticks import Tick
from streams.algo.window import Window

ALL = 0  # as ``legs``: one instance has all of the run's instruments


class Desk(Protocol):
    """What stands behind an instance while it runs; it collects what the algo asks for."""

    now_us: int
    history: int  # how many candles a window has at most

    def order(self, side: Side, quantity: int, instrument: str, price: float, trigger: float, reason: str,
              labels: dict[str, str]) -> str: ...  # fmt: skip
    def position(self, instrument: str) -> int: ...
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

    def on_order(self, event: Any) -> None:
        """What became of an order. Its topic, ``order-events``, does not exist yet: nothing calls this so far."""

    def on_risk(self, point: Any) -> None:
        """Money at risk. Its topic, ``risk-points``, does not exist yet: nothing calls this so far."""

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
        """What this algo's own orders so far add up to: bought less sold, as asked for, not as filled."""
        return self._desk.position(instrument)

    # what an algo does -----------------------------------------------------------------------------------------

    def buy(self, quantity: int, instrument: str = "", *, price: float = 0.0, trigger: float = 0.0,
            reason: str = "", **labels: str) -> str:  # fmt: skip
        """Asks to buy; returns the order's id. With a price a limit order, with a trigger a stop order, else market.

        ValueError for a quantity that is no positive integer, or a price below zero.
        """
        return self._desk.order("buy", quantity, instrument, price, trigger, reason, labels)

    def sell(self, quantity: int, instrument: str = "", *, price: float = 0.0, trigger: float = 0.0,
             reason: str = "", **labels: str) -> str:  # fmt: skip
        """Asks to sell; as :meth:`buy`."""
        return self._desk.order("sell", quantity, instrument, price, trigger, reason, labels)

    def target(self, quantity: int, instrument: str = "", *, price: float = 0.0, reason: str = "",
               **labels: str) -> str:  # fmt: skip
        """Buys or sells what is missing to this :meth:`position`; returns "" when nothing is."""
        missing = quantity - self.position(instrument)
        if not missing:
            return ""
        side: Side = "buy" if missing > 0 else "sell"
        return self._desk.order(side, abs(missing), instrument, price, 0.0, reason, labels)

    def exit(self, quantity: int | None = None, instrument: str = "", *, price: float = 0.0, reason: str = "",
             **labels: str) -> str:  # fmt: skip
        """Brings the :meth:`position` nearer to zero by this much, all of it by default; "" when there is none."""
        has = self.position(instrument)
        wanted = abs(has) if quantity is None else min(quantity, abs(has))
        if not has:
            return ""
        return self._desk.order("sell" if has > 0 else "buy", wanted, instrument, price, 0.0, reason, labels)

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
