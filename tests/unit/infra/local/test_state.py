import os
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local import state as states
from infra.local.home import make_home
from infra.local.show import as_data
from infra.local.state import Mark, ServiceState, State

KAFKA = ServiceState("kafka", "Kafka", "running", 9092, pid=1 << 22, created=1.0, ready_s=2.0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_home(tmp_path)
    return tmp_path


def test_a_state_reads_back_what_was_written(home: Path) -> None:
    state = State(Mark.of(os.getpid()), (KAFKA,), ready=True)
    states.write(home, state)
    assert states.read(home) == state


def test_only_one_holds_a_home_and_what_is_held_is_believed(home: Path) -> None:
    states.write(home, State(Mark.of(os.getpid()), (KAFKA,), ready=True))
    with states.hold(home) as held:
        assert held
        assert states.is_held(home)
        assert states.now(home) == states.read(home)
        with states.hold(home) as again:
            assert not again
    assert not states.is_held(home)


def test_what_a_vanished_supervisor_left_is_not_believed(home: Path) -> None:
    states.write(home, State(Mark(1 << 22, 1.0), (KAFKA,), ready=True))
    state = states.now(home)
    assert state is not None
    assert not state.ready
    assert [(s.state, s.pid) for s in state.services] == [("stopped", None)]


def test_a_process_id_that_was_given_again_is_not_mistaken() -> None:
    mine = Mark.of(os.getpid())
    assert mine.process() is not None
    assert replace(mine, created=mine.created - 60).process() is None


def test_machines_read_five_phases_and_no_other() -> None:
    state = State(Mark(1, 1.0), (replace(KAFKA, state="waiting"), KAFKA))
    assert [service["state"] for service in as_data(state)["services"]] == ["starting", "running"]
    assert {"name", "state", "pid", "port", "ready_s"} <= as_data(state)["services"][0].keys()
    assert as_data(None) == {"ready": False, "services": []}


def test_a_half_written_state_is_none(home: Path) -> None:
    (home / "run" / "state.json").write_text('{"supervisor"', encoding="utf-8")
    assert states.read(home) is None
