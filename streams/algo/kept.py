"""State that an algo declares: it survives restarts, in topic ``algo-state``.

``side: str = state("flat")`` in the class's body; ``self.side`` is read and set as any attribute and lies in
``self.state``. Values are JSON's: numbers, texts, true and false, None, lists, and dicts with texts as keys.
"""

from __future__ import annotations

import copy
import json
from typing import Any, TypeVar, cast

import numpy as np

V = TypeVar("V")


class Kept:
    """The descriptor behind :func:`state`."""

    def __init__(self, default: Any) -> None:
        self._default = default
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, of: Any, owner: type | None = None) -> Any:
        return self if of is None else of.state[self.name]

    def __set__(self, of: Any, value: Any) -> None:
        of.state[self.name] = value

    def fresh(self) -> Any:
        """The default, each instance's own."""
        return copy.deepcopy(self._default)


def state(default: V) -> V:
    """Declares a value that survives restarts. A type checker sees the value itself."""
    return cast("V", Kept(default))


def state_text(values: dict[str, Any]) -> str:
    """The values as JSON. TypeError naming the value that JSON cannot hold."""
    if not values:
        return "{}"
    try:
        return json.dumps(values, default=_plain)
    except TypeError:
        for name, value in values.items():
            try:
                json.dumps(value, default=_plain)
            except TypeError as error:
                raise TypeError(f"the state {name!r} cannot be kept: {error}") from None
        raise


def _plain(value: Any) -> Any:
    """numpy's numbers and arrays as plain ones."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON value")
