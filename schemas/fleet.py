"""Records of the fleet: the computers that run algos, what they are told to do, and what they say about it.

Times named ``_us`` are microseconds since the epoch by the *wall* clock of the computer that wrote the record: nodes
are real machines, whatever the market's clock says. Facts are in the past tense, commands in the imperative.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Standing = Literal["pending", "approved", "draining", "removed"]
Verb = Literal[
    "start", "stop", "restart", "remove",  # for nodes
    "halt", "reduce", "resume", "flatten", "accept",  # for risk: ``task`` is the scope (``schemas.risk``)
]  # fmt: skip
Trading = Literal["paper", "live"]
EventKind = Literal[
    "accepted", "refused", "done", "failed",  # the fate of a command, which ``command`` names
    "started", "adopted", "exited", "stopped", "crash-loop", "lease-lost",  # the life of a task
    "missed",  # the fleet's own word: a schedule's start or stop that could not be done
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A computer asks to become a node. Key: ``node``.

    ``proof`` is HMAC-SHA256 over ``node`` and ``at_us`` (``f"{node} {at_us}"``), with the SHA-256 of the join token's
    secret as its key: the token itself is never in the log.
    """

    node: str
    token: str  # the token's id
    proof: bytes
    at_us: int
    version: str
    host: str
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Node:
    """What has been decided about a node. Key: ``node``."""

    node: str
    standing: Standing
    changed_us: int
    actor: str  # a person, or "token" for a node whose token let it in
    tags: list[str] = field(default_factory=list)
    reason: str = ""  # one sentence, when it was refused or removed


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A node lives, and how it is. Key: ``node``. The topic has Kafka's own time of each record: the node's clock
    offset is ``at_us`` less that."""

    node: str
    at_us: int
    started_us: int  # when its agent started
    interval_s: float  # the next one is due after this
    version: str
    python: str
    host: str
    addresses: list[str]
    tags: list[str]
    cores: int
    cpu: float  # share of all cores in use, 0 to 1
    load: float  # of one minute
    memory_used: int  # bytes
    memory_total: int
    disk_used: int
    disk_total: int
    received_bps: float  # network, bytes a second
    sent_bps: float
    agent_memory: int  # bytes
    tasks: dict[str, str] = field(default_factory=dict)  # task -> TaskState


@dataclass(frozen=True, slots=True)
class Package:
    """The files of an algo as a zip archive. Key: ``sha256`` of ``archive``, in hex."""

    sha256: str
    name: str
    archive: bytes


@dataclass(frozen=True, slots=True)
class Algo:
    """An algo that can be started. Key: ``name``; the last record counts."""

    name: str
    package: str  # sha256
    entry: str  # file:name of the class or function in the package
    description: str
    parameters: str  # JSON: [{"name", "type", "default", "low", "high", "choices", "help"}, ...]
    inputs: list[str]  # what it listens to: "ticks", "candles:5m", "signals:NAME", "orders", "risk", "timer:10"
    python: str  # the least Python version, as 3.11
    files: int
    size: int  # bytes of the archive
    submitted_us: int
    actor: str


@dataclass(frozen=True, slots=True)
class Task:
    """That an algo shall run, or not, on a node. Key: ``task``; the last record counts.

    A *run* is one use of an algo with its settings; its tasks, one a node, are a consumer group and share its
    instruments.
    """

    task: str  # <run>@<node>
    run: str
    algo: str
    package: str  # sha256
    node: str
    wanted: Literal["running", "stopped", "removed"]
    changed_us: int
    actor: str
    instruments: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    trading: Trading = "paper"
    schedule: str = ""  # "" as commanded, "<EXCHANGE> session", or five fields of cron in the exchange's time
    may_command: bool = False
    memory_mb: int = 512
    cpu: float = 1.0  # cores


@dataclass(frozen=True, slots=True)
class Command:
    """What a node shall do. Key: ``node``. ``signature`` is Ed25519 over all other fields (``streams.fleet.signing``).

    ``sequence`` grows with every command of a ``signer``; a node refuses one that does not, that is for another node,
    that has expired, or whose signature does not verify.
    """

    id: str
    node: str
    verb: Verb
    task: str
    package: str  # sha256 for start and restart, else empty
    arguments: str  # JSON: the Task for start and restart; {"grace_s": 10} for stop
    signer: str  # which process signed
    sequence: int
    issued_us: int
    expires_us: int
    actor: str
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class AlgoEvent:
    """Something happened to a command or to a task on a node. Key: ``task``."""

    id: str
    node: str
    task: str
    kind: EventKind
    at_us: int
    command: str = ""  # the id of the command that led to it
    pid: int = 0
    exit_code: int = 0  # negative: the signal that ended it
    reason: str = ""  # one sentence
    restarts: int = 0  # how often it was started again by itself


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that an algo printed. Key: ``task``."""

    node: str
    task: str
    at_us: int
    source: Literal["out", "err", "node"]
    text: str
    dropped: int = 0  # lines left out before this one, because there were too many


@dataclass(frozen=True, slots=True)
class AlgoRequest:
    """An algo asks that another run be started or stopped. Key: ``task``, the one that asks."""

    id: str
    task: str
    verb: Literal["start", "stop"]
    run: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Signal:
    """What an algo tells the others. Key: ``name``. ``at_us`` is market time."""

    id: str
    name: str
    run: str
    task: str
    instrument: str
    value: float
    at_us: int
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlgoState:
    """What an algo keeps of an instrument over its restarts. Key: ``run/instrument``.

    ``upto`` has, for each ``topic/partition``, the offset up to which events are in it.
    """

    run: str
    instrument: str
    values: str  # JSON
    at_us: int  # market time
    upto: dict[str, int] = field(default_factory=dict)
