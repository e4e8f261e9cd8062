"""Reads an Avro record of plain fields without copying its bytes: what a batch of ticks needs, and a reader of them.

fastavro copies every ``bytes`` field; a batch is nearly nothing else, and a reader wants few of its columns. Here a
``bytes`` field comes as a view of the message, which lives as long as a view of it does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

PLAIN = ("int", "long", "string", "bytes")
Fields = tuple[tuple[str, str], ...]  # name and type; the type "" is of a field that is passed over


def flat_fields(schema: dict[str, Any], wanted: Collection[str] | None = None) -> Fields:
    """The fields of a record's schema for :func:`read_flat`, which reads the wanted ones (all by default).

    None at all when there is a field that is no int, long, string or bytes.
    """
    kinds = {field["name"]: field["type"] for field in schema["fields"]}
    if any(kind not in PLAIN for kind in kinds.values()):
        return ()
    return tuple(
        (name, kind if wanted is None or name in wanted or kind in ("int", "long") else "")
        for name, kind in kinds.items()
    )


def read_flat(fields: Fields, message: bytes, at: int) -> dict[str, Any]:
    """The fields of the record that lies from ``at`` to the end of the message.

    ValueError when it is cut short or has bytes left over. Source: Avro 1.11, "Binary Encoding".
    """
    view, end = memoryview(message), len(message)
    values: dict[str, Any] = {}
    try:
        for name, kind in fields:
            byte = message[at]
            at += 1
            number, shift = byte & 127, 7
            while byte > 127:  # a zigzag number: seven bits a byte, the lowest first
                byte = message[at]
                at += 1
                number |= (byte & 127) << shift
                shift += 7
            number = (number >> 1) ^ -(number & 1)
            if kind == "int" or kind == "long":  # noqa: PLR1714 - twice as quick as `in`
                values[name] = number
                continue
            start, at = at, at + number
            if not start <= at <= end:
                raise ValueError(f"{name} is said to have {number} bytes, {end - start} are left")
            if kind == "bytes":
                values[name] = view[start:at]
            elif kind:
                values[name] = str(view[start:at], "utf-8")
    except IndexError:
        raise ValueError("it ends too early") from None
    if at != end:
        raise ValueError(f"{end - at} bytes are left over")
    return values
