"""Reads an Avro record of plain fields without copying its bytes: what a batch of ticks needs, and a reader of them.

fastavro copies every ``bytes`` field; a batch is nearly nothing else, and a reader wants few of its columns. Here a
``bytes`` field comes as a view of the message, which lives as long as a view of it does.
"""

from __future__ import annotations

from typing import Any

INTEGERS = ("int", "long")
PLAIN = (*INTEGERS, "string", "bytes")


def flat_fields(schema: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Name and type of a record's fields; none when there is one that is no int, long, string or bytes."""
    fields = tuple((field["name"], field["type"]) for field in schema["fields"])
    return fields if all(kind in PLAIN for _, kind in fields) else ()


def read_flat(fields: tuple[tuple[str, str], ...], message: bytes, at: int) -> dict[str, Any]:
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
            if kind in INTEGERS:
                values[name] = number
                continue
            start, at = at, at + number
            if not start <= at <= end:
                raise ValueError(f"{name} is said to have {number} bytes, {end - start} are left")
            values[name] = view[start:at] if kind == "bytes" else str(view[start:at], "utf-8")
    except IndexError:
        raise ValueError("it ends too early") from None
    if at != end:
        raise ValueError(f"{end - at} bytes are left over")
    return values
