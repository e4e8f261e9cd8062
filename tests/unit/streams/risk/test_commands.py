"""Commands to risk: who may give them, and what comes of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.fleet import Command
from schemas.orders import BrokerPosition, BrokerPositions, PositionDifference
from schemas.risk import RISK_NODE, RiskState, TradingState
from schemas.topics import ALGO_EVENTS, ORDER_EVENTS, POSITION_DIFFERENCES, RISK_STATES
from streams.fleet.signing import Signer, signed_bytes, trust_of
from streams.risk.commands import SIGNERS, Orderly
from streams.risk.jobs import Job
from tests.unit.streams.risk.build import NOW, Desk, S, intent

WALL = 1_800_000_000 * S
KEY = Ed25519PrivateKey.generate()


class Post:
    """A book that obeys, and somebody who signs."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.wall_us = WALL
        self.signer = Signer("console", KEY, lambda: self.wall_us)
        self.released: list[tuple[str, str, int]] = []
        self.orderly = self.restarted({})

    def restarted(self, last: dict[str, int]) -> Orderly:
        def release(scope: str, actor: str, until_us: int) -> None:
            if scope == "account:live":
                raise OSError(28, "No space left on device")
            self.released.append((scope, actor, until_us))

        def job(id_: str, scope: str, actor: str, then: TradingState, reason: str) -> Job:
            return Job(id_, scope, actor, self.desk.now_us, then, reason)

        book, market = self.desk.book, self.desk.market
        return Orderly(book, market, lambda: self.desk.now_us, job, trust_of(KEY), release, last)

    def command(self, verb: Any, scope: str = "platform", **arguments: Any) -> Command:
        return self.signer.command(RISK_NODE, verb, scope, "asha", arguments)

    def obey(self, command: Command) -> list[Any]:
        return self.orderly.obey(command, self.wall_us)

    def do(self, verb: Any, scope: str = "platform", **arguments: Any) -> list[Any]:
        return self.obey(self.command(verb, scope, **arguments))


@pytest.fixture
def post() -> Post:
    return Post()


def fates(told: list[Any]) -> list[tuple[str, str]]:
    """Kind and reason of the fates that are told."""
    found = [record for topic, key, record in told if topic is ALGO_EVENTS and key == ""]
    assert all(record.node == RISK_NODE and record.task == "" for record in found)
    return [(record.kind, record.reason) for record in found]


@pytest.mark.parametrize(("verb", "state"), [("halt", "HALTED"), ("reduce", "REDUCING"), ("resume", "ACTIVE")])
@pytest.mark.parametrize("scope", ["platform", "account:paper", "algo:crossover", "algo:-"])
def test_states_are_set(post: Post, verb: str, state: str, scope: str) -> None:
    command = post.command(verb, scope, reason="enough")
    told = post.obey(command)
    made = RiskState(scope, state, "asha", NOW, "enough", command.id)  # type: ignore[arg-type]
    assert told[0] == (RISK_STATES, scope, made)
    assert fates(told) == [("done", "")]
    assert told[-1][2].command == command.id
    assert post.desk.book.states[scope] == made
    code = post.desk.ask(intent("a1", run="" if scope == "algo:-" else "crossover")).code
    assert code == {"HALTED": "HALTED", "REDUCING": "REDUCING", "ACTIVE": ""}[state]
    assert post.released == ([(scope, "asha", WALL)] if verb == "resume" else [])


@pytest.mark.parametrize("scope", ["instrument:NSE:INFY", "algo:*", "account:*", "moon", "account:margin", ""])
def test_what_has_no_state_is_refused(post: Post, scope: str) -> None:
    ((kind, reason),) = fates(post.do("halt", scope))
    assert kind == "refused"
    assert reason
    assert not post.desk.book.states


def test_what_is_not_signed_repeated_late_or_for_another_is_not_obeyed(post: Post) -> None:
    halt, late = post.command("halt"), post.command("halt")
    assert fates(post.obey(replace(halt, task="algo:crossover"))) == [
        ("refused", "the command's signature does not verify")
    ]
    other = Signer("console", Ed25519PrivateKey.generate(), lambda: WALL)
    assert fates(post.obey(other.command(RISK_NODE, "halt", "platform", "eve", {})))[0][0] == "refused"
    assert fates(post.obey(post.signer.command("desk", "halt", "platform", "asha", {})))[0][0] == "refused"
    post.wall_us += 3600 * S
    assert post.obey(late) == [], "its fate is told by the time alone"
    assert fates(post.obey(halt))[0][0] == "refused"
    assert fates(post.do("start", "crossover@desk"))[0][0] == "refused"
    assert not post.desk.book.states


def test_a_command_is_obeyed_once_also_over_restarts(post: Post) -> None:
    halt, resume = post.command("halt"), post.command("resume")
    post.obey(halt)
    post.obey(resume)
    kept = {key: int(value or b"0") for kind, key, value in post.orderly.changes() if kind == SIGNERS}
    assert post.orderly.changes() == []
    for orderly in (post.orderly, post.restarted(kept)):
        assert fates(orderly.obey(halt, WALL))[0][0] == "refused"
        assert orderly.obey(post.command("reduce"), WALL)[0][2].state == "REDUCING"
    post.wall_us += 2 * 86_400 * S
    post.obey(Signer("other", KEY, lambda: post.wall_us).command(RISK_NODE, "halt", "platform", "asha", {}))
    gone = [key for _, key, value in post.orderly.changes() if value is None]
    assert gone == [post.signer.name], "signers that are long silent are forgotten: what they signed has expired"


def test_a_brake_that_cannot_be_lifted_is_told(post: Post) -> None:
    post.do("halt", "account:live")
    assert fates(post.do("resume", "account:live")) == [
        ("refused", "the brake of account live cannot be lifted: No space left on device")
    ]
    assert post.desk.book.states["account:live"].state == "HALTED"


@pytest.mark.parametrize(
    ("verb", "arguments", "then"),
    [("halt", {"flatten": True}, "HALTED"), ("reduce", {"flatten": True}, "REDUCING"), ("flatten", {}, "ACTIVE")],
)
def test_flattening_is_a_job_and_only_what_reduces_leaves_meanwhile(
    post: Post, verb: str, arguments: dict[str, Any], then: str
) -> None:
    command = post.command(verb, "algo:crossover", reason="home", **arguments)
    told = post.obey(command)
    assert fates(told) == [("accepted", "")]
    assert told[0][2].state == "REDUCING"
    (job,) = post.desk.book.jobs.values()
    assert (job.id, job.scope, job.actor, job.then, job.reason) == (command.id, "algo:crossover", "asha", then, "home")
    post.do("flatten", "algo:crossover")
    assert {job.then for job in post.desk.book.jobs.values()} == {then}, "a second one leaves it as the first would"
    told = post.do("resume", "algo:crossover")
    assert not post.desk.book.jobs
    assert [kind for kind, _ in fates(told)] == ["failed", "failed", "done"]


def test_a_difference_is_accepted_at_the_brokers_average(post: Post) -> None:
    book = post.desk.book
    assert fates(post.do("accept", "account:paper")) == [("refused", "there is no difference to accept")]
    for account, name, ours, brokers in (
        ("paper", "NSE:INFY", 0, 7), ("paper", "NSE:TCS", 5, 0), ("live", "NSE:INFY", 0, 1),
    ):  # fmt: skip
        book.take(PositionDifference(f"{account}{name}", account, name, "MIS", ours, brokers, "found", NOW))
    book.take(BrokerPositions("paper", NOW, [BrokerPosition("NSE:INFY", "MIS", 7, 1490.5)]))
    assert fates(post.do("accept", "instrument:NSE:INFY"))[0][0] == "refused"
    told = post.do("accept", "account:paper")
    assert fates(told) == [("done", "")]
    booked = [record for topic, _, record in told if topic is ORDER_EVENTS]
    assert [(e.instrument, e.side, e.filled, e.average_price, e.run, e.status) for e in booked] == [
        ("NSE:INFY", "buy", 7, 1490.5, "EXTERNAL", "complete"),
        ("NSE:TCS", "sell", 5, 100.0, "EXTERNAL", "complete"),
    ]
    accepted = [record for topic, _, record in told if topic is POSITION_DIFFERENCES]
    assert [(d.state, d.actor) for d in accepted] == [("accepted", "asha")] * 2
    assert {spot[0] for spot in book.differences} == {"live"}
    assert book.held(("paper", "EXTERNAL", "NSE:INFY", "MIS")) == 7
    assert fates(post.do("accept"))[0][0] == "done", "all accounts"
    assert not book.differences
    for event in booked:
        book.take(event)  # risk reads them again
    assert book.held(("paper", "EXTERNAL", "NSE:INFY", "MIS")) == 7


def test_arguments_that_are_none_are_refused(post: Post) -> None:
    for text in ("[]", "{", "7"):
        bare = replace(post.command("halt"), arguments=text, signature=b"")
        signed = replace(bare, signature=KEY.sign(signed_bytes(bare)))
        assert fates(post.obey(signed)) == [("refused", "the command's arguments cannot be read")]
