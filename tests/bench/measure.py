"""Rounds in turn, medians, and one line of the result table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. ``required`` is its pass mark: at least it, or at most when ``at_most``; None: only shown."""

    name: str
    value: float
    ours: str = ""  # the absolute figure behind it, with its unit
    plain: str = ""  # the peer's
    required: float | None = None
    at_most: bool = False
    spread: tuple[float, float] | None = None  # least and most over the rounds

    @property
    def passed(self) -> bool | None:
        """Whether the mark is met; None where there is none."""
        if self.required is None:
            return None
        return self.value <= self.required if self.at_most else self.value >= self.required


def ratio(
    name: str, ours: Sequence[float], plain: Sequence[float], required: float | None, unit: str = "ticks/s"
) -> Line:
    """The ratio of the medians of two sides' rates, round by round, as a line."""
    each = [a / b for a, b in zip(ours, plain, strict=True)]
    figures = f"{amount(median(ours))} {unit}", f"{amount(median(plain))} {unit}"
    return Line(name, median(ours) / median(plain), *figures, required, spread=(min(each), max(each)))


def in_turn(sides: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Each side's rates, in turn, so that a slow minute of the machine meets all.

    Each side runs once beforehand, uncounted: servers that have just started are slower than they will ever be again.
    """
    for side in sides:
        side()
    return [list(rates) for rates in zip(*([side() for side in sides] for _ in range(rounds)), strict=True)]


def rate_of(work: Callable[[], int], seconds: float) -> float:
    """Items a second of a function that returns how many it did, repeated for about that long."""
    work()
    done, started = 0, perf_counter()
    while (took := perf_counter() - started) < seconds:
        done += work()
    return done / took


def amount(value: float) -> str:
    """A number with k or M."""
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"
