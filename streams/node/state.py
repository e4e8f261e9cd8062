"""What the agent remembers over its restarts, in one file that is replaced in one step.

How far it has read, the sequences of those who sign, what it runs and what it has not told yet are saved together: so a
command has either changed all of them or none.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.errors import UserError
from schemas.codec import from_json
from schemas.fleet import AlgoEvent, Standing, Task
from streams.node.files import write_whole
from streams.node.restarts import Failures
from streams.node.tasks import Kept

MOST_UNTOLD = 1000  # refusals beyond this are only counted: whoever floods the topic must not fill the disk
UNKNOWN = -1


@dataclass(slots=True)
class State:
    """The agent's memory; ``save`` writes it."""

    path: Path
    cluster: str = ""  # which Kafka the offset is of
    offset: int = UNKNOWN  # of the next command to read
    sequences: dict[str, int] = field(default_factory=dict)
    standing: Standing = "pending"
    why: str = ""  # the reason of the standing
    tasks: dict[str, Kept] = field(default_factory=dict)
    untold: list[AlgoEvent] = field(default_factory=list)  # events that Kafka has not acknowledged, oldest first
    changed: bool = False

    def save(self) -> None:
        """Writes it if it has changed. UserError when the disk takes nothing."""
        if not self.changed:
            return
        try:
            write_whole(self.path, json.dumps(_as_json(self)).encode())
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}.") from error
        self.changed = False

    def tell(self, events: Iterable[AlgoEvent]) -> None:
        """Events to be told, in their order."""
        for event in events:
            self.changed = True
            if event.kind != "refused" or len(self.untold) < MOST_UNTOLD:
                self.untold.append(event)


def _as_json(state: State) -> dict[str, Any]:
    return {
        "cluster": state.cluster,
        "offset": state.offset,
        "sequences": state.sequences,
        "standing": state.standing,
        "why": state.why,
        "tasks": [dataclasses.asdict(kept) for kept in state.tasks.values()],
        "untold": [dataclasses.asdict(event) for event in state.untold],
    }


def read_state(path: Path) -> State:
    """The state of the last save; a new one when there is none. UserError when the file holds anything else."""
    try:
        made = json.loads(path.read_bytes())
        state = State(path, made["cluster"], made["offset"], made["sequences"], made["standing"], made["why"])
        kept = [_kept(values) for values in made["tasks"]]
        state.tasks = {one.task.task: one for one in kept}
        state.untold = [from_json(AlgoEvent, values) for values in made["untold"]]
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return State(path)
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} is broken: stop the node's algos, remove the file, and start the agent again."
        ) from None
    return state


def _kept(values: dict[str, Any]) -> Kept:
    return Kept(
        **values
        | {
            "task": from_json(Task, values["task"]),
            "stops": tuple(values["stops"]),
            "failures": Failures(tuple(values["failures"]["at_us"])),
        }
    )
