"""The routes of the fleet: nodes, algos, runs and commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from schemas.fleet import Command
from streams.console import fleet_models as models
from streams.console import fleet_view as view
from streams.console import models as platform
from streams.console.algo_desk import Outcome
from streams.console.fleet_output import events, open_log
from streams.console.fleet_package import UPLOAD, package_of
from streams.console.fleet_tokens import token_view
from streams.console.serving import Ready
from streams.console.state import Console
from streams.fleet.commands import NodeVerb

Answers = dict[int | str, dict[str, Any]]
REFUSED: Answers = {400: {"model": platform.Error, "description": "it cannot be done as asked; the sentence says why"}}
UNKNOWN: Answers = {404: {"model": platform.Error, "description": "what was named does not exist"}}
CONFLICT: Answers = {409: {"model": platform.Error, "description": "at odds with what there is, as a name taken"}}
TOO_LARGE: Answers = {413: {"model": platform.Error, "description": "larger than a package may be"}}
CHANGE = REFUSED | UNKNOWN | CONFLICT
router = APIRouter(prefix="/api")


Actor = Annotated[
    str,
    Header(
        alias="portfolio-actor", pattern=r"^[\w.@ -]{1,64}$", description="who asks; it is kept with what was changed"
    ),
]
NodeName = Annotated[str, Path(max_length=100, description="the node's name")]
AlgoName = Annotated[str, Path(max_length=100, description="the algo's name")]
RunName = Annotated[str, Path(max_length=100, description="the run's name, or one task of it as run@node")]
PAST = {"approve": "approved", "drain": "draining: nothing more starts there", "remove": "removed"}


@router.get("/nodes", tags=["nodes"])
def nodes(console: Ready) -> models.Nodes:
    """Every computer that runs algos, or asked to: how it is, and what runs there."""
    return view.nodes_view(console.fleet)


@router.post("/nodes/tokens", tags=["nodes"], responses=REFUSED)
def token(console: Ready, asked: models.AskToken, actor: Actor = "console") -> models.Token:
    """Make a join token for one computer: it works once, for a limited time, and is shown only now."""
    return token_view(console, asked, actor)


@router.get("/nodes/{node}", tags=["nodes"], responses=REFUSED | UNKNOWN)
def node(console: Ready, node: NodeName) -> models.NodeDetail:
    """One node: its machine, its tasks, and what happened there last."""
    return view.node_view(console.fleet, node)


@router.post("/nodes/{node}/{verb}", tags=["nodes"], responses=CHANGE)
def change_node(console: Ready, node: NodeName, verb: NodeVerb, actor: Actor = "console") -> models.Changed:
    """Approve a node (its algos may start), drain it (they stop, and come back when it is approved again), or remove it
    (they are removed, and the node needs a new token to come again)."""
    _, done = console.fleet_desk.node(node, verb, actor)
    return _changed(console, f"Node {node} is {PAST[verb]}.", done.commands)


@router.get("/algos", tags=["algos"])
def algos(console: Ready) -> models.Algos:
    """Every algo that can be started, and the tasks of all runs."""
    return view.algos_view(console.fleet)


@router.post("/algos", tags=["algos"], responses=CHANGE | TOO_LARGE, openapi_extra=UPLOAD)
async def submit(
    request: Request,
    console: Ready,
    name: Annotated[models.Slug | None, Query(description="the algo's name; a form's file's by default")] = None,
    replace: Annotated[bool, Query(description="take the place of another algo of this name")] = False,
    actor: Actor = "console",
) -> models.Submitted:
    """Submit an algo: a zip archive of its files, as the body or as the form's file `package`.

    It is checked (archive, entry point, declared parameters) before anything is written. The same archive again changes
    nothing. What runs goes on with the package that it was started with until it is restarted.
    """
    archive, called = await package_of(request, name)
    outcome, algo = await run_in_threadpool(console.algo_desk.submit, archive, called, actor, replace=replace)
    detail = view.algo_view(console.fleet, algo.name)
    behind = [task.task for task in detail.tasks if task.package != algo.package]
    warnings = [f"{', '.join(behind)}: goes on with the package before until `algo restart`."] if behind else []
    return models.Submitted(
        outcome=outcome, message=_submitted(outcome, algo.name), algo=detail.algo, warnings=warnings
    )


@router.get("/algos/{name}", tags=["algos"], responses=REFUSED | UNKNOWN)
def algo(console: Ready, name: AlgoName) -> models.AlgoDetail:
    """One algo: parameters with types, defaults and bounds, its tasks, and what happened to them last."""
    return view.algo_view(console.fleet, name)


@router.delete("/algos/{name}", tags=["algos"], responses=CHANGE)
def remove_algo(console: Ready, name: AlgoName, actor: Actor = "console") -> models.Changed:
    """Forget an algo and its stopped runs. Refused while one of them shall run."""
    return _changed(console, f"Algo {name} is removed.", console.algo_desk.remove(name, actor))


@router.get("/runs", tags=["algos"])
def runs(console: Ready) -> models.Runs:
    """The tasks of all runs: what shall run where, and what does."""
    return models.Runs(tasks=view.task_rows(console.fleet.state, console.fleet.now_us()))


@router.post("/runs", tags=["algos"], responses=CHANGE)
def start(console: Ready, asked: models.StartRun, actor: Actor = "console") -> models.Changed:
    """Start an algo on nodes: on all of them or, on an error, none. The feed is asked for instruments that it does not
    stream yet. With a schedule nothing starts now: the answer has no commands."""
    started = console.algo_desk.start(asked, actor)
    where = f"{asked.run or asked.algo} on {', '.join(dict.fromkeys(asked.nodes))}, {asked.trading}"
    when = f"it runs by its schedule, {asked.schedule}" if asked.schedule else "start requested"
    changed = _changed(console, f"{where}: {when}.", started.commands)
    if started.subscribed:
        changed.warnings.append(f"The feed was asked for {', '.join(started.subscribed)}.")
    return changed


@router.post("/runs/{run}/stop", tags=["algos"], responses=CHANGE)
def stop(console: Ready, run: RunName, asked: models.ChangeRun, actor: Actor = "console") -> models.Changed:
    """Stop a run, on all of its nodes or on some; its schedule is lifted, its state kept."""
    done = console.fleet_desk.change("stop", run, asked.nodes, actor)
    return _changed(console, f"{run}: stop requested.", done.commands)


@router.post("/runs/{run}/restart", tags=["algos"], responses=CHANGE)
def restart(console: Ready, run: RunName, asked: models.ChangeRun, actor: Actor = "console") -> models.Changed:
    """Stop a run and start it again with its algo's latest package; a stopped one is started."""
    done = console.fleet_desk.change("restart", run, asked.nodes, actor)
    return _changed(console, f"{run}: restart requested.", done.commands)


@router.get("/runs/{run}/logs", tags=["algos"], responses=REFUSED | UNKNOWN, response_model=models.Logs)
async def logs(
    request: Request, console: Ready, run: RunName, query: Annotated[models.LogQuery, Query()]
) -> models.Logs | Response:
    """The last lines that a run printed. With `follow` as server-sent events: these lines, then those that come, one
    `data:` line of JSON each."""
    reader, lines = await run_in_threadpool(open_log, console, run, query)
    if not query.follow:
        await run_in_threadpool(reader.close)
        return models.Logs(run=run, lines=lines)

    async def stream() -> AsyncIterator[str]:
        async for text in events(reader, lines, request.is_disconnected):
            yield text

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@router.get("/commands", tags=["commands"])
def commands(
    console: Ready,
    limit: Annotated[int, Query(ge=1, le=2000)] = 100,
    task: Annotated[str, Query(max_length=100, description="of one task only, as run@node")] = "",
) -> models.Commands:
    """The latest commands and their fate, newest first."""
    return view.commands_view(console.fleet, limit, task)


@router.get("/commands/{id}", tags=["commands"], responses=UNKNOWN)
async def command(
    console: Ready,
    id: Annotated[str, Path(max_length=100)],
    wait_s: Annotated[float, Query(ge=0, le=30, description="hold the answer back until its fate is known")] = 0,
) -> models.CommandRow:
    """A command's fate: requested, then accepted or refused, then done or failed; expired without an answer."""
    return await view.settled(console.fleet, id, wait_s)


def _changed(console: Console, message: str, sent: Sequence[Command]) -> models.Changed:
    return models.Changed(message=message, commands=view.command_rows(console.fleet, [c.id for c in sent]))


def _submitted(outcome: Outcome, name: str) -> str:
    if outcome == "unchanged":
        return f"{name} is there already, the very same: nothing changed."
    word = "submitted" if outcome == "submitted" else "replaced"
    return f"{name} is {word}: `./portfolio algo start {name} --node NODE` starts it."
