"""The agent's memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import UserError
from schemas.fleet import AlgoEvent, Task
from streams.node.restarts import Failures
from streams.node.state import MOST_UNTOLD, read_state
from streams.node.tasks import Kept

TASK = Task("run@desk", "run", "algo", "ab" * 32, "desk", "running", 1, "test", ["NSE:A"], {"fast": "3"}, "live")


def event(number: int, kind: str = "refused") -> AlgoEvent:
    return AlgoEvent(f"e{number}", "desk", "run@desk", kind, number)  # type: ignore[arg-type]


def test_it_is_read_as_it_was_saved(tmp_path: Path) -> None:
    state = read_state(tmp_path / "node" / "state.json")
    kept = Kept(TASK, "stopping", "l1", 7, "", ("c1", "c2"), "remove", 3.5, Failures((1, 2)), 2, 99)
    state.cluster, state.offset, state.standing, state.why = "k", 12, "draining", "maintenance"
    state.sequences["console-1"] = 5
    state.tasks["run@desk"] = kept
    state.tell([event(1), event(2, "started")])
    state.save()
    assert read_state(state.path) == state
    assert [path.name for path in state.path.parent.iterdir()] == ["state.json"]
    assert state.path.stat().st_mode & 0o077 == 0


def test_refusals_without_number_do_not_fill_the_disk_but_what_happened_is_always_told(tmp_path: Path) -> None:
    state = read_state(tmp_path / "state.json")
    state.tell(event(number) for number in range(3 * MOST_UNTOLD))
    state.tell([event(-1, "exited")])
    assert len(state.untold) == MOST_UNTOLD + 1
    assert state.untold[-1].kind == "exited"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cluster": "", "offset": 1}'])
def test_a_broken_file_is_told_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(UserError, match="is broken"):
        read_state(tmp_path / "state.json")
