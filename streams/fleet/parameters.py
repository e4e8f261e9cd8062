"""Settings of a run against the parameters that its algo declares (``Algo.parameters``)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from schemas.fleet import Algo
from streams.fleet.errors import RequestError, UnknownNameError

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def declared(algo: Algo) -> dict[str, dict[str, Any]]:
    """The parameters by name."""
    return {row["name"]: row for row in json.loads(algo.parameters or "[]")}


def check_settings(algo: Algo, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings as they will be used. RequestError when one is unknown, of the wrong type or out of bounds."""
    known = declared(algo)
    return {name: _checked(algo, known, name.strip(), str(text).strip()) for name, text in settings.items()}


def _checked(algo: Algo, known: Mapping[str, dict[str, Any]], name: str, text: str) -> str:
    if name not in known:
        raise UnknownNameError(f"Algo {algo.name} has no parameter {name}{similar(name, known)}.")
    row = known[name]
    value = _parsed(algo, row, text)
    low, high, choices = row.get("low"), row.get("high"), row.get("choices") or []
    if choices and value not in choices:
        raise RequestError(f"{name} of algo {algo.name} is one of {', '.join(map(str, choices))}, not {text}.")
    if (low is not None and value < low) or (high is not None and value > high):
        raise RequestError(f"{name} of algo {algo.name} is {_bounds(low, high)}, not {text}.")
    return text


def _parsed(algo: Algo, row: Mapping[str, Any], text: str) -> Any:
    kind = row.get("type", "str")
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return _finite(text)
        if kind == "bool":
            return {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}[text.lower()]
    except (ValueError, KeyError):
        what = {"int": "a whole number", "float": "a number", "bool": "true or false"}[kind]
        raise RequestError(f"{row['name']} of algo {algo.name} is {what}, not {text!r}.") from None
    return text


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _bounds(low: Any, high: Any) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"between {low} and {high}"


def similar(name: str, known: Mapping[str, Any]) -> str:
    """What may have been meant, as the end of a sentence."""
    close = get_close_matches(name, known, 3, 0.5)
    if close:
        return f"; did you mean {' or '.join(close)}?".removesuffix("?")
    return f"; there are {', '.join(sorted(known))}" if 0 < len(known) <= 10 else ""
