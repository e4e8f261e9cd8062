"""The fleet's routes on a folded fleet, with no Kafka: what people see, and one sentence for what cannot be done."""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

import pytest
from fastapi import FastAPI

from infra.settings import Settings
from schemas.market import Instrument
from schemas.topics import PACKAGE_BYTES
from streams.console.app import create_app
from streams.console.fleet_output import tasks_of
from streams.console.state import Console
from streams.fleet.errors import UnknownNameError
from tests.unit.streams.console.client import Client
from tests.unit.streams.fleet.records import S, algo, beat, command, event, fleet, node, task

DAY = 86_400 * S
START = {"algo": "crossover", "nodes": ["desk"], "instruments": ["INFY"]}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """An application whose console has read its topics, and is not connected to anything."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("home"), port_base=40000))
    console: Console = app.state.console
    console.follower.caught_up.set()
    console.fleet.follower.caught_up.set()
    console.trading_follower.caught_up.set()
    console.feed.book.put("NSE:INFY", Instrument("NSE:INFY", "kite", 1, "NSE", "INFY", "INFOSYS", "EQ", "NSE", 0.05, 1))
    return app


@pytest.fixture
def client(app: FastAPI) -> Client:
    """Asks the application, whose fleet is as of now."""
    now = time.time_ns() // 1000
    app.state.console.fleet.state = fleet(
        node(), beat(at_us=now, tasks={"crossover@desk": "running"}), algo(python="3.9"), algo("newer", python="3.99"),
        node("away"), (beat("away", at_us=now - DAY), now - DAY), node("laptop", "pending"), node("old", "removed"),
        task(instruments=["NSE:INFY"], settings={"fast": "7"}), task("gone@desk", "removed", algo="other"),
        command(at_us=now), event("accepted", command="c-1", at_us=now), event("started", pid=77, at_us=now),
        (command("c-2", "stop", at_us=now - DAY), now - DAY), at_us=now,
    )  # fmt: skip
    return Client(app)


def test_nodes_say_how_they_are(client: Client) -> None:
    rows = {row["node"]: row for row in client.get("/api/nodes").json()["nodes"]}
    assert {name: row["state"] for name, row in rows.items()} == {
        "desk": "up", "away": "lost", "laptop": "pending", "old": "removed",
    }  # fmt: skip
    assert "no heartbeat" in rows["away"]["reason"]
    assert (rows["desk"]["running"], rows["desk"]["cores"], rows["laptop"]["cores"]) == (["crossover@desk"], 4, None)


def test_a_node_has_its_tasks_and_its_history(client: Client) -> None:
    said = client.get("/api/nodes/desk").json()
    assert [(row["task"], row["state"], row["pid"]) for row in said["tasks"]] == [("crossover@desk", "running", 77)]
    assert "approved" in [step["kind"] for step in said["history"]]


def test_an_algo_has_its_parameters_and_its_tasks(client: Client) -> None:
    said = client.get("/api/algos/crossover").json()
    fast = said["algo"]["parameters"][0]
    assert (fast["name"], fast["type"], fast["default"], fast["low"], fast["high"]) == ("fast", "int", 5, 2, 50)
    assert said["tasks"][0]["settings"] == {"fast": "7"}
    assert [(step["kind"], step["task"]) for step in said["history"] if step["pid"]] == [("started", "crossover@desk")]
    listed = client.get("/api/algos").json()
    assert [row["name"] for row in listed["algos"]] == ["crossover", "newer"]
    assert [row["task"] for row in listed["tasks"]] == [row["task"] for row in client.get("/api/runs").json()["tasks"]]


def test_a_command_has_its_fate(client: Client) -> None:
    assert client.get("/api/commands/c-1").json()["fate"] == "accepted"
    late = client.get("/api/commands/c-2", params={"wait_s": 30}).json()  # settled: nothing to wait for
    assert (late["fate"], late["reason"]) == ("expired", "its node did not answer in time")
    assert [row["id"] for row in client.get("/api/commands").json()["commands"]] == ["c-1", "c-2"]
    assert len(client.get("/api/commands", params={"limit": 1}).json()["commands"]) == 1


def test_an_answer_is_held_back_until_the_patience_is_over(client: Client) -> None:
    began = time.monotonic()
    assert client.get("/api/commands/c-1", params={"wait_s": 0.2}).json()["fate"] == "accepted"
    assert time.monotonic() - began >= 0.2


def test_health_counts_nodes_and_tasks(client: Client) -> None:
    said = client.get("/api/health").json()["fleet"]
    assert (said["state"], said["nodes"], said["up"], said["wanted"], said["running"]) == ("partly", 2, 1, 1, 1)
    assert said["detail"].startswith("node away is lost: no heartbeat")


REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/api/nodes/dusk", None, 404, "did you mean desk"),
    ("GET", "/api/nodes/Desk%0A", None, 400, "no name for a node"),
    ("GET", "/api/algos/crosover", None, 404, "did you mean crossover"),
    ("GET", "/api/commands/c-9", None, 404, "no command of that id"),
    ("GET", "/api/commands/c-1?wait_s=31", None, 422, "wait_s"),
    ("GET", "/api/commands?limit=0", None, 422, "limit"),
    ("GET", "/api/runs/nothing/logs", None, 404, "There is no run nothing"),
    ("GET", "/api/runs/crossover/logs?node=away", None, 404, "no task on node away"),
    ("GET", "/api/runs/crossover/logs?lines=10001", None, 422, "lines"),
    ("POST", "/api/nodes/dusk/approve", None, 404, "There is no node dusk"),
    ("POST", "/api/nodes/desk/approve", None, 409, "approved already"),
    ("POST", "/api/nodes/old/drain", None, 409, "was removed"),
    ("POST", "/api/nodes/desk/explode", None, 422, "verb"),
    ("POST", "/api/runs", {}, 422, "algo"),
    ("POST", "/api/runs", START | {"algo": "Crossover"}, 422, "algo"),
    ("POST", "/api/runs", START | {"algo": "croosover"}, 404, "did you mean crossover"),
    ("POST", "/api/runs", START | {"nodes": []}, 422, "at least one"),
    ("POST", "/api/runs", START | {"nodes": ["dusk"]}, 404, "There is no node dusk"),
    ("POST", "/api/runs", START | {"nodes": ["away"]}, 409, "away is lost"),
    ("POST", "/api/runs", START | {"nodes": ["laptop"]}, 409, "laptop is pending"),
    ("POST", "/api/runs", START | {"nodes": ["old"]}, 409, "old is removed"),
    ("POST", "/api/runs", START, 409, "on node desk already"),
    ("POST", "/api/runs", START | {"run": "b", "algo": "newer"}, 409, "needs Python 3.99"),
    ("POST", "/api/runs", START | {"run": "b", "settings": {"fast": "51"}}, 400, "from 2 to 50"),
    ("POST", "/api/runs", START | {"run": "b", "settings": {"fast": "x"}}, 400, "an integer"),
    ("POST", "/api/runs", START | {"run": "b", "settings": {"fats": "5"}}, 400, "did you mean fast"),
    ("POST", "/api/runs", START | {"run": "b", "settings": {"fast": 5}}, 422, "settings"),
    ("POST", "/api/runs", START | {"run": "b", "instruments": ["NSE:NOSUCHTHING"]}, 404, "NOSUCHTHING"),
    ("POST", "/api/runs", START | {"run": "b", "instruments": []}, 400, "at least one instrument"),
    ("POST", "/api/runs", START | {"run": "b", "memory_mb": 1}, 422, "memory_mb"),
    ("POST", "/api/runs", START | {"run": "b", "memory_mb": 1 << 20}, 400, "MB"),
    ("POST", "/api/runs", START | {"run": "b", "cpu": 64}, 400, "4 cores"),
    ("POST", "/api/runs", START | {"run": "b", "trading": "real"}, 422, "trading"),
    ("POST", "/api/runs", START | {"run": "b", "schedule": "whenever"}, 400, "whenever"),
    ("POST", "/api/runs", START | {"instrument": ["NSE:INFY"]}, 422, "'instrument'"),
    ("POST", "/api/runs/nothing/stop", {}, 404, "There is no run nothing"),
    ("POST", "/api/runs/gone/restart", {}, 404, "There is no run gone"),
    ("POST", "/api/runs/crossover/stop", {"nodes": ["away"]}, 404, "no task on node away"),
    ("POST", "/api/runs/crossover/stop", None, 422, "JSON object"),
    ("DELETE", "/api/algos/crossover", None, 409, "algo stop crossover"),
    ("DELETE", "/api/algos/nothing", None, 404, "There is no algo nothing"),
    ("PUT", "/api/algos", {}, 405, "does not take PUT"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), REFUSED)
def test_what_cannot_be_done_is_one_sentence(
    client: Client, method: str, path: str, body: Any, status: int, words: str
) -> None:
    check(client.request(method, path, json=body), status, words)


@pytest.mark.parametrize("name", ["a\nb", "x" * 65, "<script>"])
def test_who_asks_has_a_decent_name(client: Client, name: str) -> None:
    answer = client.post("/api/nodes/laptop/approve", headers={"portfolio-actor": name.encode()})
    check(answer, 422, "portfolio-actor")


def archive(**files: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as to:
        for name, text in files.items():
            to.writestr(name, text)
    return made.getvalue()


BROKEN: list[tuple[str, dict[str, Any], int, str]] = [
    ("", {"content": archive(**{"a.py": ""})}, 400, "Name the algo"),
    ("?name=mine", {}, 400, "zip archive"),
    ("?name=Mine", {"content": b"PK"}, 422, "name"),
    ("?name=mine", {"content": b"this is no archive"}, 400, "archive"),
    ("?name=mine", {"content": archive(**{"../a.py": ""})}, 400, "a.py"),
    ("?name=mine", {"content": archive(**{"a.py": "x = 1\n"})}, 400, "algo"),
    ("?name=mine", {"content": archive(**{"a.py": "def (:\n"})}, 400, "a.py"),
    ("?name=mine", {"content": bytes(PACKAGE_BYTES + 1)}, 413, "4 MiB"),
    ("?name=crossover", {"content": archive(**{"a.py": ""})}, 409, "--replace"),
    ("?name=mine", {"files": {"other": ("a.zip", b"PK")}}, 400, "file named package"),
    ("?name=mine", {"files": {"package": ("a.zip", bytes(PACKAGE_BYTES + (65 << 10)))}}, 413, "4 MiB"),
    ("", {"files": {"package": ("Broken.zip", b"PK")}}, 400, "archive"),
    ("?name=mine", {"content": b"--x\r\nnothing", "headers": {"content-type": "multipart/form-data"}}, 400, "form"),
]


@pytest.mark.parametrize(("query", "sent", "status", "words"), BROKEN)
def test_a_package_that_is_none_is_told(
    client: Client, query: str, sent: dict[str, Any], status: int, words: str
) -> None:
    check(client.post(f"/api/algos{query}", **sent), status, words)


def test_the_description_names_every_route(client: Client) -> None:
    described = client.get("/api/openapi.json").json()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
    upload = described["paths"]["/api/algos"]["post"]["requestBody"]["content"]
    assert set(upload) == {"application/zip", "multipart/form-data"}


def test_which_lines_are_wanted() -> None:
    state = fleet(task("a@desk"), task("a@lap"), task("b@desk", "removed"))
    assert [wanted for wanted in ("a@desk", "a@lap", "b@desk", "a@new") if tasks_of(state, "a", "")(wanted)] == [
        "a@desk", "a@lap", "a@new",
    ]  # fmt: skip
    assert not tasks_of(state, "a", "lap")("a@desk")
    assert tasks_of(state, "a@lap", "")("a@lap")
    assert tasks_of(state, "b", "")("b@desk")
    with pytest.raises(UnknownNameError):
        tasks_of(state, "c", "")


def check(answer: Any, status: int, words: str) -> None:
    body = answer.json()
    assert (answer.status_code, list(body)) == (status, ["error"]), body
    sentence = body["error"]
    assert words in sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert sentence.endswith((".", "?"))
