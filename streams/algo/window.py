"""The candles that an algo can look back on: numpy columns, folded from the one-minute candles of topic ``candles``."""

from __future__ import annotations

from collections import deque
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from schemas.calendar import calendar_of
from schemas.market import Candle
from streams.candles.intervals import fold_intervals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Window:
    """The last complete candles of one instrument and interval, the newest last. Columns have shape ``(n,)``."""

    def __init__(self, instrument: str, interval: str, candles: tuple[Candle, ...]) -> None:
        self.instrument, self.interval, self.candles = instrument, interval, candles

    def __len__(self) -> int:
        return len(self.candles)

    def last(self, count: int) -> Window:
        """The last ``count`` of them, or as many as there are."""
        return Window(self.instrument, self.interval, self.candles[max(0, len(self) - count) :])

    @cached_property
    def start_us(self) -> Ints:
        """When each begins."""
        return np.array([candle.start_us for candle in self.candles], np.int64)

    @cached_property
    def open(self) -> Floats:
        """Opening prices."""
        return np.array([candle.open for candle in self.candles])

    @cached_property
    def high(self) -> Floats:
        """Highest prices."""
        return np.array([candle.high for candle in self.candles])

    @cached_property
    def low(self) -> Floats:
        """Lowest prices."""
        return np.array([candle.low for candle in self.candles])

    @cached_property
    def close(self) -> Floats:
        """Closing prices."""
        return np.array([candle.close for candle in self.candles])

    @cached_property
    def volume(self) -> Ints:
        """Volumes; 0 where the instrument has none."""
        return np.array([candle.volume for candle in self.candles], np.int64)


class Series:
    """One instrument's candles of one interval, kept ``size`` long: a fold of its minutes.

    Minutes come in order of time; one that comes again, as a revision, replaces what it was as long as it is a
    candle of its own or its candle is not complete. Older ones change nothing: what was told stays as it was told.
    """

    def __init__(self, instrument: str, interval: str, size: int) -> None:
        self.instrument, self.interval = instrument, interval
        self._done: deque[tuple[Candle, int]] = deque(maxlen=size)  # with the offset of its first minute
        self._minutes: list[tuple[Candle, int]] = []  # of candles that are not complete
        self._last_us = -1  # start of the newest minute
        self._window: Window | None = None

    @property
    def since(self) -> int | None:
        """The offset from which this can be folded again; None when it is empty."""
        oldest = [self._done[0][1]] if self._done else []
        oldest += [self._minutes[0][1]] if self._minutes else []
        return min(oldest, default=None)

    def take(self, minute: Candle, offset: int) -> list[Candle]:
        """The candles that this minute completes: at its end, or because it is past theirs."""
        if minute.start_us <= self._last_us:
            self._revise(minute)
            return []
        self._last_us = minute.start_us
        self._minutes.append((minute, offset))
        done = [c for c in fold_intervals((m for m, _ in self._minutes), self.interval) if c.complete]
        for candle in done:
            first = next(at for m, at in self._minutes if self._start(m) == candle.start_us)
            self._minutes = [(m, at) for m, at in self._minutes if self._start(m) != candle.start_us]
            self._done.append((candle, first))
            self._window = None
        return done

    def _start(self, minute: Candle) -> int:
        """The start of the candle that a minute belongs to."""
        if self.interval == "1m":
            return minute.start_us
        return calendar_of(self.instrument.partition(":")[0]).candle_start(minute.start_us, self.interval)

    def _revise(self, minute: Candle) -> None:
        self._minutes = [(minute if m.start_us == minute.start_us else m, at) for m, at in self._minutes]
        if self.interval != "1m":
            return
        for place, (candle, at) in enumerate(self._done):
            if candle.start_us == minute.start_us and candle != minute:
                self._done[place] = (minute, at)
                self._window = None

    def window(self) -> Window:
        """What there is."""
        if self._window is None:
            self._window = Window(self.instrument, self.interval, tuple(candle for candle, _ in self._done))
        return self._window
