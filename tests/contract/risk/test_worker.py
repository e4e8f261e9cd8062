"""Risk on real Kafka: every intent has one verdict, whoever is killed or frozen when, and its tables come back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from infra.fenced import FencedWriter
from infra.kafka import read_on, write_all
from infra.settings import Settings
from schemas.codec import decode, encode
from schemas.fleet import AlgoEvent, Verb
from schemas.market import DeadLetter
from schemas.order_state import order_event
from schemas.orders import Position
from schemas.risk import RISK_NODE, RiskState
from schemas.topics import ALGO_EVENTS, COMMANDS, LIMITS, ORDER_EVENTS, ORDER_INTENTS, POSITIONS, RISK_STATES
from streams.fleet.signing import Signer, control_key
from streams.risk.charge import NAME
from tests.conftest import servers_of
from tests.contract.risk.worker import NAMES, Risk, ask, codes, market, running, twice, wish
from tests.wait import until


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A Kafka of its own: others' orders would be judged too, and counted."""
    with servers_of(tmp_path_factory.mktemp("risk"), "kafka") as made:
        yield made


class Here:
    """Risk on this computer: started when it is wanted and does not run."""

    def __init__(self, of: Settings, ends: ExitStack) -> None:
        self._settings, self._ends = of, ends
        self._risk: Risk | None = None

    def risk(self) -> Risk:
        """The process that runs."""
        if self._risk is None or self._risk.process.poll() is not None:
            self._risk = self._ends.enter_context(running(self._settings))
        return self._risk


@pytest.fixture(scope="module")
def here(servers: Settings) -> Iterator[Here]:
    """One process for all tests, but when it is killed."""
    with market(servers), ExitStack() as ends:
        yield Here(servers, ends)


def only(of: Settings, id_: str) -> str:
    """The code of the one verdict on an intent, once there is one."""
    (code,) = until(f"a verdict on {id_}", lambda: codes(of, id_).get(id_), 20, 0.02)
    return code


def last(of: Settings, topic: Any, key: str) -> Any:
    """The last record of a key; None when there is none."""
    found = [m.value() for m in read_on(topic.name, 0, of) if m.key() == key.encode()]
    return decode(topic.record, found[-1] or b"") if found else None


def command(of: Settings, verb: Verb, scope: str) -> str:
    """Commands risk, waits for the fate and returns it."""
    made = Signer("test", control_key(of.home)).command(RISK_NODE, verb, scope, "asha", {"reason": "a test"})
    write_all([(COMMANDS, 0, RISK_NODE, encode(made))], of)

    def fate() -> str:
        events = (decode(AlgoEvent, message.value() or b"") for message in read_on(ALGO_EVENTS.name, 0, of))
        return next((event.kind for event in events if event.command == made.id), "")

    return until(f"the fate of {verb}", fate, 20, 0.02)


def test_intents_are_judged_by_limits_and_commands_that_came_before_them(servers: Settings, here: Here) -> None:
    risk = here.risk()
    first = wish("first1")
    ask(servers, [first, first])
    write_all([(ORDER_INTENTS, 0, "paper", b"garbage")], servers)
    assert only(servers, "first1") == ""

    bare = {"scope": "algo:crossover", "limit": "quantity", "value": 5}
    write_all([(LIMITS, 0, "algo:crossover quantity", json.dumps(bare).encode())], servers)
    until("the limit", lambda: (risk.get("/limits") or {}).get("limits"), 20, 0.02)
    ask(servers, [wish("large1", quantity=6), wish("small1", quantity=5)])
    assert (only(servers, "large1"), only(servers, "small1")) == ("LIMIT_QUANTITY", "")

    assert command(servers, "halt", "algo:crossover") == "done"
    ask(servers, [wish("halted1"), wish("other1", run="spread")])
    assert (only(servers, "halted1"), only(servers, "other1")) == ("HALTED", "")
    state = last(servers, RISK_STATES, "algo:crossover")
    assert isinstance(state, RiskState)
    assert (state.state, state.actor, state.reason) == ("HALTED", "asha", "a test")
    assert command(servers, "resume", "algo:crossover") == "done"
    ask(servers, [wish("resumed1")])
    assert only(servers, "resumed1") == ""

    filled = order_event(
        account="paper", order="first1", status="complete", instrument=NAMES[0], side="buy", product="MIS",
        quantity=1, filled=1, average_price=99.5, at_us=first.at_us, run="crossover", source="paper",
    )  # fmt: skip
    write_all([(ORDER_EVENTS, 0, "paper", encode(filled))], servers)
    held = until("the position", lambda: last(servers, POSITIONS, f"paper/crossover/{NAMES[0]}/MIS"), 20, 0.02)
    assert isinstance(held, Position)
    assert (held.quantity, held.average_price) == (1, 99.5)
    assert risk.get("/health")["rejected"] == 1
    letters = [decode(DeadLetter, m.value() or b"") for m in read_on(ORDER_INTENTS.dead_letters.name, 0, servers)]
    assert [letter.payload for letter in letters] == [b"garbage"]
    assert not twice(codes(servers, ""))


def idle(risk: Risk) -> str:
    """The digest, once it stays the same over several looks at the market and is in the table."""
    seen: list[str] = []

    def settled() -> bool:
        said = risk.get("/digest") or {"kept": False}
        seen.append(said["digest"] if said["kept"] else "")
        return len(set(seen[-6:])) == 1 and len(seen) > 6 and bool(seen[-1])

    until("risk to be idle", settled, 60, 0.2)
    return seen[-1]


def test_a_killed_risk_judges_nothing_twice_and_forgets_nothing(servers: Settings, here: Here) -> None:
    wanted = [wish(f"kill{n}", instrument=NAMES[n % 5], run=f"run{n % 7}") for n in range(300)]
    asking = threading.Thread(target=lambda: [ask(servers, wanted[n : n + 30]) for n in range(0, 300, 30)])
    risk = here.risk()
    asking.start()
    until("some verdicts", lambda: len(codes(servers, "kill")) > 60, 30, 0.005)
    risk.kill()
    asking.join()
    risk = here.risk()
    until("all verdicts", lambda: len(codes(servers, "kill")) == 300, 30, 0.1)
    assert not twice(codes(servers, "kill"))
    assert set(map(tuple, codes(servers, "kill").values())) == {("",)}
    assert risk.get("/orders?all=true")["count"] >= 300
    before = idle(risk)
    risk.kill()
    assert idle(here.risk()) == before


def test_who_is_not_in_charge_any_more_judges_nothing_and_ends(servers: Settings, here: Here) -> None:
    risk = here.risk()
    ask(servers, [wish("before")])
    assert only(servers, "before") == ""
    FencedWriter(NAME, servers).take_charge()  # as another process does first of all
    ask(servers, [wish("after")])
    assert risk.process.wait(30) == 1
    assert not codes(servers, "after")
