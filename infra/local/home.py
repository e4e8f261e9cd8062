"""A home: the folder in which one instance of the platform keeps its data, logs and run state."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.errors import UserError
from infra.settings import CHECKOUT

MARK = "portfolio-home"  # a file that says that this folder is ours, so that `down --wipe` never empties another
OURS = ("data", "run", "node", "clock.json")  # what --wipe removes; settings, keys, logs, environment and jars stay
MAY_BE_THERE = {MARK, "settings.toml", "clock.json", "data", "logs", "run", "venv", "jars"}


def is_home(home: Path) -> bool:
    """Whether a folder has been made a home."""
    return (home / MARK).is_file()


def make_home(home: Path) -> None:
    """Makes a folder a home. UserError when it holds other things, or cannot be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        strange = {entry.name for entry in home.iterdir()} - MAY_BE_THERE
        if strange and not is_home(home) and home != CHECKOUT / ".portfolio":
            raise UserError(f"{home} holds other things ({min(strange)}, …): choose an empty or a new folder.")
        for folder in ("data", "logs", "run"):
            (home / folder).mkdir(exist_ok=True)
        (home / MARK).write_text("A home of Portfolio: its data, logs and run state.\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"The folder {home} cannot be used: {error.strerror}.") from error


def wipe(home: Path) -> None:
    """Removes a home's data. UserError when the folder is not a home."""
    if not is_home(home):
        raise UserError(f"{home} is not a home of Portfolio (it has no file {MARK}); nothing was removed.")
    for name in OURS:
        path = home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
