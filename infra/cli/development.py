"""The commands of those who work on Portfolio: test, check, bench, lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.settings import CHECKOUT

app = typer.Typer(no_args_is_help=True)

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
CHECKS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "import-linter": ["-c", "from importlinter.cli import lint_imports_command as run; run()"],
}
# Most of the suite waits for leases, beats and sessions to run out, so groups of tests (tests/conftest.py) run side by
# side, each worker with servers of its own.
ALL_AT_ONCE = ("-n", "3", "--dist", "loadscope", "--no-loadscope-reorder", "--durations", "20")
COMPILE = [
    *("--quiet", "--allow-unsafe", "--generate-hashes", "--strip-extras"),
    *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links", "--no-emit-options"),
]

Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also as one flat JSON object.")]
Upgrade = Annotated[bool, typer.Option("--upgrade", help="To the newest versions that requirements.in allows.")]
Jars = Annotated[bool, typer.Option("--jars", help="Also resolve and pin the servers' jars anew.")]


@app.command(context_settings=PASS_ON)
def test(context: typer.Context) -> None:
    """Run all the tests, those on real servers included; arguments go to pytest."""
    raise typer.Exit(python("-m", "pytest", *(() if context.args else ALL_AT_ONCE), *context.args))


@app.command()
def check() -> None:
    """Check the code: lint, format, types, and which room imports which."""
    console = Console(highlight=False)
    failed = 0
    for name, words in CHECKS.items():
        done = subprocess.run([sys.executable, *words], cwd=CHECKOUT, capture_output=True, text=True, check=False)
        console.print(f"[green]✓[/] {name}" if done.returncode == 0 else f"[red]✗ {name}[/]")
        if done.returncode:
            failed += 1
            sys.stdout.write(done.stdout + done.stderr)
    raise typer.Exit(1 if failed else 0)


@app.command(context_settings=PASS_ON)
def bench(context: typer.Context, json: Json = None) -> None:
    """Measure against the plain way, on real servers; a table, and numbers for machines with --json FILE."""
    file = ["--json", str(json.absolute())] if json else []
    raise typer.Exit(python("-m", "tests.bench", *file, *context.args))


@app.command()
def lock(upgrade: Upgrade = False, jars: Jars = False) -> None:
    """Pin what is installed, with digests: requirements.lock, requirements-dev.lock, and the jars with --jars."""
    console = Console(highlight=False)
    for name in ("requirements", "requirements-dev"):
        console.print(f"{name}.in → {name}.lock")
        more = ["--upgrade"] if upgrade else []
        if status := python("-m", "piptools", "compile", *COMPILE, *more, f"--output-file={name}.lock", f"{name}.in"):
            raise typer.Exit(status)
    if jars:
        from infra.local.jars import LOCK, format_lock, resolve

        LOCK.write_text(format_lock(resolve(console.print)), encoding="utf-8")
        console.print(f"{LOCK.relative_to(CHECKOUT)}")


def python(*words: str) -> int:
    """Runs this environment's Python in the checkout; its exit status."""
    return subprocess.run([sys.executable, *words], cwd=CHECKOUT, check=False).returncode
