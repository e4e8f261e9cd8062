"""Reading an Avro record in place gives what fastavro reads, and refuses what is cut or too long."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.flat import flat_fields, read_flat

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "who", "type": "string"},
        {"name": "at", "type": "long"},
        {"name": "count", "type": "int"},
        {"name": "column", "type": "bytes"},
        {"name": "other", "type": "bytes"},
    ],
}
records = st.fixed_dictionaries(
    {
        "who": st.text(max_size=200),
        "at": st.integers(-(1 << 63), (1 << 63) - 1),
        "count": st.integers(-(1 << 31), (1 << 31) - 1),
        "column": st.binary(max_size=300),
        "other": st.binary(max_size=20),
    }
)


def written(record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), record)
    return out.getvalue()


@given(records, st.binary(max_size=12))
def test_it_reads_what_fastavro_wrote(record: dict[str, Any], header: bytes) -> None:
    assert read_flat(flat_fields(SCHEMA), header + written(record), len(header)) == record


@given(records)
def test_fields_that_are_not_wanted_are_passed_over(record: dict[str, Any]) -> None:
    found = read_flat(flat_fields(SCHEMA, ("other", "at")), written(record), 0)
    assert found == {name: record[name] for name in ("at", "count", "other")}


@given(records, st.data())
def test_a_record_that_is_cut_short_or_goes_on_is_refused(record: dict[str, Any], data: st.DataObject) -> None:
    message = written(record)
    cut = data.draw(st.integers(0, len(message) - 1))
    for wanted in (None, ("at",)):
        for broken in (message[:cut], message + b"\0"):
            with pytest.raises(ValueError, match=r"early|left"):
                read_flat(flat_fields(SCHEMA, wanted), broken, 0)


def test_a_length_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="who is said to have -1 bytes"):
        read_flat(flat_fields(SCHEMA), b"\1" + bytes(10), 0)


def test_a_schema_with_anything_else_is_not_flat() -> None:
    assert flat_fields({"fields": [{"name": "a", "type": ["null", "long"]}]}) == ()
