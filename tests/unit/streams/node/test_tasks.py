"""The fold of a node's tasks: every command has one fate, and no process is started while another may run."""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fleet import Task
from streams.fleet.signing import RefusedError
from streams.node import tasks
from streams.node.tasks import End, Kept, Outcome, Said

TASK = Task("run@desk", "run", "algo", "ab" * 32, "desk", "running", 1, "test")
NOW = 1_700_000_000_000_000


def running(**more: object) -> Kept:
    return dataclasses.replace(Kept(TASK, "running", launch="l1", pid=7), **more)  # type: ignore[arg-type]


def kinds(said: list[Said]) -> list[str]:
    return [one.kind for one in said]


def test_a_start_is_done_when_its_process_runs() -> None:
    kept, said = tasks.start(None, TASK, "c1")
    assert kept is not None
    assert kinds(said) == ["accepted"]
    kept, said = tasks.fetched(kept, "l1")
    assert (kept.phase, said) == ("starting", [])  # type: ignore[union-attr]
    kept, said = tasks.runs(kept, 7)  # type: ignore[arg-type]
    assert [(s.kind, s.command) for s in said] == [("started", "c1"), ("done", "c1")]


def test_a_start_of_what_runs_is_refused() -> None:
    with pytest.raises(RefusedError, match="runs already"):
        tasks.start(running(), TASK, "c2")


def test_a_start_during_a_stop_follows_it() -> None:
    kept, _ = tasks.stop(running(), "c1", 10)
    kept, said = tasks.start(kept, TASK, "c2")
    assert kinds(said) == ["accepted"]
    kept, said = tasks.ended(kept, End(0, "stopped"), NOW)  # type: ignore[arg-type]
    assert [(s.kind, s.command) for s in said] == [("stopped", "c1"), ("done", "c1")]
    assert (kept.phase, kept.start) == ("fetching", "c2")  # type: ignore[union-attr]


def test_a_stop_during_a_start_fails_the_start() -> None:
    kept, _ = tasks.start(None, TASK, "c1")
    kept, said = tasks.stop(kept, "c2", 10)
    assert [(s.kind, s.command) for s in said] == [
        ("accepted", "c2"), ("failed", "c1"), ("stopped", "c2"), ("done", "c2"),
    ]  # fmt: skip
    assert kept is not None
    assert kept.phase == "stopped"


def test_a_removed_task_is_forgotten_once_it_has_stopped() -> None:
    kept, _ = tasks.stop(running(), "c1", 10, "remove")
    kept, said = tasks.ended(kept, End(-9, "stopped"), NOW)  # type: ignore[arg-type]
    assert kept is None
    assert said[0].reason == "it did not end in time and was killed"
    assert tasks.stop(None, "c2", 10, "remove") == (
        None, [Said("accepted", "c2"), Said("done", "c2", "it was not on this node")],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("end", "phase", "last"),
    [
        (End(0), "finished", "exited"),
        (End(1, last="ValueError: no"), "waiting", "exited"),
        (End(2), "failed", "exited"),
        (End(3), "failed", "exited"),
        (End(4), "waiting", "exited"),
        (End(-9, "memory", "it used too much"), "waiting", "exited"),
        (End(-15, "lease", "the node had not reached Kafka"), "lease-lost", "lease-lost"),
        (End(0, "lost"), "waiting", "exited"),
        (End(0, "stopped"), "stopped", "stopped"),
    ],
)
def test_what_an_end_leads_to(end: End, phase: str, last: str) -> None:
    kept, said = tasks.ended(running(), end, NOW)
    assert kept is not None
    assert (kept.phase, said[-1].kind) == (phase, last)
    assert said[-1].reason


def test_the_reason_has_the_last_line_on_standard_error() -> None:
    _, said = tasks.ended(running(), End(1, last="ValueError: no such thing"), NOW)
    assert said[0].reason == "exit code 1: ValueError: no such thing; it is started again in 1 s"


def test_a_crash_loop_says_why_and_a_command_ends_it() -> None:
    kept: Kept | None = running()
    for number in count():
        kept, said = tasks.ended(kept, End(1, last="boom"), NOW + number)  # type: ignore[arg-type]
        assert kept is not None
        if kept.phase == "crash-loop":
            break
        assert tasks.is_due(kept, kept.due_us)
        assert not tasks.is_due(kept, kept.due_us - 1)
        kept = tasks.runs(tasks.again(kept, f"l{number}")[0], 9)[0]  # type: ignore[arg-type]
    assert number == 4
    assert kinds(said) == ["exited", "crash-loop"]
    assert "boom" in said[-1].reason
    kept, _ = tasks.start(kept, TASK, "c9")
    assert kept is not None
    assert kept.phase == "fetching"


def test_what_waits_is_not_forgotten_when_the_clock_is_set_back() -> None:
    kept, _ = tasks.ended(running(), End(1), NOW)
    assert kept is not None
    assert tasks.is_due(kept, NOW - 3_600_000_000)


def test_what_the_agents_own_stop_ended_comes_back_unless_it_was_stopped_meanwhile() -> None:
    kept, said = tasks.stop(running(), "", 8, "resume", tasks.AGENT_STOPPED)
    assert said == []
    kept, said = tasks.ended(kept, End(0, "stopped"), NOW)  # type: ignore[arg-type]
    assert kept is not None
    assert (kept.phase, kept.then, said[0].reason) == ("stopped", "resume", tasks.AGENT_STOPPED)
    back, _ = tasks.resumed(kept)
    assert back is not None
    assert back.phase == "fetching"
    kept, _ = tasks.stop(kept, "c3", 8)
    assert kept is not None
    assert kept.then == ""


Act = st.sampled_from(
    ["start", "restart", "stop", "remove", "fetched", "gone", "ok", "mistake", "crash", "lease", "due"]
)


@given(st.lists(Act, max_size=40))
@settings(max_examples=300)
def test_every_accepted_command_is_done_or_failed_once_and_no_two_processes_run(acts: list[str]) -> None:
    kept: Kept | None = None
    answers: Counter[str] = Counter()
    accepted: set[str] = set()
    alive: set[str] = set()  # launches whose process may run
    now, number = NOW, count()

    def apply(outcome: Outcome) -> None:
        nonlocal kept
        kept, said = outcome
        accepted.update(s.command for s in said if s.kind == "accepted")
        answers.update(s.command for s in said if s.kind in ("done", "failed"))

    def observe(act: str) -> None:
        """What the world does with the state as it is."""
        nonlocal now
        now += 1_000_000
        if kept is None:
            return
        if kept.phase == "fetching":
            apply(tasks.not_fetched(kept, "gone") if act == "gone" else tasks.fetched(kept, f"l{next(number)}"))
        elif kept.phase == "starting":
            alive.add(kept.launch)
            assert len(alive) == 1
            apply(tasks.runs(kept, 7))
        elif kept.phase in ("running", "stopping"):
            alive.discard(kept.launch)
            causes = {"ok": End(0), "mistake": End(2), "lease": End(-15, "lease", "away")}
            by_order = End(0, "stopped")
            apply(tasks.ended(kept, by_order if kept.phase == "stopping" else causes.get(act, End(1)), now))
        elif kept.phase == "waiting":
            now = kept.due_us
            apply(tasks.again(kept, f"l{next(number)}"))

    for act in acts:
        command = f"c{next(number)}"
        try:
            if act == "start":
                apply(tasks.start(kept, TASK, command))
            elif act == "restart":
                apply(tasks.restart(kept, TASK, command))
            elif act in ("stop", "remove"):
                apply(tasks.stop(kept, command, 5, "remove" if act == "remove" else ""))
            else:
                observe(act)
        except RefusedError:
            assert kept is not None
            assert kept.phase in ("fetching", "starting", "running")
    for _ in range(10):  # until everything has settled
        observe("ok")
    assert answers == Counter(dict.fromkeys(accepted, 1))
