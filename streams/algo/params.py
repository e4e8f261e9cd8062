"""Typed parameters of an algo: a default, bounds, choices, help. Wrong values get one clear sentence.

``fast: int = param(5, low=2, high=50, help="candles")`` in the class's body; ``self.fast`` is an int afterwards.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from infra.errors import UserError

Value = int | float | bool | str
V = TypeVar("V", int, float, bool, str)
KINDS: dict[str, type[Value]] = {"int": int, "float": float, "bool": bool, "str": str}
_WORDS = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "a text"}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter, as :func:`param` declares it. ``low`` and ``high`` are inclusive."""

    default: Value
    low: float | None = None
    high: float | None = None
    choices: tuple[Value, ...] = ()
    help: str = ""
    name: str = ""
    type: str = ""

    def read(self, given: Value) -> Value:
        """The value that was given, as text or as itself. UserError when it does not fit."""
        value = _converted(self.type, given)
        if value is None or (self.choices and value not in self.choices) or not self._within(value):
            raise UserError(f"{self.name} is {self.meaning()}, not {given!r}.")
        return value

    def meaning(self) -> str:
        """What values there are, for a person: ``an integer from 2 to 50``."""
        if self.choices:
            return " or ".join(str(choice) for choice in self.choices)
        word = _WORDS[self.type]
        if self.low is not None and self.high is not None:
            return f"{word} from {self.low} to {self.high}"
        if self.low is not None:
            return f"{word} of at least {self.low}"
        return f"{word} of at most {self.high}" if self.high is not None else word

    def to_json(self) -> dict[str, Any]:
        """As the record Algo has it."""
        return {
            "name": self.name, "type": self.type, "default": self.default, "low": self.low, "high": self.high,
            "choices": list(self.choices), "help": self.help,
        }  # fmt: skip

    def _within(self, value: Value) -> bool:
        if isinstance(value, str):
            return True
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def param(
    default: V, *, low: float | None = None, high: float | None = None, choices: Sequence[V] = (), help: str = ""
) -> V:
    """Declares a parameter. A type checker sees the value that it will have."""
    return cast("V", Param(default, low, high, tuple(choices), help))


def declared(name: str, found: Param, annotation: object = None) -> Param:
    """The parameter with its name, and its type from the annotation or else from the default.

    UserError when it has no type of ours, or its own default does not fit it.
    """
    kind = getattr(annotation, "__name__", annotation) or type(found.default).__name__
    if kind not in KINDS:
        raise UserError(f"Parameter {name} is declared as {kind}; a parameter is an int, float, bool or str.")
    made = replace(found, name=name, type=str(kind))
    try:
        return replace(made, default=made.read(found.default))
    except UserError as error:
        raise UserError(f"The default of a parameter does not fit: {error}") from None


def read_settings(parameters: Iterable[Param], settings: Mapping[str, Value]) -> dict[str, Value]:
    """The value of every parameter, from what was set and the defaults. UserError for what does not fit."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            there = f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}."
            raise UserError(f"There is no parameter {name!r}; {there}")
    return {name: found.read(settings[name]) if name in settings else found.default for name, found in known.items()}


def _converted(kind: str, given: Value) -> Value | None:
    """The value in its type; None when it cannot be."""
    if kind == "str":
        return given if isinstance(given, str) else None
    if kind == "bool":
        if isinstance(given, bool):
            return given
        word = str(given).strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if isinstance(given, bool) or (kind == "int" and isinstance(given, float) and not given.is_integer()):
        return None
    try:
        value = KINDS[kind](given)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(cast("float", value)) else None
