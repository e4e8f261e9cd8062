"""What a command means for this node: checked, then folded into the tasks. Pure."""

from __future__ import annotations

import re

from schemas.codec import from_json
from schemas.fleet import Command, Standing, Task
from streams.fleet.signing import RefusedError
from streams.node import tasks
from streams.node.identity import TASK
from streams.node.surroundings import arguments_of
from streams.node.tasks import Kept, Outcome

HASH = re.compile(r"[0-9a-f]{64}")
LONGEST_GRACE_S = 120.0
LEAST_MEMORY_MB = 32


def obey(kept: Kept | None, command: Command, standing: Standing) -> Outcome:
    """The task after a command whose signature was checked, and what is to be told. RefusedError says why not."""
    is_ending = command.verb in ("stop", "remove")
    if standing == "pending" or (standing == "removed" and not is_ending):  # what ends its tasks comes with its removal
        raise RefusedError({"pending": "the node waits for its approval", "removed": "the node is removed"}[standing])
    if not TASK.fullmatch(command.task):
        raise RefusedError(f"{command.task[:100]!r} is no task's name: it is <run>@<node>")
    if is_ending:
        return tasks.stop(kept, command.id, _grace_s(command), "remove" if command.verb == "remove" else "")
    if standing == "draining":
        raise RefusedError("the node is draining: it starts nothing more")
    wanted = _task(command)
    if command.verb == "restart":
        return tasks.restart(kept, wanted, command.id)
    return tasks.start(kept, wanted, command.id)


def _task(command: Command) -> Task:
    try:
        task = from_json(Task, arguments_of(command.arguments))
    except ValueError as error:
        raise RefusedError(f"the command's arguments are no task: {error}") from None
    if (task.task, task.node, task.package) != (command.task, command.node, command.package):
        raise RefusedError("the command's arguments are of another task, node or package than the command")
    if not HASH.fullmatch(task.package):
        raise RefusedError("the command's package is no SHA-256")
    if task.memory_mb < LEAST_MEMORY_MB:
        raise RefusedError(f"memory_mb is {task.memory_mb}; Python alone needs {LEAST_MEMORY_MB}")
    if not 0.05 <= task.cpu <= 1024:
        raise RefusedError(f"cpu is {task.cpu}; it is a number of cores, at least 0.05")
    return task


def _grace_s(command: Command) -> float:
    try:
        grace = float(arguments_of(command.arguments).get("grace_s", 10))
    except (ValueError, TypeError) as error:
        raise RefusedError(f"the command's arguments cannot be used: {error}") from None
    if not 0 <= grace <= LONGEST_GRACE_S:
        raise RefusedError(f"grace_s is {grace:g}; it is between 0 and {LONGEST_GRACE_S:.0f}")
    return grace
