"""The fold's entries as bytes, for Faust's tables and their changelogs.

JSON whose records are in our own encoding (base64): they say which schema they were written with, so that a changelog
outlives new versions of a record. ``VERSION`` is part of the tables' names: entries of another form are not read, and
the fleet is folded again from its topics.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from schemas.codec import decode, encode
from schemas.fleet import Algo, Command, Heartbeat, Node, Task
from streams.fleet.fold import AlgoEntry, CommandEntry, FleetState, NodeEntry, Step, TaskEntry

VERSION = 1
KINDS: Mapping[str, type[Any]] = {"nodes": NodeEntry, "tasks": TaskEntry, "algos": AlgoEntry, "commands": CommandEntry}
R = TypeVar("R")


def pack_entry(entry: Any) -> bytes:
    """The bytes of an entry of the fold."""
    values: list[Any]
    match entry:
        case NodeEntry(node, decided, decided_us, heartbeat, heard_us, history):
            values = [node, _pack(decided), decided_us, _pack(heartbeat), heard_us, history]
        case TaskEntry(task, wanted, wanted_us, life, node, history):
            values = [task, _pack(wanted), wanted_us, life, node, history]
        case AlgoEntry(name, algo, at_us):
            values = [name, _pack(algo), at_us]
        case CommandEntry(id_, command, at_us, steps):
            values = [id_, _pack(command), at_us, steps]
        case _:
            raise TypeError(f"a {type(entry).__name__} is no entry of the fleet")
    return orjson.dumps(values)  # steps are dataclasses: objects in JSON


def unpack_entry(table: str, packed: bytes) -> Any:
    """The entry of a table (a key of ``KINDS``)."""
    v = orjson.loads(packed)
    if table == "nodes":
        return NodeEntry(v[0], _unpack(Node, v[1]), v[2], _unpack(Heartbeat, v[3]), v[4], _unsteps(v[5]))
    if table == "tasks":
        return TaskEntry(v[0], _unpack(Task, v[1]), v[2], Step(**v[3]) if v[3] else None, v[4], _unsteps(v[5]))
    if table == "algos":
        return AlgoEntry(v[0], _unpack(Algo, v[1]), v[2])
    return CommandEntry(v[0], _unpack(Command, v[1]), v[2], _unsteps(v[3]))


def state_of(tables: Mapping[str, Mapping[bytes, bytes]]) -> FleetState:
    """The fold's state from the tables' contents."""
    made = {name: {key.decode(): unpack_entry(name, value) for key, value in tables[name].items()} for name in KINDS}
    return FleetState(**made)


def changes(before: FleetState, after: FleetState) -> list[tuple[str, str, Any]]:
    """What a fold has changed: table, key, and the new entry or None where it was forgotten."""
    found: list[tuple[str, str, Any]] = []
    for table in KINDS:
        old, new = getattr(before, table), getattr(after, table)
        if old is not new:
            found += [(table, key, entry) for key, entry in new.items() if old.get(key) is not entry]
            found += [(table, key, None) for key in old if key not in new]
    return found


def _pack(record: Any) -> str | None:
    return None if record is None else base64.b64encode(encode(record)).decode()


def _unpack(kind: type[R], packed: str | None) -> R | None:
    return None if packed is None else decode(kind, base64.b64decode(packed))


def _unsteps(values: list[dict[str, Any]]) -> tuple[Step, ...]:
    return tuple(Step(**value) for value in values)
