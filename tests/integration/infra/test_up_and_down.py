"""A home's whole life, with real servers."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra import kafka, migrations, postgres
from infra.errors import UserError
from infra.local import state as states
from infra.settings import Settings
from tests.conftest import free_port_base, portfolio


class Home:
    """A home in a temporary folder with ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = free_port_base()

    def run(self, *arguments: str) -> str:
        """A command that succeeds; what it printed."""
        done = portfolio(*arguments, home=self.folder, base=self.base)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """A command that fails in one sentence; the sentence."""
        done = portfolio(*arguments, home=self.folder, base=self.base)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr.strip()

    def service(self, name: str) -> dict[str, Any]:
        """A service's line of ``status --json``."""
        services = json.loads(self.run("status", "--json"))["services"]
        return next(service for service in services if service["name"] == name)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    portfolio("down", "--wipe", home=made.folder, base=made.base)


def wait_until(holds: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_up_status_and_down_twice(home: Home) -> None:
    for _ in range(2):
        assert "PostgreSQL" in home.run("up", "--detach", "--only", "postgres")
        running = home.service("postgres")
        assert running["state"] == "running"
        assert running["port"] == home.base + 32
        assert running["ready_s"] > 0
        assert "Already started" in home.run("up", "--detach")
        assert psutil.pid_exists(running["pid"])
        home.run("down")
        assert not psutil.pid_exists(running["pid"])
        assert home.service("postgres")["state"] == "stopped"
    assert "Nothing ran" in home.run("down", "--wipe")
    assert not (home.folder / "data").exists()


def test_a_taken_port_is_told_before_anything_is_started(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", home.base + 32))
        other.listen()
        said = home.refused("up", "--detach", "--only", "postgres")
    assert f"Port {home.base + 32}, which PostgreSQL needs, is taken" in said
    assert f"process {os.getpid()}" in said
    assert "PORTFOLIO_PORT_BASE" in said


def test_a_half_made_data_folder_is_made_again_and_a_damaged_one_is_told(home: Home) -> None:
    (home.folder / "data" / "postgres" / "data").mkdir(parents=True)
    (home.folder / "data" / "postgres" / "data" / "PG_VERSION").write_text("18", encoding="utf-8")
    home.run("up", "--detach", "--only", "postgres")
    home.run("down")
    (home.folder / "data" / "postgres" / "data" / "PG_VERSION").write_text("9.1\n", encoding="utf-8")
    assert "down --wipe" in home.refused("up", "--detach", "--only", "postgres")
    assert home.service("postgres")["state"] == "dead"
    home.run("down", "--wipe")
    home.run("up", "--detach", "--only", "postgres")


def test_what_a_killed_supervisor_left_is_stopped_and_started_anew(home: Home) -> None:
    home.run("up", "--detach", "--only", "postgres")
    before = home.service("postgres")["pid"]
    state = states.read(home.folder)
    assert state
    os.kill(state.supervisor.pid, signal.SIGKILL)
    wait_until(lambda: state.supervisor.process() is None)
    assert psutil.pid_exists(before)
    home.run("up", "--detach", "--only", "postgres")
    assert home.service("postgres")["pid"] != before
    assert not psutil.pid_exists(before)


def test_a_killed_server_comes_back_with_its_data_and_the_cause_is_told(servers: Settings) -> None:
    home = Home(servers.home)
    home.base = servers.port_base
    before = home.service("kafka")
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: "SIGKILL" in home.service("kafka")["error"])
    wait_until(lambda: home.service("kafka")["state"] == "running")
    after = home.service("kafka")
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1
    assert kafka.make_topics(servers) == []


def test_a_migration_runs_once_in_all_or_nothing_and_may_not_change(servers: Settings, tmp_path: Path) -> None:
    good = tmp_path / "9001_test.sql"
    good.write_text("CREATE TABLE migration_test (a int);", encoding="utf-8")
    assert migrations.migrate_postgres(servers, tmp_path) == [good.name]
    assert migrations.migrate_postgres(servers, tmp_path) == []
    bad = tmp_path / "9002_test.sql"
    bad.write_text("CREATE TABLE migration_half (a int); SELECT broken;", encoding="utf-8")
    with pytest.raises(UserError, match="9002_test"):
        migrations.migrate_postgres(servers, tmp_path)
    with postgres.connect(servers) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('migration_half')")
        assert cursor.fetchone() == (None,)
    bad.unlink()
    good.write_text("CREATE TABLE migration_test (a bigint);", encoding="utf-8")
    with pytest.raises(UserError, match="was changed"):
        migrations.migrate_postgres(servers, tmp_path)


def test_a_cassandra_migration_that_was_cut_short_is_run_again(servers: Settings, tmp_path: Path) -> None:
    file = tmp_path / "9001_test.cql"
    file.write_text("CREATE TABLE migration_test (a int PRIMARY KEY);\nCREATE TABEL oops;", encoding="utf-8")
    with pytest.raises(UserError, match="9001_test"):
        migrations.migrate_cassandra(servers, tmp_path)
    file.write_text("CREATE TABLE migration_test (a int PRIMARY KEY);", encoding="utf-8")
    assert migrations.migrate_cassandra(servers, tmp_path) == [file.name]
    assert migrations.migrate_cassandra(servers, tmp_path) == []
