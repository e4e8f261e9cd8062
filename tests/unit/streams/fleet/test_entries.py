"""The fold's entries survive the bytes of the tables, and what a fold changed is found."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from streams.fleet.entries import KINDS, changes, pack_entry, state_of
from streams.fleet.fold import MOST_COMMANDS, FleetState, fold, fold_all
from tests.unit.streams.fleet.records import NOW, command
from tests.unit.streams.fleet.test_fold import logs


def tables_of(state: FleetState) -> dict[str, dict[bytes, bytes]]:
    return {kind: {k.encode(): pack_entry(e) for k, e in getattr(state, kind).items()} for kind in KINDS}


@given(logs())
def test_a_state_comes_back_from_its_tables(log: list[tuple[Any, int]]) -> None:
    state = fold_all(FleetState(), log)
    assert state_of(tables_of(state)) == state


@given(logs())
def test_the_changes_of_each_record_make_the_tables(log: list[tuple[Any, int]]) -> None:
    state, tables = FleetState(), tables_of(FleetState())
    for record, at_us in log:
        after = fold(state, record, at_us)
        for table, key, entry in changes(state, after):
            tables[table][key.encode()] = pack_entry(entry)
        state = after
    assert tables == tables_of(state)


def test_what_is_forgotten_leaves_the_table() -> None:
    full = fold_all(FleetState(), ((command(f"c-{n}", at_us=NOW + n), NOW + n) for n in range(MOST_COMMANDS)))
    after = fold(full, command("c-new", at_us=NOW + MOST_COMMANDS), NOW + MOST_COMMANDS)
    assert sorted((key, entry is None) for _, key, entry in changes(full, after)) == [("c-0", True), ("c-new", False)]
