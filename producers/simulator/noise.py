"""Random numbers that need no state: each is a hash of what it is for.

``bits(key, counter)`` is the counter-based form of SplitMix64 (Steele, Lea, Flood 2014): the output function of
the generator applied to ``key + counter * golden``. The same seed, instrument and instant give the same number
in every process, in any order and from any start. All functions broadcast over numpy arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
OCTAVES = 10


def _mix(z: NDArray[Any]) -> Keys:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    made: Keys = z ^ (z >> np.uint64(31))
    return made


def bits(key: ArrayLike, counter: ArrayLike) -> Keys:
    """64 random bits for each pair."""
    with np.errstate(over="ignore"):
        return _mix(np.asarray(key, np.uint64) + (np.asarray(counter).astype(np.uint64) + np.uint64(1)) * GOLDEN)


def keys(seed: int, tokens: ArrayLike) -> Keys:
    """One key for each instrument."""
    return bits(bits(np.uint64(seed), np.uint64(0)), tokens)


def part(h: Keys, place: int, width: int = 16) -> NDArray[np.int64]:
    """An integer in ``[0, 2**width)`` from the bits at ``place``."""
    made: NDArray[np.int64] = ((h >> np.uint64(place)) & np.uint64((1 << width) - 1)).astype(np.int64)
    return made


def uniform(h: Keys, place: int = 0) -> Floats:
    """A number in (0, 1) from 16 of the bits."""
    return np.asarray((part(h, place) + 0.5) / 65536.0, np.float64)


def normal(h: Keys) -> Floats:
    """A number that is nearly normal (the sum of four uniforms), mean 0, deviation 1, within ±3.5."""
    total = part(h, 0) + part(h, 16) + part(h, 32) + part(h, 48)
    return np.asarray((total - 131070.0) * (1.7320508075688772 / 65536.0), np.float64)


def wander(key: ArrayLike, at: ArrayLike) -> Floats:
    """A random walk without a path: value noise over ``OCTAVES`` doublings of the period.

    ``at`` are integers (days). Its steps from one day to the next have a deviation near 1; it stays within
    about ±30 for ever, so that prices neither explode nor die.
    """
    day, key = np.broadcast_arrays(np.asarray(at, np.int64), np.asarray(key, np.uint64))
    octave = np.arange(OCTAVES).reshape(-1, *([1] * day.ndim))  # all octaves at once: along a first axis
    period = 1 << octave
    left = day // period
    share = (day - left * period) / period
    octave_key = bits(key, 1_000_003 + octave)
    a, b = normal(bits(octave_key, left)), normal(bits(octave_key, left + 1))
    total: Floats = (0.5 * period**0.5 * (a + (b - a) * share)).sum(axis=0)
    return total
