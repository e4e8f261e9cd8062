"""Who may join: tokens are made here, and join requests are judged.

A token lets one computer in, once, until it expires. The same request again (a crash may repeat it) has the same
answer and changes nothing. A refusal is a ``Node`` record with its reason; for a name that another node has (the record
would take it away), or that is none, it is an event in ``algo-events`` instead, whose ``command`` is the token's id.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from infra.clock import clock_file
from infra.local import door
from infra.postgres import connect
from infra.settings import Settings
from schemas.fleet import AlgoEvent, JoinRequest, Node
from streams.fleet.commands import NAME
from streams.fleet.errors import RequestError
from streams.fleet.fold import NodeEntry
from streams.fleet.invitation import Invitation, proof_of, secret_hash
from streams.fleet.signing import control_key, trust_of
from streams.registry import tokens
from streams.registry.tokens import StoredToken

TOKEN = re.compile(r"[0-9a-f]{16}")
LEAST_VALID_S, MOST_VALID_S = 1.0, 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token for a person."""

    id: str
    text: str  # for ``portfolio node join``
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a join request leads to; all None and False: it was answered before."""

    node: Node | None = None
    event: AlgoEvent | None = None
    uses_token: bool = False


def make_token(
    of: Settings, *, valid_s: float, approve: bool, tags: Sequence[str], actor: str, kafka: str = ""
) -> MadeToken:
    """A new token. ``kafka``: the log's address as the other computer reaches it; when empty that
    of the door for nodes (``nodes_host``), else this one's own.

    RequestError for a time that does not fit; UserError when PostgreSQL does not answer.
    """
    if not LEAST_VALID_S <= valid_s <= MOST_VALID_S:
        raise RequestError(f"A token is valid for {LEAST_VALID_S:.0f} s to {MOST_VALID_S / 86_400:.0f} days.")
    id_, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    with contextlib.closing(connect(of)) as by:
        expires_at = tokens.add(by, id_, secret_hash(secret), approve=approve, tags=tags, valid_s=valid_s, actor=actor)
    trust = trust_of(control_key(of.home))
    shown = clock_file(of.home)
    clock = json.loads(shown.read_bytes()) if of.clock == "simulated" and shown.exists() else {}
    outer = "" if kafka else door.address(of)
    security = door.client_settings(of) if outer else of.kafka_security
    invitation = Invitation(kafka or outer or of.kafka_servers, id_, secret, trust, security, clock)
    return MadeToken(id_, invitation.to_text(), expires_at)


def check_request(request: JoinRequest, known: NodeEntry | None, of: Settings, now_us: int) -> Verdict:
    """Judges a request and marks its token as used when it lets the node in. UserError when PostgreSQL is away."""
    with contextlib.closing(connect(of)) as by, by:  # one transaction: two requests cannot use the same token
        token = tokens.find(by, request.token) if TOKEN.fullmatch(request.token) else None
        verdict = judge(request, token, known, now_us)
        if verdict.uses_token:
            tokens.use(by, request.token, request.node, request.at_us, now_us)
    return verdict


def judge(request: JoinRequest, token: StoredToken | None, known: NodeEntry | None, now_us: int) -> Verdict:
    """The verdict on a request. Pure. ``known`` is what is known of a node of this name."""
    decided = known.decided if known else None
    if token is not None and _is_answered(request, token):
        if decided is not None and decided.changed_us >= token.used_us:
            return Verdict()
        return Verdict(_let_in(request, token, now_us))  # it was let in, but not told so
    reason = _why_not(request, token)
    if not reason and decided is not None and decided.standing != "removed":
        reason = f"there is a node {request.node} already: choose another name, or remove it first"
    if not reason and token is not None:
        return Verdict(_let_in(request, token, now_us), uses_token=True)
    if not NAME.fullmatch(request.node) or (decided is not None and decided.standing != "removed"):
        id_ = f"join-{request.token}-{request.node}-{request.at_us}"
        return Verdict(event=AlgoEvent(id_, request.node, "", "refused", now_us, request.token, reason=reason))
    if decided is not None and decided.reason == reason:
        return Verdict()
    return Verdict(Node(request.node, "removed", now_us, "token", list(request.tags), reason))


def _is_answered(request: JoinRequest, token: StoredToken) -> bool:
    return (token.used_by, token.used_request) == (request.node, request.at_us) and _is_proven(request, token)


def _is_proven(request: JoinRequest, token: StoredToken) -> bool:
    return hmac.compare_digest(request.proof, proof_of(token.secret_sha256, request.node, request.at_us))


def _why_not(request: JoinRequest, token: StoredToken | None) -> str:
    if not NAME.fullmatch(request.node):
        return "the name is no node's name: a small letter, then up to 39 small letters, digits and hyphens"
    if token is None:
        return "the join token is not known"
    if not _is_proven(request, token):
        return "the request does not prove that it has the join token"
    if token.used_by:
        return f"the join token was used before, by {token.used_by}: make a new one with `./portfolio node token`"
    if token.is_expired:
        return "the join token has expired: make a new one with `./portfolio node token`"
    return ""


def _let_in(request: JoinRequest, token: StoredToken, now_us: int) -> Node:
    tags = list(dict.fromkeys([*token.tags, *request.tags]))
    node = Node(request.node, "pending", now_us, "token", tags)
    return replace(node, standing="approved") if token.approve else node
