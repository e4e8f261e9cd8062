"""What an algo's class declares, checked once: parameters, and what it listens to."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.errors import UserError
from schemas.calendar import INTERVALS
from streams.algo.base import ALL, Algo
from streams.algo.params import Param

MOST_HISTORY = 10_000


@dataclass(frozen=True, slots=True)
class Definition:
    """A checked class. ``signals`` tells of each name whether it is wanted of whatever instrument."""

    made: type[Algo]
    intervals: tuple[str, ...]  # the shortest first for those told, as declared for ``window``
    signals: Mapping[str, bool]
    timer_us: int
    on_tick: bool
    on_ticks: bool

    @property
    def name(self) -> str:
        """The class's name."""
        return self.made.__name__

    @property
    def parameters(self) -> list[Param]:
        """In the order in which they are declared."""
        return list(self.made.parameters.values())

    @property
    def description(self) -> str:
        """The first paragraph of the class's docstring, as one line."""
        text = inspect.cleandoc(self.made.__dict__.get("__doc__") or "")
        return " ".join(text.split("\n\n")[0].split())

    @property
    def wants_ticks(self) -> bool:
        """Whether topic ``ticks`` has to be read: for itself, or for the time that it carries."""
        return self.on_tick or self.on_ticks or self.timer_us > 0

    @property
    def on_order(self) -> bool:
        """Whether it is told of its orders. They are followed in any case."""
        return _defines(self.made, "on_order")

    @property
    def on_risk(self) -> bool:
        """Whether topic ``risk-points`` has to be read."""
        return _defines(self.made, "on_risk")

    @property
    def on_breach(self) -> bool:
        """Whether topic ``breaches`` has to be read."""
        return _defines(self.made, "on_breach")

    @property
    def inputs(self) -> list[str]:
        """As the record Algo has them."""
        found = ["ticks"] if self.on_tick or self.on_ticks else []
        found += [f"candles:{interval}" for interval in self.intervals]
        found += [f"signals:{name}{':*' * everywhere}" for name, everywhere in self.signals.items()]
        found += ["orders"] * self.on_order + ["risk"] * self.on_risk + ["breaches"] * self.on_breach
        return found + ([f"timer:{self.made.timer:g}"] if self.timer_us else [])

    def groups(self, instruments: Sequence[str]) -> list[tuple[str, ...]]:
        """A run's instruments as the instances have them. UserError when they do not come out even."""
        if repeated := sorted({name for name in instruments if list(instruments).count(name) > 1}):
            raise UserError(f"{repeated[0]} is given twice.")
        legs = self.made.legs or len(instruments)
        if not instruments or len(instruments) % legs:
            what = "at least one instrument" if legs == 1 or not self.made.legs else f"instruments in groups of {legs}"
            raise UserError(f"{self.name} needs {what}; {len(instruments)} were given.")
        return [tuple(instruments[n : n + legs]) for n in range(0, len(instruments), legs)]

    def history_of(self, values: Mapping[str, Any]) -> int:
        """How many candles a window has at most. UserError when that is no sensible number."""
        declared = self.made.history
        found = values.get(declared) if isinstance(declared, str) else declared
        if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= MOST_HISTORY:
            raise UserError(
                f"{self.name}.history is a number of candles from 1 to {MOST_HISTORY}, or the name of such a parameter,"
                f" not {declared!r}."
            )
        return found


def definition_of(made: type[Algo]) -> Definition:
    """The class's definition. UserError names what is wrong with it."""
    intervals = _words(made.candles)
    if unknown := [interval for interval in intervals if interval not in INTERVALS]:
        raise UserError(
            f"{made.__name__}: there is no candle interval {unknown[0]!r}; there are {', '.join(INTERVALS)}."
        )
    if not isinstance(made.legs, int) or made.legs < ALL:
        raise UserError(f"{made.__name__}.legs is a number of instruments, or ALL, not {made.legs!r}.")
    if not isinstance(made.timer, int | float) or made.timer < 0:
        raise UserError(f"{made.__name__}.timer is a number of seconds, not {made.timer!r}.")
    signals = {word.removesuffix(":*"): word.endswith(":*") for word in _words(made.signals)}
    found = Definition(
        made, intervals, signals, round(made.timer * 1e6), _defines(made, "on_tick"), _defines(made, "on_ticks")
    )
    _check(found)
    found.history_of({parameter.name: parameter.default for parameter in found.parameters})
    return found


def _check(found: Definition) -> None:
    made, name = found.made, found.name
    needs = {"on_candle": ("candles", found.intervals), "on_signal": ("signals", found.signals),
             "on_timer": ("timer", found.timer_us)}  # fmt: skip
    for callback, (variable, value) in needs.items():
        if _defines(made, callback) and not value:
            raise UserError(f"{name} defines {callback} but does not declare `{variable}`, so nothing would call it.")
    if found.on_tick and found.on_ticks:
        raise UserError(f"{name} defines on_tick and on_ticks: define one of them, both get the same ticks.")
    if not found.inputs:
        raise UserError(f"{name} listens to nothing: define on_tick, on_candle, on_signal or on_timer.")
    for callback in (word for word in vars(Algo) if word.startswith("on_")):
        if inspect.iscoroutinefunction(getattr(made, callback)):
            raise UserError(f"{name}.{callback} is async; callbacks are plain functions.")


def _defines(made: type[Algo], callback: str) -> bool:
    return getattr(made, callback) is not getattr(Algo, callback)


def _words(declared: str | Sequence[str]) -> tuple[str, ...]:
    return (declared,) if isinstance(declared, str) else tuple(declared)
