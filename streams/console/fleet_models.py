"""What the API says of nodes, algos, runs and commands, as pydantic models: they make the OpenAPI page.

Times named ``_us`` are microseconds since the epoch by the wall clock. A *run* is one use of an algo with its
settings; its *tasks*, one a node, share its instruments.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from streams.console.models import Asked, Name
from streams.fleet.states import Fate

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$", max_length=40)]
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._=-]{0,39}$", max_length=40)]
Setting = Annotated[str, StringConstraints(max_length=1000)]


class AskToken(Asked):
    """A join token for one computer."""

    approve: bool = Field(default=False, description="let the computer in at once; else a person approves it")
    valid_s: int = Field(default=3600, ge=1, le=30 * 86_400, strict=True, description="seconds until it expires")
    tags: list[Tag] = Field(default_factory=list, max_length=20, description="tags that the node will have")
    kafka: str = Field(
        default="", max_length=500, description="Kafka's address as the other computer reaches it; else the platform's"
    )


class Token(BaseModel):
    """A join token. Its secret is not kept: this is the only time that it is shown."""

    id: str
    blob: str = Field(description="for `./portfolio node join`")
    command: str = Field(description="the whole command, ready to paste")
    approve: bool
    expires_us: int
    warning: str = ""


class StartRun(Asked):
    """Start an algo on nodes."""

    algo: Slug = Field(examples=["crossover"])
    nodes: list[Slug] = Field(min_length=1, max_length=200, examples=[["local"]])
    run: Slug | None = Field(default=None, description="the run's name; the algo's by default")
    instruments: list[Name] = Field(
        default_factory=list, max_length=30_000, description="NSE:INFY, or just INFY where only one exchange has it"
    )
    settings: dict[Name, Setting] = Field(
        default_factory=dict, max_length=200, description="parameters that differ from their defaults, as text"
    )
    trading: Literal["paper", "live"] = "paper"
    schedule: str = Field(
        default="", max_length=100, description='when it runs: "NSE session", or five fields of cron; empty: at once'
    )
    may_command: bool = Field(default=False, description="it may start and stop other runs")
    memory_mb: int = Field(default=512, ge=32, le=1 << 20, strict=True)
    cpu: float = Field(default=1.0, gt=0, le=256, description="cores")


class ChangeRun(Asked):
    """Which tasks of a run a stop or restart is for."""

    nodes: list[Slug] = Field(default_factory=list, max_length=200, description="empty: all of its nodes")


class StepRow(BaseModel):
    """One thing that happened to a node, a task or a command."""

    at_us: int = Field(description="by Kafka's clock")
    kind: str = Field(description="accepted, done, started, exited, crash-loop, wanted stopped, approved, ...")
    task: str = ""
    actor: str = ""
    reason: str = ""
    command: str = Field(default="", description="the command that led to it")
    pid: int = 0
    exit_code: int = Field(default=0, description="negative: the signal that ended it")
    restarts: int = 0


class CommandRow(BaseModel):
    """A command and its fate: requested, then accepted or refused, then done or failed; expired without an answer."""

    id: str
    node: str
    verb: str
    task: str
    fate: Fate
    reason: str = Field(description="one sentence, when it was refused, failed or expired")
    actor: str
    signer: str = Field(description="the process that signed it")
    at_us: int = Field(description="when Kafka got it")
    expires_us: int
    steps: list[StepRow]


class Commands(BaseModel):
    """Commands, the latest first."""

    commands: list[CommandRow]


class Changed(BaseModel):
    """What a change did: a sentence, and the commands whose fate says how it goes on."""

    message: str
    commands: list[CommandRow]
    warnings: list[str] = []


class TaskRow(BaseModel):
    """A run's part on one node."""

    task: str
    run: str
    algo: str
    node: str
    wanted: str = Field(description="running, stopped or removed")
    state: str = Field(
        description="running, restarting, starting, waiting (for its node), scheduled, stopped, finished, failed, "
        "refused, crash-loop, lease-lost, unknown (its node is lost), or unwanted"
    )
    reason: str
    since_us: int | None = Field(description="in this state since")
    pid: int | None
    exit_code: int | None
    restarts: int = Field(description="how often it was started again by itself")
    trading: str
    schedule: str
    instruments: list[str]
    settings: dict[str, str]
    may_command: bool
    memory_mb: int
    cpu: float
    package: str
    actor: str


class NodeRow(BaseModel):
    """A computer. null or empty: it has not been heard of."""

    node: str
    state: str = Field(description="pending, up, degraded, lost, draining or removed")
    reason: str = Field(description="one sentence when it is not simply up")
    standing: str = Field(description="what was decided about it: pending, approved, draining or removed")
    actor: str = Field(description="who decided that")
    tags: list[str]
    addresses: list[str]
    host: str
    version: str = Field(description="of its agent")
    python: str
    started_us: int | None
    heartbeat_age_s: float | None
    clock_offset_s: float | None = Field(description="its clock less Kafka's; above 0 it is ahead")
    cores: int | None
    cpu: float | None = Field(description="share of all cores in use, 0 to 1")
    load: float | None = Field(description="of one minute")
    memory_used: int | None = Field(description="bytes")
    memory_total: int | None
    disk_used: int | None
    disk_total: int | None
    received_bps: float | None = Field(description="network, bytes a second")
    sent_bps: float | None
    agent_memory: int | None
    running: list[str] = Field(description="tasks that run there")
    wanted: list[str] = Field(description="tasks that shall run there")


class Nodes(BaseModel):
    """All nodes, by name."""

    nodes: list[NodeRow]


class NodeDetail(NodeRow):
    """A node with its tasks and what happened there last."""

    tasks: list[TaskRow]
    history: list[StepRow] = Field(description="oldest first")


class Parameter(BaseModel):
    """A parameter that an algo declares."""

    name: str
    type: str
    default: Any = None
    low: float | None = None
    high: float | None = None
    choices: list[Any] = []
    help: str = ""


class AlgoRow(BaseModel):
    """An algo that can be started."""

    name: str
    description: str
    entry: str = Field(description="file:name of the class or function")
    parameters: list[Parameter]
    inputs: list[str] = Field(description="ticks, candles:5m, signals:NAME, orders, risk, timer:10")
    package: str = Field(description="sha256 of its files as an archive")
    python: str = Field(description="the least Python version")
    files: int
    size: int = Field(description="bytes of the archive")
    submitted_us: int
    actor: str
    tasks: list[str] = Field(description="that use it")


class Algos(BaseModel):
    """All algos, by name, and the tasks of all runs."""

    algos: list[AlgoRow]
    tasks: list[TaskRow]


class AlgoDetail(BaseModel):
    """An algo with its tasks and what happened to them last."""

    algo: AlgoRow
    tasks: list[TaskRow]
    history: list[StepRow] = Field(description="oldest first")


class Submitted(BaseModel):
    """What a submission did."""

    outcome: Literal["submitted", "replaced", "unchanged"]
    message: str
    algo: AlgoRow
    warnings: list[str] = []


class Runs(BaseModel):
    """The tasks of all runs."""

    tasks: list[TaskRow]


class LogQuery(Asked):
    """Which lines of a run's output."""

    lines: int = Field(default=100, ge=0, le=10_000, description="the last so many")
    node: str = Field(default="", max_length=40, description="of one node only")
    follow: bool = Field(default=False, description="go on with what comes, as server-sent events")


class LogRow(BaseModel):
    """A line that an algo printed."""

    at_us: int
    node: str
    task: str
    source: str = Field(description="out, err, or node: said by the node about it")
    text: str
    dropped: int = Field(description="lines left out before this one, because there were too many")


class Logs(BaseModel):
    """Lines, oldest first."""

    run: str
    lines: list[LogRow]
