"""Algos that start and stop others: a request is done, or refused with its reason, and either is recorded."""

from __future__ import annotations

from schemas.fleet import AlgoEvent, AlgoRequest
from streams.fleet.commands import Wish, plan_again, plan_stop
from streams.fleet.errors import RequestError
from streams.fleet.fold import FleetState


def answer(request: AlgoRequest, state: FleetState, now_us: int) -> tuple[list[Wish], AlgoEvent | None]:
    """What to do for a request, and the event that tells of it; nothing at all for one that was answered before."""
    id_ = f"request-{request.id}"
    entry = state.tasks.get(request.task)
    if entry is not None and any(step.id == id_ for step in entry.history):
        return [], None
    what = f"to {request.verb} run {request.run}" + (f" ({request.reason})" if request.reason else "")
    node = entry.wanted.node if entry and entry.wanted else request.task.rpartition("@")[2]
    try:
        wishes = _plan(request, state, now_us)
    except RequestError as error:
        return [], AlgoEvent(id_, node, request.task, "refused", now_us, reason=f"it asked {what}: {error}")
    return wishes, AlgoEvent(id_, node, request.task, "done", now_us, reason=f"it asked {what}")


def _plan(request: AlgoRequest, state: FleetState, now_us: int) -> list[Wish]:
    entry = state.tasks.get(request.task)
    if entry is None or entry.wanted is None or entry.wanted.wanted != "running":
        raise RequestError(f"Task {request.task} is not wanted, so it has nothing to ask for.")
    if not entry.wanted.may_command:
        raise RequestError(f"Task {request.task} may not command others: start it with --may-command.")
    if request.verb == "start":
        return plan_again(state, request.run, now_us, request.task)
    return plan_stop(state, request.run, (), now_us, request.task)
