"""Limits as people write them: scope, limit, value and action as text, checked, to a ``Limit``; and back to a sentence.

What every limit is about, in which units it is written, where it can be set and what may be done about it is in
:data:`KINDS`; who is meant by a scope is in ``streams.risk.scopes``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from infra.errors import UserError
from schemas.risk import Limit, LimitAction, LimitName, Unit
from schemas.rupees import grouped, read_number, rupees
from streams.risk.scopes import FORMS, Kind, check_scope, described

ACTIONS: dict[LimitAction, str] = {  # what is done, as the end of a sentence
    "warn": "a warning",
    "block": "new orders are refused",
    "stop": "the algos are stopped and nothing new may be opened",
    "flatten": "the algos are stopped and what they hold is closed",
    "halt": "the algos are stopped and only cancels may leave",
}
SCALES = {"k": 1e3, "lakh": 1e5, "lakhs": 1e5, "lac": 1e5, "l": 1e5, "crore": 1e7, "crores": 1e7, "cr": 1e7}
MOST = 1e15  # rupees, and anything else: no limit is meant to be higher
EVERYWHERE: tuple[Kind, ...] = ("platform", "account", "algo", "instrument", "algo/instrument")
WHO: tuple[Kind, ...] = ("platform", "account", "algo")
ALWAYS: tuple[LimitAction, ...] = ("warn", "block", "stop", "flatten", "halt")


@dataclass(frozen=True, slots=True)
class LimitKind:
    """What can be said of a limit of this name. The first unit and action are those that hold if none is written."""

    words: str  # what is limited
    units: tuple[Unit, ...]
    actions: tuple[LimitAction, ...] = ()  # none: it limits nothing by itself
    scopes: tuple[Kind, ...] = EVERYWHERE
    positive: bool = False  # whether 0 would make no sense
    most_percent: float = 100.0


_LOSS: tuple[LimitAction, ...] = ("stop", "warn", "block", "flatten", "halt")
_STANDING: tuple[LimitAction, ...] = ("block", "warn", "stop", "flatten", "halt")
_ORDER: tuple[LimitAction, ...] = ("block",)  # of a single order: it is refused, nothing else has happened
KINDS: dict[LimitName, LimitKind] = {
    "money-at-risk": LimitKind("money at risk", ("rupees",), _STANDING),
    "drawdown": LimitKind("drawdown from the day's peak", ("rupees", "percent"), _LOSS, positive=True),
    "drawdown-all-time": LimitKind("drawdown from the all-time peak", ("rupees", "percent"), _LOSS, positive=True),
    "daily-loss": LimitKind("loss of the day", ("rupees", "percent"), _LOSS, positive=True),
    "quantity": LimitKind("quantity of an order", ("shares",), _ORDER),
    "position": LimitKind("position in an instrument", ("shares",), _STANDING),
    "notional": LimitKind("value of what is held and pending", ("rupees",), _STANDING),
    "open-positions": LimitKind("instruments held or pending", ("count",), _STANDING, WHO),
    "orders-per-second": LimitKind("orders a second", ("count",), _ORDER, WHO),
    "orders-per-day": LimitKind("orders a day", ("count",), ("block", "warn"), WHO),
    "price-band": LimitKind("distance of an order's price from the last", ("percent",), _ORDER, positive=True),
    "adverse-move": LimitKind(
        "assumed adverse move", ("percent",), scopes=("algo", "algo/instrument"), positive=True, most_percent=1000.0
    ),
    "capital": LimitKind("capital", ("rupees",), scopes=("account", "platform"), positive=True),
}


def parse_limit(scope: str, name: str, value: str, action: str = "") -> Limit:
    """The limit that somebody wrote; ``action`` may be left out. UserError, one sentence, when it makes no sense."""
    limit = limit_name(name)
    where, kind = check_scope(scope), KINDS[limit]
    if where.kind not in kind.scopes:
        forms = " or ".join(FORMS[form] for form in kind.scopes)
        raise UserError(f"There is no {limit} of {where.text}; it can be set for {forms}.")
    number, unit = parse_value(limit, value)
    return Limit(where.text, limit, number, unit, parse_action(limit, action))


def check_limit(limit: Limit) -> Limit:
    """A limit that was read as a record, as it would have been written. UserError as :func:`parse_limit`.

    A person who writes a record by hand may leave unit and action out: those of the limit are put in their place when
    what stands there cannot be meant.
    """
    name, where = limit_name(limit.limit), check_scope(limit.scope)
    kind = KINDS[name]
    unit = limit.unit if limit.unit in kind.units else kind.units[0]
    action: str = limit.action if limit.action in kind.actions else ""
    made = parse_limit(where.text, name, f"{limit.value!r}{'%' if unit == 'percent' else ''}", action)
    return Limit(
        made.scope, made.limit, made.value, made.unit, made.action, limit.actor, limit.at_us, limit.removed,
        limit.reason,
    )  # fmt: skip


def limit_name(text: str) -> LimitName:
    """The name of a limit. UserError with similar ones when there is none."""
    name = re.sub(r"[\s_]+", "-", text.strip().lower())
    if name in KINDS:
        return name
    close = get_close_matches(name, KINDS, 2, 0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(KINDS)}."
    raise UserError(f"There is no limit {text.strip()!r}; {hint}")


def parse_action(limit: LimitName, text: str) -> LimitAction:
    """What is to be done when it breaks; the limit's usual action when nothing is written."""
    allowed, action = KINDS[limit].actions, text.strip().lower()
    if not action:
        return allowed[0] if allowed else "warn"
    if action in allowed:
        return action
    if not allowed:
        raise UserError(f"{limit} is a setting that limits nothing by itself: leave --action out.")
    if action in ACTIONS:
        raise UserError(f"{limit} cannot {action}: what breaks it is refused before it is sent; leave --action out.")
    close = get_close_matches(action, ACTIONS, 1, 0.5)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(ACTIONS)}."
    raise UserError(f"There is no action {text.strip()!r}; {hint}")


def parse_value(limit: LimitName, text: str) -> tuple[float, Unit]:
    """A value and its unit: ``1,50,000``, ``1.5 lakh``, ``2 cr``, ``2%``. UserError when it is none for this limit."""
    kind, bare = KINDS[limit], text.strip()
    examples = " or ".join(_EXAMPLES[unit] for unit in kind.units)
    percent = bare.endswith("%")
    if percent and "percent" not in kind.units:
        raise UserError(f"{limit} is no percentage; write {examples}.")
    try:
        value = _number(bare.removesuffix("%"))
    except ValueError:
        raise UserError(f"{text.strip()!r} is no value of {limit}; write {examples}.") from None
    unit: Unit = "percent" if percent else kind.units[0]
    if value < 0 or (kind.positive and value == 0):
        raise UserError(f"{limit} has to be {'more than' if kind.positive else 'at least'} 0; write {examples}.")
    if unit == "percent" and value > kind.most_percent:
        raise UserError(f"{limit} can be at most {kind.most_percent:g}%.")
    if value > MOST:
        raise UserError(f"{text.strip()} is too much for {limit}.")
    if unit in ("shares", "count") and value != int(value):
        raise UserError(f"{limit} is a whole number; write {examples}.")
    return value, unit


def value_text(value: float, unit: str) -> str:
    """A value as people read it: ₹1,50,000, 2%, 1,200."""
    if unit == "rupees":
        return rupees(value)
    return f"{grouped(value)}%" if unit == "percent" else grouped(value)


def sentence(limit: Limit) -> str:
    """What a limit says, for people."""
    kind, who = KINDS[limit.limit], described(limit.scope)
    if limit.removed:
        return f"{who}: no limit of its own on {kind.words} any more."
    value = value_text(limit.value, limit.unit)
    if limit.unit == "percent" and "rupees" in kind.units:
        value += " of capital"
    if not kind.actions:
        return f"{who}: {kind.words} {value}."
    return f"{who}: {kind.words} at most {value}, else {ACTIONS[limit.action]}."


_EXAMPLES: dict[Unit, str] = {
    "rupees": "an amount of rupees as 1,50,000 or 1.5 lakh",
    "percent": "a percentage as 2%",
    "shares": "a number of shares as 500",
    "count": "a number as 10",
}


def _number(text: str) -> float:
    """ValueError when it is none."""
    match = re.fullmatch(r"(.*?)\s*([a-z]+)", text.strip(), re.IGNORECASE)
    if match and (scale := SCALES.get(match[2].lower())):
        return round(read_number(match[1]) * scale, 4)  # 1.1 lakh is 110000, not 110000.00000000001
    return read_number(text)
