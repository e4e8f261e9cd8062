"""What an algo prints: bounded, numbered, and told once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.node.keeper import lines as keeper_lines
from streams.node.keeper.lines import LONGEST, Limiter, Log, Splitter, last_number
from streams.node.printed import Tail, lines_of, parse

Text = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b" "))


def told(tail: Tail) -> list[tuple[str, int]]:
    """Everything that the tail has now, as text and number of lines left out before it."""
    found = []
    while (step := tail.next())[0] or step[1] != tail.place:
        found += [(line.text, line.dropped) for line in step[0]]
        tail.told(step[1])
    return found


@given(st.lists(Text, max_size=30), st.data())
def test_lines_are_the_same_however_the_bytes_come(whole: list[bytes], data: st.DataObject) -> None:
    stream, splitter, found = b"".join(line + b"\n" for line in whole), Splitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found + splitter.rest() == whole


@given(st.lists(st.integers(1, 3 * LONGEST), min_size=1, max_size=5), st.integers(1, 5000))
def test_a_line_without_end_is_cut_and_takes_no_memory(sizes: list[int], chunk: int) -> None:
    stream = b"\n".join(b"x" * size for size in sizes) + b"\n"
    splitter, found = Splitter(), []
    for start in range(0, len(stream), chunk):
        found += splitter.feed(stream[start : start + chunk])
        assert len(splitter._part) <= LONGEST
    assert len(found) == len(sizes)
    assert all(len(line) <= LONGEST + len(b" [cut]") for line in found)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), max_size=200))
def test_the_limiter_never_admits_more_than_rate_and_burst(steps: list[tuple[float, float]]) -> None:
    limiter, now, start, taken = Limiter(10, 20), 100.0, 100.0, 0.0
    assert limiter.admits(start, 0)
    latest = start
    for step, cost in steps:
        now += step
        latest = max(latest, now)
        if limiter.admits(now, cost):
            taken += cost
        assert taken <= 20 + 10 * (latest - start) + 1e-6


def test_a_flood_is_cut_and_the_missing_are_counted(tmp_path: Path) -> None:
    log, tail = Log(str(tmp_path)), Tail(tmp_path, "desk", "run@desk")
    log.add("out", [b"flood"] * 50_000, now_s=1.0, at_us=1)
    log.add("out", [b"calm"], now_s=60.0, at_us=2)
    found = told(tail)
    assert 500 < len(found) < 2000
    assert found[-1] == ("calm", 50_001 - len(found))
    assert sum(dropped for _, dropped in found) + len(found) == 50_001
    assert (tmp_path / "log").stat().st_size < 100_000


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), max_size=30))
def test_lines_are_told_once_over_turns_of_the_file_and_restarts_of_both_sides(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("task")
    number, found = 0, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper_lines, "FILE_BYTES", 1500)
        log, tail = Log(str(folder)), Tail(folder, "desk", "t@desk")
        for count, new_keeper, new_agent in steps:
            if new_keeper:
                log = Log(str(folder))
            lines = [b"%d" % n for n in range(number, number + count)]
            number += count
            log.add("out", lines, now_s=number * 10.0, at_us=number)
            if new_agent:
                tail = Tail(folder, "desk", "t@desk")
            found += told(tail)
    assert [text for text, _ in found] == [str(n) for n in range(number)]
    assert all(dropped == 0 for _, dropped in found)


def test_what_was_turned_over_before_it_was_told_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_lines, "FILE_BYTES", 1000)
    log = Log(str(tmp_path))
    for number in range(500):
        log.add("out", [b"%d" % number], now_s=number * 1.0, at_us=number)
    found = told(Tail(tmp_path, "desk", "t@desk"))
    assert found[-1] == ("499", 0)
    assert sum(dropped for _, dropped in found) + len(found) == 500


def test_a_keeper_that_was_killed_in_the_middle_of_a_line_harms_no_other(tmp_path: Path) -> None:
    log = Log(str(tmp_path))
    log.add("out", [b"one", b"two"], 1.0, 1)
    with (tmp_path / "log").open("ab") as file:
        file.write(b"3 1 out thr")
    assert last_number(str(tmp_path / "log")) == 2
    log = Log(str(tmp_path))
    log.add("err", [b"four"], 2.0, 2)
    assert told(Tail(tmp_path, "desk", "t@desk")) == [("one", 0), ("two", 0), ("four", 0)]
    assert log.last_error == "four"


def test_lines_that_are_none_are_passed_over() -> None:
    assert parse(b"") is None
    assert parse(b"x 1 out y") is None
    assert parse(b"1 1 elsewhere y") is None
    assert parse(b"1 2 err  two  spaces ") == (1, 2, "err", " two  spaces ")
    found, last = lines_of(b"\nnoise\n5 1 out a\n5 1 out again\n8 1 node \xff\n", 3, "d", "t")
    assert [(line.text, line.dropped) for line in found] == [("a", 1), ("�", 2)]
    assert last == 8


def test_a_full_disk_does_not_end_the_algo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(str(tmp_path))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.add("out", [b"lost"], 1.0, 1)
    log.add("out", [b"kept"], 2.0, 2)
    assert told(Tail(tmp_path, "desk", "t@desk")) == [("kept", 1)]
