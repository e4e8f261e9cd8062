"""The fleet as a person sees it, from the views that the fold makes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from streams.console import fleet_models as models
from streams.console.errors import NotFoundError
from streams.fleet import views
from streams.fleet.commands import check_name, find_algo
from streams.fleet.fold import FleetState, Step
from streams.fleet.log import FleetLog
from streams.fleet.parameters import similar

SETTLED = ("done", "refused", "failed", "expired")
HISTORY = 20  # steps that are shown of an algo's tasks
LOOK_S = 0.05


def nodes_view(log: FleetLog) -> models.Nodes:
    """GET /api/nodes."""
    return models.Nodes(nodes=[_node(view) for view in views.node_views(log.state, log.now_us())])


def node_view(log: FleetLog, name: str) -> models.NodeDetail:
    """GET /api/nodes/{name}. NotFoundError."""
    state, now = log.state, log.now_us()
    if check_name("a node", name) not in state.nodes:
        raise NotFoundError(f"There is no node {name}{similar(name, state.nodes)}.")
    view = views.node_view(state, name, now)
    tasks = [row for row in task_rows(state, now) if row.node == name]
    return models.NodeDetail(**_node(view).model_dump(), tasks=tasks, history=[_step(step) for step in view.history])


def algos_view(log: FleetLog) -> models.Algos:
    """GET /api/algos."""
    state = log.state
    return models.Algos(algos=[_algo(view) for view in views.algo_views(state)], tasks=task_rows(state, log.now_us()))


def algo_view(log: FleetLog, name: str) -> models.AlgoDetail:
    """GET /api/algos/{name}. UnknownNameError."""
    state, now = log.state, log.now_us()
    algo = find_algo(state, check_name("an algo", name))
    tasks = [view for view in views.task_views(state, now) if view.algo == name]
    happened = sorted((step, view.task) for view in tasks for step in view.history)[-HISTORY:]
    return models.AlgoDetail(
        algo=_algo(views.algo_view(state, algo)),
        tasks=[_task(view) for view in tasks],
        history=[_step(step, task) for step, task in happened],
    )


def command_rows(log: FleetLog, ids: Iterable[str]) -> list[models.CommandRow]:
    """These commands as they are now."""
    return [command_row(log, id_) for id_ in ids]


def command_row(log: FleetLog, id_: str) -> models.CommandRow:
    """GET /api/commands/{id}. NotFoundError."""
    try:
        view = views.command_view(log.state, id_, log.now_us())
    except KeyError:
        raise NotFoundError("There is no command of that id among the latest ones.") from None
    return _command(view)


async def settled(log: FleetLog, id_: str, wait_s: float) -> models.CommandRow:
    """The command when its fate is known, or after that time. NotFoundError."""
    deadline = time.monotonic() + wait_s
    while True:
        row = command_row(log, id_)
        if row.fate in SETTLED or time.monotonic() >= deadline:
            return row
        await asyncio.sleep(LOOK_S)


def commands_view(log: FleetLog, limit: int, task: str) -> models.Commands:
    """GET /api/commands."""
    found = views.command_views(log.state, log.now_us(), task=task, limit=limit)
    return models.Commands(commands=[_command(view) for view in found])


def task_rows(state: FleetState, now_us: int) -> list[models.TaskRow]:
    """All tasks that are not removed, by name."""
    return [_task(view) for view in views.task_views(state, now_us)]


def _task(view: views.TaskView) -> models.TaskRow:
    return models.TaskRow.model_validate(view, from_attributes=True)


def _node(view: views.NodeView) -> models.NodeRow:
    return models.NodeRow.model_validate(view, from_attributes=True)


def _algo(view: views.AlgoView) -> models.AlgoRow:
    return models.AlgoRow.model_validate(view, from_attributes=True)


def _command(view: views.CommandView) -> models.CommandRow:
    return models.CommandRow.model_validate(view, from_attributes=True)


def _step(step: Step, task: str = "") -> models.StepRow:
    return models.StepRow.model_validate(step, from_attributes=True).model_copy(update={"task": task})
