"""Commands that a node must not obey, and packages that it must not run: refused, recorded, nothing half-done."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import time
import zipfile
from pathlib import Path

import pytest

from infra.kafka import produce_all, producer
from schemas.fleet import Command, Package
from schemas.topics import COMMANDS, PACKAGES
from streams.fleet.signing import SKEW_S, VALID_S, Signer, control_key
from tests.contract.node.computer import Computer, archive_of
from tests.contract.node.programs import POLITE
from tests.wait import until


def refused(computer: Computer, command: Command, key: str = "") -> str:
    """Sends a command that must be refused; the reason."""
    before = len(computer.events(kind="refused"))
    computer.send(command, key=key or computer.name)
    until("the refusal", lambda: len(computer.events(kind="refused")) > before, 30, 0.05)
    event = computer.events(kind="refused")[-1]
    assert (event.command, event.task) == (command.id, command.task)
    return event.reason


def test_forged_replayed_expired_and_foreign_commands_are_refused_and_recorded(
    computer: Computer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    task = computer.task("run", computer.submit(POLITE))
    good = computer.order("start", task)
    forged = dataclasses.replace(good, arguments=good.arguments.replace("512", "9999"))
    assert refused(computer, forged) == "the command's signature does not verify"
    assert refused(computer, dataclasses.replace(good, signature=b"")) == "the command's signature does not verify"
    stranger = Signer("test", control_key(tmp_path_factory.mktemp("stranger")))
    foreign = stranger.command(computer.name, "stop", task.task, "test", {})
    assert refused(computer, foreign) == "the command's signature does not verify"
    elsewhere = computer.signer.command("elsewhere", "stop", task.task, "test", {})
    assert refused(computer, elsewhere) == "the command is for node elsewhere"
    long_ago = Signer(
        "late", control_key(computer.home), lambda: time.time_ns() // 1000 - int((VALID_S + SKEW_S + 5) * 1e6)
    )
    assert "expired" in refused(computer, long_ago.command(computer.name, "stop", task.task, "test", {}))
    early = Signer("early", control_key(computer.home), lambda: time.time_ns() // 1000 + int((SKEW_S + 60) * 1e6))
    assert "in the future" in refused(computer, early.command(computer.name, "stop", task.task, "test", {}))
    assert not computer.processes(task)

    computer.send(good)
    computer.fate(good, "done")
    assert "was seen before" in refused(computer, good)
    stop = computer.tell("stop", task)
    computer.fate(stop, "done")
    computer.kill()
    computer.start()
    assert "was seen before" in refused(computer, good)  # it has not forgotten
    assert not computer.processes(task)


def test_bytes_that_are_no_command_stop_nothing(computer: Computer) -> None:
    to = producer(computer.servers)
    for value in (b"", b"noise", b"{}", b'{"id": 1}'):
        to.produce(COMMANDS.name, value, computer.name.encode())
    to.flush(10)
    task, start = computer.run("after", POLITE)
    computer.fate(start, "done")
    assert computer.processes(task)


def test_a_node_obeys_only_once_it_is_approved_and_starts_nothing_while_it_drains(idle: Computer) -> None:
    idle.start()
    beat = idle.beat()
    assert beat.tasks == {}
    task = idle.task("run", idle.submit(POLITE))
    assert refused(idle, idle.order("start", task)) == "the node waits for its approval"
    idle.decide("approved")
    start = idle.tell("start", task)
    until("an answer", lambda: any(e.command == start.id for e in idle.events()), 30, 0.05)
    if idle.events()[-1].kind == "refused":  # the decision and the command came by different ways
        start = idle.tell("start", task)
    idle.fate(start, "done")
    idle.decide("draining", "a new disk")
    other = idle.task("other", task.package)
    until("a refusal", lambda: "draining" in refused(idle, idle.order("start", other)))
    assert idle.processes(task)
    idle.fate(idle.tell("stop", task), "done")


def test_a_removed_node_stops_everything_and_leaves_with_a_sentence(computer: Computer) -> None:
    task, start = computer.run("run", POLITE)
    computer.fate(start, "done")
    computer.decide("removed", "it was sold")
    gone = computer.tell("remove", task)
    assert computer.process is not None
    assert computer.process.wait(30) == 0
    assert computer.printed.splitlines()[-1] == "This node was removed: it was sold. Its algos are stopped."
    assert computer.wait(task, "stopped").reason == ""
    assert not computer.processes(task)
    computer.fate(gone, "done")


def test_packages_that_cannot_be_used_fail_their_start_and_leave_nothing(computer: Computer, tmp_path: Path) -> None:
    outside = io.BytesIO()
    with zipfile.ZipFile(outside, "w") as made:
        made.writestr("../../../../escaped.txt", "x")
    good = archive_of({"main.py": POLITE})
    forged = "ab" * 32  # somebody wrote other bytes under this hash
    produce_all([(PACKAGES, None, forged, Package(forged, "test", good))], computer.servers)
    for archive, why in (
        (outside.getvalue(), "which is not allowed"),
        (good[:-30], "no zip archive"),
        (b"", "no zip archive"),
        (None, "not in the log"),
        (forged, "its bytes are not those of its hash"),
    ):
        sha256 = (
            archive if isinstance(archive, str) else hashlib.sha256(b"?" if archive is None else archive).hexdigest()
        )
        if isinstance(archive, bytes):
            computer.submit(archive)
        task = computer.task("bad", sha256)
        failed = computer.fate(computer.tell("start", task), "failed")
        assert why in failed.reason
        assert not computer.folder(task.task).exists()
    assert not list((computer.home / "node" / "packages").iterdir())
    assert not list(computer.home.parent.rglob("escaped.txt"))
