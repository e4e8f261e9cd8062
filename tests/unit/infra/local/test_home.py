from pathlib import Path

import pytest

from infra.errors import UserError
from infra.local.home import is_home, make_home, wipe


def test_wiping_leaves_settings_and_refuses_a_folder_that_is_not_a_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    (home / "settings.toml").touch()
    (home / "data" / "kafka").mkdir()
    wipe(home)
    assert is_home(home)
    assert (home / "settings.toml").exists()
    assert not (home / "data").exists()
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match="not a home"):
        wipe(tmp_path)
    assert (tmp_path / "data").exists()


def test_a_folder_with_other_things_is_not_made_a_home(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UserError, match=r"thesis\.txt"):
        make_home(tmp_path)
    assert not is_home(tmp_path)


def test_wiping_follows_no_link_out_of_the_home(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (tmp_path / "home" / "data").rmdir()
    (tmp_path / "home" / "data").symlink_to(tmp_path / "elsewhere")
    wipe(tmp_path / "home")
    assert (tmp_path / "elsewhere" / "kept").exists()
