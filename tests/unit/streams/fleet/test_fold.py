"""The fold: the same whatever is repeated, and however the topics are interleaved."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fleet import JoinRequest
from streams.fleet.fold import MOST_COMMANDS, MOST_STEPS, FleetState, Gone, fold, fold_all
from tests.unit.streams.fleet.records import NOW, S, algo, beat, command, event, node, task

NODES, RUNS, COMMANDS = ("desk", "lab"), ("one", "two"), ("c-1", "c-2", "c-3")
KINDS = (
    "accepted", "refused", "done", "failed", "started", "adopted", "exited", "stopped", "crash-loop", "lease-lost",
    "missed",
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn, at_us: int) -> Any:
    """One record that was written about at an instant."""
    where = draw(st.sampled_from(NODES))
    of = f"{draw(st.sampled_from(RUNS))}@{where}"
    own = at_us - draw(st.integers(0, 3)) * 1000
    id_ = draw(st.sampled_from(COMMANDS))
    return draw(
        st.sampled_from(
            [
                node(where, draw(st.sampled_from(["pending", "approved", "draining", "removed"])), own),
                beat(where, own, {of: "running"}, started_us=NOW - draw(st.integers(0, 2)) * S),
                algo(draw(st.sampled_from(RUNS)), submitted_us=own),
                Gone(draw(st.sampled_from(RUNS))),
                task(of, draw(st.sampled_from(["running", "stopped", "removed"])), own),
                command(id_, of=of, at_us=own),
                event(draw(st.sampled_from(KINDS)), of=of, at_us=own, command=draw(st.sampled_from(["", *COMMANDS]))),
            ]
        )
    )


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[Any, int]]:
    """Records with Kafka's times, as the log has them; the writers' own times may be in another order."""
    steps = draw(st.lists(st.integers(1, 2), max_size=40))
    at = [NOW + 1000 * sum(steps[: n + 1]) for n in range(len(steps))]
    return [(draw(records(t)), t) for t in at]


@given(logs(), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_leave_the_same_state(log: list[tuple[Any, int]], rng: random.Random) -> None:
    once = fold_all(FleetState(), log)
    again = log + rng.sample(log, len(log) // 2)
    rng.shuffle(again)
    assert fold_all(FleetState(), again) == once


@given(logs(), st.data())
def test_a_fold_goes_on_from_any_state(log: list[tuple[Any, int]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(log)))
    assert fold_all(fold_all(FleetState(), log[:cut]), log[cut:]) == fold_all(FleetState(), log)


@given(logs())
def test_an_older_state_is_never_changed(log: list[tuple[Any, int]]) -> None:
    state, kept = FleetState(), []
    for record, at_us in log:
        kept.append((state, repr(state)))
        state = fold(state, record, at_us)
    assert all(repr(old) == looked for old, looked in kept)


def test_the_last_decision_counts_and_all_are_in_the_history() -> None:
    log = [(task(wanted="running", at_us=NOW), NOW), (task(wanted="stopped", at_us=NOW + S), NOW + S)]
    entry = fold_all(FleetState(), log).tasks["crossover@desk"]
    assert entry.wanted is not None
    assert entry.wanted.wanted == "stopped"
    assert [(step.kind, step.actor) for step in entry.history] == [
        ("wanted running", "asha"),
        ("wanted stopped", "asha"),
    ]


def test_fates_do_not_hide_the_life_of_a_task() -> None:
    state = fold(FleetState(), event("started", pid=7), NOW)
    for n in range(2 * MOST_STEPS):
        state = fold(state, event("refused", f"e-{n}", command=f"c-{n}", at_us=NOW + n), NOW + n * S)
    entry = state.tasks["crossover@desk"]
    assert len(entry.history) == MOST_STEPS
    assert entry.life is not None
    assert (entry.life.kind, entry.life.pid) == ("started", 7)


def test_the_oldest_commands_are_forgotten() -> None:
    state = FleetState()
    for n in range(MOST_COMMANDS + 3):
        state = fold(state, command(f"c-{n}", at_us=NOW + n), NOW + n)
    assert len(state.commands) == MOST_COMMANDS
    assert "c-2" not in state.commands
    assert "c-3" in state.commands


def test_a_second_command_of_the_same_id_changes_nothing() -> None:
    state = fold(FleetState(), command("c-1", "stop"), NOW)
    assert fold(state, command("c-1", "start"), NOW + S) == state


def test_other_records_are_not_folded() -> None:
    with pytest.raises(TypeError, match="does not fold a JoinRequest"):
        fold(FleetState(), JoinRequest("desk", "t", b"", NOW, "", ""), NOW)
