"""What the fleet does by itself when it is first started: this computer is a node, and two examples run on it.

The examples are submitted and started only on the simulated market, and only before the local node was ever let in: who
removes them does not find them again.
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
    """Starts the examples where the market is simulated, and lets the local node in; nothing when that was done."""
    of = clerk.settings
    entry = clerk.book.state.nodes.get(of.feed_pool)
    if entry is not None and entry.decided is not None:
        return
    if of.uses_simulator and of.clock == "simulated":
        try:
            _run_examples(clerk, of.feed_pool)
        except UserError as error:
            log.warning("the examples were not started", reason=str(error))
    local = Node(of.feed_pool, "approved", wall_us(), "local", ["local"])
    clerk.write([(NODES, 0, local.node, encode(local))])  # last: where it is, all of this was done


def _run_examples(clerk: Clerk, node: str) -> None:
    """Submits the examples whose names are free, and wishes for their runs, which start as soon as the node is up."""
    packages: list[Record] = []
    algos: list[Record] = []
    wishes: list[Wish] = []
    known = clerk.book.state.algos
    for name in (name for name in RUNS if name not in known or known[name].algo is None):
        archive = pack(EXAMPLES / f"{name}.py")
        sha256, now_us = hashlib.sha256(archive).hexdigest(), wall_us()
        made = Algo(name, sha256, size=len(archive), submitted_us=now_us, actor=ACTOR, **describe(archive))
        packages.append((PACKAGES, 0, sha256, encode(Package(sha256, name, archive))))
        algos.append((ALGOS, 0, name, encode(made)))
        task = Task(f"{name}@{node}", name, name, sha256, node, "running", now_us, ACTOR, RUNS[name])
        wishes.append(Wish(task, None))
    clerk.write([*packages, *algos])
    clerk.desk.carry_out(wishes, ACTOR)
    log.info("the examples were submitted", algos=[wish.task.algo for wish in wishes])
