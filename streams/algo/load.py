"""Finds the one algo in an unpacked package and imports it. Every way in which that fails is one clear sentence."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from infra.errors import UserError
from streams.algo.base import Algo
from streams.algo.definition import Definition, definition_of

ENTRY = "algo.py"  # a folder's file that has the algo; without it the only file that has one
LEAST_PYTHON = "3.11"
_SCRIPT = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")  # PEP 723, the reference's expression
_LEAST = re.compile(r"requires-python\s*=\s*[\"']\s*(?:>=|~=|==)\s*(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """An algo and where it is. ``entry`` is ``file:name``."""

    definition: Definition
    entry: str
    python: str


def load(folder: Path) -> Loaded:
    """The algo in a folder. UserError says what is wrong with it."""
    files = [folder / ENTRY] if (folder / ENTRY).is_file() else sorted(folder.glob("*.py"))
    files = [file for file in files if not file.name.startswith(("_", "test_", "conftest"))]
    if not files:
        raise UserError("There is no algo: no Python file lies at the top of the package.")
    sys.path.insert(0, str(folder))
    least = {file: _least_python(file) for file in files}
    found = [(file, made) for file in files for made in _algos_of(_imported(file))]
    leaves = [(file, made) for file, made in found if not any(_is_base(made, other) for _, other in found)]
    if not leaves:
        names = ", ".join(file.name for file in files)
        raise UserError(f"There is no algo in {names}: no subclass of Algo, and no function with @algo.")
    if len(leaves) > 1:
        names = " and ".join(f"{made.__name__} in {file.name}" for file, made in leaves)
        raise UserError(f"There are {len(leaves)} algos, {names}: a package has one.")
    file, made = leaves[0]
    return Loaded(definition_of(made), f"{file.name}:{made.__name__}", least[file])


def _algos_of(module: ModuleType) -> list[type[Algo]]:
    """Those that are written there, not those that it imports."""
    values = {id(value): value for value in vars(module).values()}.values()
    return [
        value for value in values
        if inspect.isclass(value) and issubclass(value, Algo) and value.__module__ == module.__name__
    ]  # fmt: skip


def _is_base(made: type[Algo], other: type[Algo]) -> bool:
    return made is not other and issubclass(other, made)


def _imported(file: Path) -> ModuleType:
    name = file.stem if file.stem.isidentifier() and file.stem not in sys.modules else f"algo_{abs(hash(file.stem))}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # noqa: S101 - a file that ends with .py has a loader
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f"{Path(error.filename or file).name} line {error.lineno}"
        raise UserError(f"{where} is no valid Python {_here()}: {error.msg}.") from None
    except ImportError as error:
        what = f"needs the module {error.name!r}, which is not here" if _is_missing(error) else "cannot import"
        raise UserError(f"{_place(error, file)} {what}: {error}.") from None
    except UserError as error:
        raise UserError(f"{_place(error, file)}: {error}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the file does when it is imported
        raise UserError(f"{_place(error, file)} raised {type(error).__name__} when it was imported: {error}.") from None
    return module


def _is_missing(error: ImportError) -> bool:
    return isinstance(error, ModuleNotFoundError) and bool(error.name)


def _place(error: BaseException, file: Path) -> str:
    """The last line of the package's own that led there."""
    lines = traceback.extract_tb(error.__traceback__)
    own = [line for line in lines if Path(line.filename).resolve().is_relative_to(file.parent.resolve())]
    return f"{Path(own[-1].filename).name} line {own[-1].lineno}" if own else file.name


def _least_python(file: Path) -> str:
    """What the file's inline metadata (PEP 723) asks for. UserError when this Python is older."""
    block = _SCRIPT.search(file.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n"))
    asked = _LEAST.search(block.group("content")) if block else None
    if asked is None:
        return LEAST_PYTHON
    least = int(asked[1]), int(asked[2])
    if sys.version_info[:2] < least:
        raise UserError(f"{file.name} needs Python {least[0]}.{least[1]} or later; this is Python {_here()}.")
    return max(f"{least[0]}.{least[1]}", LEAST_PYTHON, key=lambda v: tuple(map(int, v.split("."))))


def _here() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
