"""Nodes, algos and runs by REST, on real Kafka, with nodes that answer as the agent does."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from infra.kafka import end_offsets, produce_all, read_compacted
from infra.settings import CHECKOUT, Settings
from schemas.codec import decode
from schemas.fleet import Algo, JoinRequest, LogLine, Node, Package, Task
from schemas.topics import ALGO_LOGS, ALGOS, COMMANDS, NODES, PACKAGES, TASKS, Topic
from streams.algo.package import pack
from streams.fleet.invitation import proof_of, read_invitation, secret_hash
from streams.fleet.join import check_request
from tests.contract.console.conftest import until
from tests.contract.console.light import LightNode, now_us

CROSSOVER = pack(CHECKOUT / "streams/algo/examples/crossover.py")
SPREAD = pack(CHECKOUT / "streams/algo/examples/spread.py")
CHANGED = (NODES, PACKAGES, ALGOS, TASKS, COMMANDS)


@pytest.fixture(scope="module")
def desk(servers: Settings, console: httpx.Client, stocks: list[str]) -> Iterator[LightNode]:
    """A node that is up."""
    with LightNode("light-desk", servers) as node:
        until(lambda: state_of(console, "light-desk") == "up")
        yield node
    console.request("DELETE", "/api/feed", json={"instruments": stocks})


def state_of(console: httpx.Client, node: str) -> str | None:
    answer = console.get(f"/api/nodes/{node}")
    return answer.json()["state"] if answer.is_success else None


def last(of: Settings, topic: Topic, kind: Any, key: str) -> Any:
    """The last record of a key; None for a tombstone or nothing."""
    value = None
    for message in read_compacted(topic, of=of):
        if message.key().decode() == key:
            value = message.value()
    return decode(kind, value) if value else None


def written(of: Settings) -> dict[str, Any]:
    """How far the topics are that a request may write."""
    return {topic.name: end_offsets(topic.name, [0]) for topic in CHANGED}


def submit(console: httpx.Client, name: str, archive: bytes = CROSSOVER, **query: Any) -> httpx.Response:
    return console.post("/api/algos", params={"name": name} | query, content=archive)


def start(console: httpx.Client, **asked: Any) -> httpx.Response:
    return console.post(
        "/api/runs",
        json={"nodes": ["light-desk"], "instruments": ["NSE:CONSOLE38"]} | asked,
        headers={"portfolio-actor": "asha"},
    )


def fate(console: httpx.Client, answer: httpx.Response) -> list[tuple[str, str]]:
    """What became of a change's commands."""
    assert answer.is_success, answer.text
    ids = [command["id"] for command in answer.json()["commands"]]
    ended = [console.get(f"/api/commands/{id_}", params={"wait_s": 20}).json() for id_ in ids]
    return [(row["fate"], row["reason"]) for row in ended]


def task(console: httpx.Client, name: str) -> dict[str, Any] | None:
    return next((row for row in console.get("/api/runs").json()["tasks"] if row["task"] == name), None)


def test_an_algo_is_submitted_once(console: httpx.Client, servers: Settings) -> None:
    first = submit(console, "once").json()
    assert (first["outcome"], first["algo"]["entry"]) == ("submitted", "crossover.py:Crossover")
    assert {p["name"]: (p["type"], p["default"], p["low"], p["high"]) for p in first["algo"]["parameters"]}["fast"] == (
        "int", 3, 1, 50,
    )  # fmt: skip
    sha256 = hashlib.sha256(CROSSOVER).hexdigest()
    assert last(servers, PACKAGES, Package, sha256).archive == CROSSOVER
    algo = last(servers, ALGOS, Algo, "once")
    assert (algo.package, algo.size, algo.files, algo.actor) == (sha256, len(CROSSOVER), 1, "console")

    before = written(servers)
    assert submit(console, "once").json()["outcome"] == "unchanged"
    other = submit(console, "once", SPREAD)
    assert (other.status_code, "--replace" in other.json()["error"]) == (409, True)
    assert written(servers) == before  # neither wrote anything

    assert submit(console, "once", SPREAD, replace="true").json()["outcome"] == "replaced"
    assert console.get("/api/algos/once").json()["algo"]["entry"].startswith("spread.py:")
    console.delete("/api/algos/once")
    assert last(servers, ALGOS, Algo, "once") is None


def test_a_form_brings_a_package_too(console: httpx.Client) -> None:
    sent = {"package": ("My Crossover.py", CROSSOVER, "application/zip")}
    assert console.post("/api/algos", files=sent).json()["algo"]["name"] == "my-crossover"
    assert console.get("/api/algos/my-crossover").status_code == httpx.codes.OK
    assert console.delete("/api/algos/my-crossover").json()["commands"] == []


def test_two_who_want_the_same_name_get_it_once(console: httpx.Client) -> None:
    with ThreadPoolExecutor(2) as people:
        done = list(people.map(lambda archive: submit(console, "wanted", archive).status_code, (CROSSOVER, SPREAD)))
    assert sorted(done) == [200, 409]
    console.delete("/api/algos/wanted")


def test_a_run_from_start_to_end(console: httpx.Client, servers: Settings, desk: LightNode, stocks: list[str]) -> None:
    submit(console, "whole")
    begun = start(console, algo="whole", run="mine", instruments=["console35"], settings={"fast": "4"}, cpu=0.5)
    assert fate(console, begun) == [("done", "")]
    assert begun.json()["warnings"] == ["The feed was asked for NSE:CONSOLE35."]
    assert "NSE:CONSOLE35" in {row["instrument"] for row in console.get("/api/feed").json()["instruments"]}

    wanted = last(servers, TASKS, Task, "mine@light-desk")
    assert (wanted.wanted, wanted.instruments, wanted.settings, wanted.actor, wanted.trading, wanted.cpu) == (
        "running", ["NSE:CONSOLE35"], {"fast": "4"}, "asha", "paper", 0.5,
    )  # fmt: skip
    command = desk.obeyed[-1]
    assert (command.verb, command.package) == ("start", wanted.package)
    assert Task(**json.loads(command.arguments)) == wanted
    row = until(lambda: (found := task(console, "mine@light-desk")) and found["state"] == "running" and found)
    assert (row["pid"], row["actor"], row["algo"]) == (4242, "asha", "whole")
    steps = [step["kind"] for step in console.get("/api/algos/whole").json()["history"]]
    assert steps == ["wanted running", "accepted", "started", "done"]

    before = written(servers)
    assert start(console, algo="whole", run="mine").status_code == httpx.codes.CONFLICT
    assert console.delete("/api/algos/whole").status_code == httpx.codes.CONFLICT
    assert written(servers) == before

    newer = submit(console, "whole", SPREAD, replace="true").json()
    assert "mine@light-desk" in newer["warnings"][0]
    assert submit(console, "whole", replace="true").json()["warnings"] == []
    assert fate(console, console.post("/api/runs/mine/restart", json={})) == [("done", "")]
    assert fate(console, console.post("/api/runs/mine/stop", json={})) == [("done", "")]
    assert until(lambda: (found := task(console, "mine@light-desk")) and found["state"] == "stopped")
    assert console.post("/api/runs/mine/stop", json={}).status_code == httpx.codes.CONFLICT
    assert fate(console, console.delete("/api/algos/whole")) == [("done", "")]
    assert task(console, "mine@light-desk") is None
    assert last(servers, ALGOS, Algo, "whole") is None


def test_two_who_start_the_same_run_start_it_once(console: httpx.Client, desk: LightNode) -> None:
    submit(console, "raced")
    with ThreadPoolExecutor(4) as people:
        done = list(people.map(lambda _: start(console, algo="raced").status_code, range(4)))
    assert sorted(done) == [200, 409, 409, 409]
    assert fate(console, console.post("/api/runs/raced/stop", json={})) == [("done", "")]
    assert fate(console, until(lambda: removed(console, "raced"))) == [("done", "")]


def removed(console: httpx.Client, algo: str) -> httpx.Response | None:
    """The answer to the removal of an algo, once its run is seen to have stopped."""
    answer = console.delete(f"/api/algos/{algo}")
    return answer if answer.is_success else None


def test_a_scheduled_run_has_no_command_yet(console: httpx.Client, desk: LightNode) -> None:
    submit(console, "planned")
    answer = start(console, algo="planned", schedule="NSE session").json()
    assert answer["commands"] == []
    row = task(console, "planned@light-desk")
    assert row
    assert (row["schedule"], row["state"]) == ("NSE session", "scheduled")
    console.post("/api/runs/planned/stop", json={})
    assert until(lambda: removed(console, "planned"))


def test_a_node_that_refuses_says_why(console: httpx.Client, desk: LightNode) -> None:
    submit(console, "unwelcome")
    desk.refuses = "its disk is full"
    try:
        assert fate(console, start(console, algo="unwelcome")) == [("refused", "its disk is full")]
        row = task(console, "unwelcome@light-desk")
        assert row
        assert (row["state"], row["reason"]) == ("refused", "its disk is full")
    finally:
        desk.refuses = ""
    console.post("/api/runs/unwelcome/stop", json={})
    assert until(lambda: removed(console, "unwelcome"))


def test_a_node_comes_drains_and_goes(console: httpx.Client, servers: Settings) -> None:
    submit(console, "drained")
    with LightNode("light-guest", servers, standing="pending") as guest:
        until(lambda: state_of(console, "light-guest") == "pending")
        until(lambda: console.get("/api/nodes/light-guest").json()["cores"] == 4)
        assert start(console, algo="drained", nodes=["light-guest"]).status_code == httpx.codes.CONFLICT
        said = console.post("/api/nodes/light-guest/approve", headers={"portfolio-actor": "asha"}).json()
        assert (said["message"], said["commands"]) == ("Node light-guest is approved.", [])
        decided = last(servers, NODES, Node, "light-guest")
        assert (decided.standing, decided.actor) == ("approved", "asha")
        assert state_of(console, "light-guest") == "up"
        assert fate(console, start(console, algo="drained", nodes=["light-guest"])) == [("done", "")]
        assert until(lambda: (row := task(console, "drained@light-guest")) and row["state"] == "running")
        assert fate(console, console.post("/api/nodes/light-guest/drain")) == [("done", "")]
        assert [command.verb for command in guest.obeyed] == ["start", "stop"]
        assert state_of(console, "light-guest") == "draining"
        assert fate(console, console.post("/api/nodes/light-guest/remove")) == [("done", "")]
        assert state_of(console, "light-guest") == "removed"
        assert console.post("/api/nodes/light-guest/approve").status_code == httpx.codes.CONFLICT
    assert until(lambda: removed(console, "drained"))


def test_bad_requests_write_nothing(console: httpx.Client, servers: Settings, desk: LightNode) -> None:
    submit(console, "good")
    before = written(servers)
    subscribed = console.get("/api/feed").json()["instruments"]
    bad = [
        start(console, algo="nothing"),
        start(console, algo="good", nodes=["light-desk", "nowhere"]),
        start(console, algo="good", settings={"fast": "51"}, instruments=["NSE:CONSOLE36"]),
        start(console, algo="good", instruments=["NSE:CONSOLE36", "NSE:NOSUCHTHING"]),
        start(console, algo="good", memory_mb=1 << 19),
        submit(console, "broken", b"PK\x03\x04 but no more"),
        submit(console, "broken", CROSSOVER[:-30]),
        submit(console, "good", SPREAD),
        submit(console, "Bad Name"),
        console.post("/api/nodes/nowhere/approve"),
        console.post("/api/runs/nothing/stop", json={}),
        console.delete("/api/algos/nothing"),
    ]
    assert [answer.status_code for answer in bad] == [404, 404, 400, 404, 400, 400, 400, 409, 422, 404, 404, 404]
    assert all(list(answer.json()) == ["error"] for answer in bad)
    assert written(servers) == before
    assert console.get("/api/feed").json()["instruments"] == subscribed
    console.delete("/api/algos/good")


def test_a_token_lets_one_computer_in(console: httpx.Client, servers: Settings) -> None:
    asked = {"approve": True, "valid_s": 600, "tags": ["cloud"], "kafka": "log.example:9092"}
    said = console.post("/api/nodes/tokens", json=asked, headers={"portfolio-actor": "asha"}).json()
    assert said["command"] == f"./portfolio node join {said['blob']} --name NAME"
    invited = read_invitation(said["blob"])
    assert (invited.kafka, invited.token) == ("log.example:9092", said["id"])
    assert 590 < said["expires_us"] / 1e6 - time.time() < 610
    request = JoinRequest("light-joined", said["id"], b"", now_us(), "0.1.0", "joined.home")
    proof = proof_of(secret_hash(invited.secret), request.node, request.at_us)
    verdict = check_request(replace(request, proof=proof), None, servers, now_us())
    assert verdict.node
    assert (verdict.node.standing, verdict.node.tags) == ("approved", ["cloud"])
    assert "only this computer" in console.post("/api/nodes/tokens", json={}).json()["warning"]
    for bad in ({"valid_s": 0}, {"valid_s": "1h"}, {"tags": ["A B"]}, {"for": "me"}):
        assert console.post("/api/nodes/tokens", json=bad).status_code == httpx.codes.UNPROCESSABLE_ENTITY


def lines(run: str, node: str, texts: list[str], at_us: int) -> list[Any]:
    name = f"{run}@{node}"
    return [
        (ALGO_LOGS, None, name, LogLine(node, name, at_us + n, "out", text)) for n, text in enumerate(texts)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def talkative(console: httpx.Client, servers: Settings, desk: LightNode) -> str:
    """A run that is known, on a node that prints nothing itself."""
    submit(console, "talkative")
    assert fate(console, start(console, algo="talkative")) == [("done", "")]
    return "talkative"


def test_the_last_lines_of_a_run(console: httpx.Client, servers: Settings, talkative: str) -> None:
    others = lines("another", "light-desk", [f"other {n}" for n in range(3000)], now_us())
    produce_all(lines(talkative, "light-desk", [f"line {n}" for n in range(30)], now_us()), servers)
    produce_all(others, servers)
    said = console.get(f"/api/runs/{talkative}/logs", params={"lines": 5}).json()
    assert [row["text"] for row in said["lines"]] == [f"line {n}" for n in range(25, 30)]
    whole = console.get(f"/api/runs/{talkative}/logs", params={"lines": 1000}).json()["lines"]
    assert [row["text"] for row in whole] == [f"line {n}" for n in range(30)]
    assert console.get(f"/api/runs/{talkative}/logs", params={"lines": 0}).json()["lines"] == []
    assert console.get(f"/api/runs/{talkative}/logs?node=elsewhere").status_code == httpx.codes.NOT_FOUND


def test_lines_are_followed_without_a_gap(console: httpx.Client, servers: Settings, talkative: str) -> None:
    texts = [f"follow {n}" for n in range(240)]
    begun = threading.Event()

    def write() -> None:
        for n in range(0, len(texts), 20):
            produce_all(lines(talkative, "light-desk", texts[n : n + 20], now_us()), servers)
            if n == 60:
                begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(30)
    heard: list[str] = []
    with console.stream("GET", f"/api/runs/{talkative}/logs", params={"lines": 1000, "follow": "true"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: ") and (text := json.loads(line[6:])["text"]).startswith("follow "):
                heard.append(text)
                if text == texts[-1]:
                    break
    thread.join()
    assert heard == texts
