"""Joining on real Kafka and PostgreSQL: who is let in, and who is not."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from infra.kafka import read_compacted
from infra.postgres import connect
from infra.settings import Settings
from schemas.codec import decode
from schemas.fleet import AlgoEvent, JoinRequest
from schemas.topics import ALGO_EVENTS
from streams.fleet.invitation import proof_of, read_invitation, secret_hash
from streams.fleet.join import MadeToken, make_token
from tests.contract.fleet.conftest import Fleet, put
from tests.wait import until


def token(of: Settings, **more: Any) -> MadeToken:
    values: dict[str, Any] = {"valid_s": 600, "approve": False, "tags": ["cloud"], "actor": "asha"}
    return make_token(of, **(values | more))


def ask(of: Settings, name: str, made: MadeToken, *, secret: str = "", at_us: int = 0) -> JoinRequest:
    """Asks as a computer with this token would."""
    at = at_us or time.time_ns() // 1000
    proof = proof_of(secret_hash(secret or read_invitation(made.text).secret), name, at)
    request = JoinRequest(name, made.id, proof, at, "0.1.0", f"{name}.home", ["fast"])
    put(of, "node-requests", name, request)
    return request


def decided(fleet: Fleet, name: str) -> dict[str, Any]:
    return until(f"a decision on {name}", lambda: fleet.one("/nodes", node=name), 20, 0.05)


def refusal(of: Settings, made: MadeToken) -> str:
    """The reason of the refusal in ``algo-events``; empty while there is none."""
    events = (decode(AlgoEvent, m.value() or b"") for m in read_compacted(ALGO_EVENTS, of=of))
    return next((e.reason for e in events if e.command == made.id and e.kind == "refused"), "")


def test_a_good_token_lets_one_computer_in(fleet: Fleet) -> None:
    made = token(fleet.settings)
    ask(fleet.settings, "good", made)
    node = decided(fleet, "good")
    assert (node["state"], node["tags"], node["actor"]) == ("pending", ["cloud", "fast"], "token")
    ask(fleet.settings, "second", made)
    node = decided(fleet, "second")
    assert node["state"] == "removed"
    assert "used before, by good" in node["reason"]


def test_an_approving_token_approves_at_once(fleet: Fleet) -> None:
    made = token(fleet.settings, approve=True)
    request = ask(fleet.settings, "quick", made)
    assert decided(fleet, "quick")["standing"] == "approved"
    put(fleet.settings, "node-requests", "quick", request)  # repeated by a crash
    ask(fleet.settings, "after-quick", token(fleet.settings))
    decided(fleet, "after-quick")
    assert [step["kind"] for step in fleet.one("/nodes", node="quick")["history"]] == ["approved"]


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [("late", {"valid_s": 1}, "has expired"), ("forged", {}, "does not prove"), ("unknown", {}, "is not known")],
)
def test_a_bad_request_is_refused_with_its_reason(fleet: Fleet, name: str, more: dict[str, Any], reason: str) -> None:
    made = token(fleet.settings, **more)
    if name == "late":
        until("the token to expire", lambda: _is_expired(fleet.settings, made), 10, 0.1)
    if name == "unknown":
        made = MadeToken("0" * 16, made.text, made.expires_at)
    ask(fleet.settings, name, made, secret="a guess" if name == "forged" else "")
    node = decided(fleet, name)
    assert node["state"] == "removed"
    assert reason in node["reason"]


def _is_expired(of: Settings, made: MadeToken) -> bool:
    with contextlib.closing(connect(of)) as by, by.cursor() as cursor:
        cursor.execute("SELECT expires_at <= now() FROM join_tokens WHERE id = %s", (made.id,))
        row = cursor.fetchone()
    return bool(row and row[0])


def test_nobody_takes_another_nodes_name(fleet: Fleet) -> None:
    ask(fleet.settings, "mine", token(fleet.settings, approve=True))
    assert decided(fleet, "mine")["standing"] == "approved"
    thief = token(fleet.settings, approve=True)
    ask(fleet.settings, "mine", thief)
    assert "there is a node mine already" in until("the refusal", lambda: refusal(fleet.settings, thief), 20)
    assert decided(fleet, "mine")["standing"] == "approved"
    ask(fleet.settings, "other", thief)  # a refusal does not use the token up
    assert decided(fleet, "other")["standing"] == "approved"


def test_the_secret_is_nowhere_but_in_the_token(fleet: Fleet) -> None:
    made = token(fleet.settings)
    secret = read_invitation(made.text).secret
    with contextlib.closing(connect(fleet.settings)) as by, by.cursor() as cursor:
        cursor.execute("SELECT join_tokens::text FROM join_tokens WHERE id = %s", (made.id,))
        row = cursor.fetchone()
    assert row is not None
    assert secret not in row[0]
    assert secret.encode().hex() not in row[0]
