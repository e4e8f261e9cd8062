import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from infra.cli.entrance import home_first, setting_sentence
from infra.cli.gather import commands_of
from infra.errors import UserError
from infra.settings import Settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["status", "--home", "d", "--json"], ["--home", "d", "status", "--json"]),
        (["status", "--home=d"], ["--home=d", "status"]),
        (["test", "--", "--home", "d"], ["test", "--", "--home", "d"]),
        (["status"], ["status"]),
    ],
)
def test_home_may_stand_anywhere(given: list[str], expected: list[str]) -> None:
    assert home_first(given) == expected


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ValueError, match="port_base") as raised:
        Settings(port_base="many")  # type: ignore[arg-type]
    assert "PORTFOLIO_PORT_BASE" in setting_sentence(raised.value)
    assert setting_sentence(ValueError("another")) == ""


def test_a_room_that_is_not_there_has_no_commands_and_a_broken_one_is_told(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("rooms")
    (folder / "broken_room.py").write_text("import no_such_package", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    assert commands_of(EntryPoint("absent", "absent_room.cli:app", "portfolio.commands")) == {}
    with pytest.raises(UserError, match="broken cannot be loaded: No module named 'no_such_package'"):
        commands_of(EntryPoint("broken", "broken_room:app", "portfolio.commands"))


def test_showing_the_state_imports_nothing_heavy() -> None:
    heavy = "{'pandas', 'numpy', 'confluent_kafka', 'cassandra', 'faust', 'fastapi'}"
    program = (
        "import sys; from infra.cli.entrance import main; main(['status']); "
        f"sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
