"""Join requests judged, and invitations read back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import UserError
from schemas.fleet import JoinRequest
from streams.fleet.fold import NodeEntry
from streams.fleet.invitation import Invitation, proof_of, read_invitation, secret_hash
from streams.fleet.join import Verdict, judge
from streams.registry.tokens import StoredToken
from tests.unit.streams.fleet.records import NOW, S, fleet, node

SECRET = secret_hash("open sesame")


def token(**more: Any) -> StoredToken:
    values: dict[str, Any] = {"approve": False, "tags": ["cloud"], "actor": "asha", "is_expired": False}
    return StoredToken("t-1", SECRET, **(values | more))


def request(name: str = "lab", at_us: int = NOW, proof: bytes | None = None) -> JoinRequest:
    made = proof_of(SECRET, name, at_us) if proof is None else proof
    return JoinRequest(name, "t-1", made, at_us, "0.1.0", "lab.home", ["fast"])


def known(*records: Any) -> NodeEntry:
    return next(iter(fleet(*records).nodes.values()))


def test_a_good_request_waits_for_approval_or_is_let_in() -> None:
    verdict = judge(request(), token(), None, NOW)
    assert verdict.node is not None
    assert (verdict.node.standing, verdict.node.tags, verdict.uses_token) == ("pending", ["cloud", "fast"], True)
    verdict = judge(request(), token(approve=True), None, NOW)
    assert verdict.node is not None
    assert (verdict.node.standing, verdict.node.actor, verdict.event) == ("approved", "token", None)


@pytest.mark.parametrize(
    ("asked", "stored", "reason"),
    [
        (request(), None, "the join token is not known"),
        (request(), token(is_expired=True), "the join token has expired"),
        (request(), token(used_by="desk", used_request=NOW - S), "the join token was used before, by desk"),
        (request(), token(used_by="lab", used_request=NOW - S), "the join token was used before, by lab"),
        (request(proof=b""), token(), "does not prove"),
        (request(proof=proof_of(SECRET, "other", NOW)), token(), "does not prove"),
        (request(proof=proof_of(SECRET, "lab", NOW + 1)), token(), "does not prove"),
        (request(proof=proof_of(secret_hash("guess"), "lab", NOW)), token(), "does not prove"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(asked: JoinRequest, stored: StoredToken | None, reason: str) -> None:
    verdict = judge(asked, stored, None, NOW)
    assert verdict.node is not None
    assert verdict.node.standing == "removed"
    assert reason in verdict.node.reason
    assert not verdict.uses_token
    again = judge(asked, stored, NodeEntry("lab", verdict.node, NOW), NOW + S)
    assert again == Verdict()


@pytest.mark.parametrize("standing", ["pending", "approved", "draining"])
@pytest.mark.parametrize("stored", [token(approve=True), token(is_expired=True), None])
def test_nobody_takes_the_name_of_another_node(standing: str, stored: StoredToken | None) -> None:
    verdict = judge(request(), stored, known(node("lab", standing)), NOW)
    assert (verdict.node, verdict.uses_token) == (None, False)
    assert verdict.event is not None
    assert (verdict.event.kind, verdict.event.node, verdict.event.command) == ("refused", "lab", "t-1")


def test_a_removed_node_may_join_again_with_a_new_token() -> None:
    verdict = judge(request(), token(approve=True), known(node("lab", "removed")), NOW)
    assert verdict.node is not None
    assert verdict.node.standing == "approved"


def test_the_same_request_again_changes_nothing_even_after_a_removal() -> None:
    used = token(approve=True, used_by="lab", used_request=NOW, used_us=NOW + S)
    assert judge(request(), used, known(node("lab", "approved", NOW + S)), NOW + 2 * S) == Verdict()
    assert judge(request(), used, known(node("lab", "removed", NOW + 60 * S)), NOW + 99 * S) == Verdict()


def test_a_crash_between_the_token_and_the_answer_is_made_good() -> None:
    used = token(approve=True, used_by="lab", used_request=NOW, used_us=NOW + S)
    for before in (None, known(node("lab", "removed", NOW - S))):
        verdict = judge(request(), used, before, NOW + 2 * S)
        assert verdict.node is not None
        assert (verdict.node.standing, verdict.uses_token) == ("approved", False)


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "lab home", "a" * 41, "läb", "../x"])
def test_a_bad_name_is_not_written_as_a_node(name: str) -> None:
    verdict = judge(request(name), token(approve=True), None, NOW)
    assert (verdict.node, verdict.uses_token) == (None, False)
    assert verdict.event is not None
    assert "no node's name" in verdict.event.reason


@given(st.builds(Invitation, *[st.text(max_size=20)] * 4, st.dictionaries(st.text(), st.text(), max_size=3)))
def test_an_invitation_is_one_word_and_comes_back(invitation: Invitation) -> None:
    text = invitation.to_text()
    assert text.replace("-", "").replace("_", "").isalnum()
    assert read_invitation(f" {text}\n") == invitation


@given(st.text(max_size=50))
def test_a_broken_invitation_is_one_sentence(text: str) -> None:
    with pytest.raises(UserError, match="copy the whole join command again"):
        read_invitation(text)


def test_half_an_invitation_is_broken() -> None:
    text = Invitation("127.0.0.1:9092", "t", "s", "k").to_text()
    with pytest.raises(UserError, match="broken"):
        read_invitation(text[: len(text) // 2])
