"""What the fleet does by itself when it is first started: this computer is a node, and two examples run on it.

The examples are submitted and started only on the simulated market, and only in a log that has no algo yet: who removes
them does not find them again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog

from infra.errors import UserError
from schemas.codec import encode
from schemas.fleet import Algo, Node, Package, Task
from schemas.topics import ALGOS, NODES, PACKAGES
from streams import algo
from streams.algo.package import describe, pack
from streams.fleet.clerk import Clerk
from streams.fleet.commands import Wish
from streams.fleet.desk import Record, wall_us

EXAMPLES = Path(algo.__file__).parent / "examples"
ACTOR = "first start"
RUNS = {  # the example's file, and what it starts with
    "crossover": ["NSE:RELIANCE", "NSE:HDFCBANK", "NSE:INFY", "NSE:TCS", "NSE:ICICIBANK"],
    "spread": ["NSE:HDFCBANK", "NSE:ICICIBANK"],
}
log = structlog.get_logger(process="fleet")


def first_start(clerk: Clerk) -> None:
    """Writes the local node's record and, in an empty fleet of the simulator, the examples."""
    of, state = clerk.settings, clerk.book.state
    local = of.feed_pool
    entry = state.nodes.get(local)
    if entry is None or entry.decided is None:
        clerk.write([(NODES, 0, local, encode(Node(local, "approved", wall_us(), "local", ["local"])))])
    if of.uses_simulator and of.clock == "simulated" and not state.algos:
        try:
            _run_examples(clerk, local)
        except UserError as error:
            log.warning("the examples were not started", reason=str(error))


def _run_examples(clerk: Clerk, node: str) -> None:
    """Submits the examples and wishes for their runs, which start as soon as the node is up."""
    packages: list[Record] = []
    algos: list[Record] = []
    wishes: list[Wish] = []
    for name, instruments in RUNS.items():
        archive = pack(EXAMPLES / f"{name}.py")
        sha256, now_us = hashlib.sha256(archive).hexdigest(), wall_us()
        made = Algo(name, sha256, size=len(archive), submitted_us=now_us, actor=ACTOR, **describe(archive))
        packages.append((PACKAGES, 0, sha256, encode(Package(sha256, name, archive))))
        algos.append((ALGOS, 0, name, encode(made)))
        task = Task(f"{name}@{node}", name, name, sha256, node, "running", now_us, ACTOR, instruments)
        wishes.append(Wish(task, None))
    clerk.write(packages)
    clerk.desk.carry_out(wishes, ACTOR)
    clerk.write(algos)  # last: where there are algos, this was done
    log.info("the examples were submitted", algos=list(RUNS))
