"""The book's entries as bytes, for Faust's tables and their changelogs.

JSON of our records' fields. ``VERSION`` is part of the tables' names: entries of another form are not read, and the
book is folded again from its topics. A new field with a default needs no new version.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import blake2b
from typing import Any

import orjson

VERSION = 1
TABLES = (
    "orders", "judged", "early", "bases", "limits", "states", "differences", "brokers", "days", "jobs", "breaches",
    "next",
)  # fmt: skip


def pack(entry: Any) -> bytes:
    """The bytes of an entry of any table."""
    return orjson.dumps(tuple(entry) if isinstance(entry, tuple) else entry)


def unpack(table: str, packed: bytes) -> Any:
    """The entry of a table."""
    kind: Any = _kinds()[table]
    value = orjson.loads(packed)
    return kind(*value) if issubclass(kind, tuple) else value if kind is int else _maker(kind)(value)


def digest_of(entries: Iterable[tuple[str, str, bytes]]) -> str:
    """A digest of entries (table, key, bytes), whatever their order."""
    made = blake2b(digest_size=16)
    for table, key, packed in sorted(entries):
        for part in (table.encode(), key.encode(), packed):
            made.update(len(part).to_bytes(8, "big"))
            made.update(part)
    return made.hexdigest()


@cache
def _kinds() -> dict[str, type[Any]]:
    # late: these modules stand on the book, which stands on this one
    from schemas.orders import BrokerPositions, OrderIntent, PositionDifference
    from schemas.risk import Breach, Limit, RiskState
    from streams.positions.fold import Base
    from streams.risk.day import Day
    from streams.risk.jobs import Job
    from streams.risk.order import Judged, Order

    return {
        "orders": Order, "judged": Judged, "early": OrderIntent, "bases": Base, "limits": Limit, "states": RiskState,
        "differences": PositionDifference, "brokers": BrokerPositions, "days": Day, "jobs": Job, "breaches": Breach,
        "next": int,
    }  # fmt: skip


Maker = Callable[[Any], Any]


@cache
def _maker(kind: Any) -> Maker:
    """What makes a record of JSON's values."""
    hints = typing.get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    makers = {name: maker for name in names if (maker := _value_maker(hints[name]))}

    def make(values: dict[str, Any]) -> Any:
        if not values.keys() <= names:  # a field that there is no more
            values = {name: value for name, value in values.items() if name in names}
        for name, maker in makers.items():
            if name in values:
                values[name] = maker(values[name])
        return kind(**values)

    return make


def _value_maker(hint: Any) -> Maker | None:
    """What makes a field's value of JSON's; None when JSON has it as it is."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _maker(typing.cast(Any, hint))
    if origin in (typing.Union, types.UnionType):
        return next((_or_none(maker) for part in arguments if (maker := _value_maker(part))), None)
    if origin in (tuple, list):
        if inner := _value_maker(arguments[0]):
            return _all_of(origin, inner)
        return tuple if origin is tuple else None
    return None


def _or_none(maker: Maker) -> Maker:
    return lambda value: None if value is None else maker(value)


def _all_of(kind: Maker, maker: Maker) -> Maker:
    return lambda values: kind(map(maker, values))
