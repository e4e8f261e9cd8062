"""Records to Avro bytes and back.

A message is Avro's *single-object encoding*: ``C3 01``, the CRC-64-AVRO fingerprint of the writer's schema
(8 bytes, little-endian), then the Avro body. So a message says which schema it was written with, and no
registry is needed: the schemas lie in ``schemas/avro`` as ``<record>.v<n>.avsc``.
"""

from __future__ import annotations

import dataclasses
import io
import json
import types
import typing
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import fastavro
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from schemas.flat import Fields, flat_fields, read_flat
from schemas.ticks import FIELDS, TickBatch, fields_of

AVRO = Path(__file__).parent / "avro"
MARKER = b"\xc3\x01"
HEADER = 10
R = TypeVar("R")


class UndecodableError(ValueError):
    """The bytes are not a record of the wanted kind; the message says what is wrong with them."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Schema:
    name: str  # the record's name
    version: int
    parsed: Any
    header: bytes


@cache
def _schemas() -> dict[str, list[_Schema]]:
    """All schemas by record name, oldest version first."""
    found: dict[str, list[_Schema]] = {}
    for path in sorted(AVRO.glob("*.avsc")):
        parsed = parse_schema(fastavro.schema.load_schema(str(path)))
        crc = fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO")
        name = parsed["name"].rsplit(".", 1)[-1]
        version = int(path.name.split(".")[1].removeprefix("v"))
        found.setdefault(name, []).append(_Schema(name, version, parsed, MARKER + bytes.fromhex(crc)))
    for versions in found.values():
        versions.sort(key=lambda schema: schema.version)
    return found


@cache
def _by_header() -> dict[bytes, _Schema]:
    return {schema.header: schema for versions in _schemas().values() for schema in versions}


def _writer_of(message: bytes) -> _Schema:
    try:
        return _by_header()[message[:HEADER]]
    except KeyError:
        start = message[:HEADER].hex() or "(empty)"
        raise UndecodableError(f"no schema is known for the message's first bytes {start}") from None


def _newest(record: type[Any]) -> _Schema:
    return _schemas()[record.__name__][-1]


def encode(record: Any) -> bytes:
    """The message bytes of a record of ``schemas``."""
    schema = _newest(type(record))
    out = io.BytesIO()
    out.write(schema.header)
    fastavro.schemaless_writer(out, schema.parsed, _to_avro(record))
    return out.getvalue()


def decode(record: type[R], message: bytes) -> R:
    """The record that a message holds. UndecodableError when it holds anything else.

    A JSON object with the record's fields is taken too (not for TickBatch), so that Kafka's own tools can write it.
    """
    if message[:1] == b"{" and record is not TickBatch:
        return _decode_json(record, message)
    if record is TickBatch:
        return typing.cast("R", _decode_batch(TickBatch, FIELDS, message))
    return _made(record, _read(record, message))


def decode_part(part: type[R], message: bytes) -> R:
    """Some fields of the TickBatch that a message holds, ``instrument`` and ``names`` among them.

    ``part`` is a NamedTuple of them. UndecodableError when the message holds anything else.
    """
    return _decode_batch(part, part._fields, message)  # type: ignore[attr-defined]


def _decode_batch(made: Callable[..., R], wanted: tuple[str, ...], message: bytes) -> R:
    values = _read(TickBatch, message, wanted)
    try:
        return made(**fields_of(values, wanted))
    except ValueError as error:
        raise UndecodableError(f"a broken TickBatch: {error}") from error


def _read(record: type[Any], message: bytes, in_place: tuple[str, ...] = ()) -> dict[str, Any]:
    """A message's fields; of a batch those ``in_place``, as views of the message and no copies."""
    writer = _writer_of(message)
    reader = _newest(record)
    if writer.name != reader.name:
        raise UndecodableError(f"the message holds a {writer.name}, not a {reader.name}")
    try:
        if in_place and writer is reader and (fields := _flat_part(writer, in_place)):
            return read_flat(fields, message, HEADER)
        return _read_body(message, writer, reader)
    except Exception as error:  # fastavro raises whatever a broken body leads it to
        raise UndecodableError(f"a broken {reader.name}: {error or type(error).__name__}") from error


@cache
def _flat_part(writer: _Schema, wanted: tuple[str, ...]) -> Fields:
    return flat_fields(writer.parsed, wanted)


def _read_body(message: bytes, writer: _Schema, reader: _Schema) -> dict[str, Any]:
    body = io.BytesIO(message)
    body.seek(HEADER)
    values = fastavro.schemaless_reader(body, writer.parsed, None if writer is reader else reader.parsed)
    if left := len(message) - body.tell():
        raise ValueError(f"{left} bytes are left over")
    return typing.cast("dict[str, Any]", values)


def _decode_json(record: type[R], message: bytes) -> R:
    try:
        return from_json(record, json.loads(message))
    except (ValueError, TypeError) as error:
        raise UndecodableError(f"a JSON message that is no {record.__name__}: {error}") from error


def decode_any(message: bytes) -> dict[str, Any]:
    """The fields of a message of any known schema, for people and tools; UndecodableError otherwise."""
    if message[:1] == b"{":
        try:
            return typing.cast("dict[str, Any]", json.loads(message))
        except ValueError as error:
            raise UndecodableError(f"broken JSON: {error}") from error
    writer = _writer_of(message)
    try:
        values = fastavro.schemaless_reader(io.BytesIO(message[HEADER:]), writer.parsed, None)
    except Exception as error:
        raise UndecodableError(f"a broken {writer.name}: {error or type(error).__name__}") from error
    return typing.cast("dict[str, Any]", values)


@dataclasses.dataclass(frozen=True, slots=True)
class _Shape:
    """A record's fields: all of them, the tuples (arrays in Avro), those that are records, and lists of records."""

    names: tuple[str, ...]
    tuples: tuple[str, ...]
    records: tuple[tuple[str, type[Any]], ...]
    lists: tuple[tuple[str, type[Any]], ...]


class _Shapes(dict[type[Any], _Shape]):
    def __missing__(self, record: type[Any]) -> _Shape:
        hints = typing.get_type_hints(record)
        names = tuple(f.name for f in dataclasses.fields(record))
        inner = {name: (typing.get_args(hints[name]) or (None,))[0] for name in names}
        self[record] = _Shape(
            names,
            tuple(name for name in names if typing.get_origin(hints[name]) is tuple),
            tuple((name, hints[name]) for name in names if dataclasses.is_dataclass(hints[name])),
            tuple((n, inner[n]) for n in names if isinstance(inner[n], type) and dataclasses.is_dataclass(inner[n])),
        )
        return self[record]


_shapes = _Shapes()


def _made(record: type[R], values: dict[str, Any]) -> R:
    """The record of Avro's or JSON's values, in which records are mappings."""
    shape = _shapes[record]
    for name in shape.tuples:
        values[name] = tuple(values[name])
    for name, inner in shape.records:
        values[name] = _made(inner, values[name])
    for name, inner in shape.lists:
        values[name] = [_made(inner, value) for value in values[name]]
    return record(**values)


def _to_avro(record: Any) -> dict[str, Any]:
    if isinstance(record, TickBatch):
        return record.to_avro()
    shape = _shapes[type(record)]
    values = {name: getattr(record, name) for name in shape.names}
    for name, _ in shape.records:
        values[name] = _to_avro(values[name])
    for name, _ in shape.lists:
        values[name] = [_to_avro(value) for value in values[name]]
    return values


def from_json(record: type[R], values: dict[str, Any]) -> R:
    """A record from JSON fields, as in ``schemas/examples`` and as people write them. ValueError says what is wrong."""
    shape = _shapes[record]
    names = shape.names
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ValueError(f"{record.__name__} has no field {unknown[0]!r}; it has {', '.join(names)}")
    hints = typing.get_type_hints(record)
    values = dict(values)
    for name, inner in shape.records:
        if isinstance(values.get(name), dict):
            values[name] = from_json(inner, values[name])
    for name, inner in shape.lists:
        if isinstance(values.get(name), list):
            values[name] = [from_json(inner, value) if isinstance(value, dict) else value for value in values[name]]
            if wrong := [value for value in values[name] if not isinstance(value, inner)]:
                raise ValueError(f"{record.__name__}.{name} is a list of {inner.__name__}, not of {wrong[0]!r}")
    try:
        made = record(**values)
    except TypeError as error:
        raise ValueError(f"{record.__name__}: {str(error).split(') ', 1)[-1]}") from error
    for name in names:
        _check(record, name, getattr(made, name), hints[name])
    return made


def _check(record: type[Any], name: str, value: Any, hint: Any) -> None:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            raise ValueError(
                f"{record.__name__}.{name} is one of {', '.join(map(str, typing.get_args(hint)))}, not {value!r}"
            )
        return
    if origin in (typing.Union, types.UnionType):
        return
    wanted = origin or hint
    fits = isinstance(value, (int, float) if wanted is float else wanted) and not (
        isinstance(value, bool) and wanted is not bool
    )
    if wanted is tuple:
        fits = isinstance(value, (tuple, list))
    if not fits:
        raise ValueError(f"{record.__name__}.{name} is a {wanted.__name__}, not {value!r}")
