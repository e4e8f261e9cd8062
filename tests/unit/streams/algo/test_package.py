"""Packages: the same bytes for the same files; whatever is wrong with one is one clear sentence."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from infra.errors import UserError
from infra.settings import CHECKOUT
from streams.algo import package
from streams.algo.package import describe, pack

EXAMPLES = CHECKOUT / "streams" / "algo" / "examples"
ALGO = "from streams.algo import Algo\nclass {name}(Algo):\n    def on_tick(self, tick): pass\n"


def folder(place: Path, **files: str) -> Path:
    """A folder with these Python files."""
    place.mkdir(exist_ok=True)
    for name, text in files.items():
        (place / f"{name}.py").write_text(text, encoding="utf-8")
    return place


def test_a_folder_is_packed_the_same_whatever_its_files_dates_and_hidden_things(tmp_path: Path) -> None:
    place = folder(tmp_path / "mine", algo=ALGO.format(name="Mine"), more="X = 1")
    first = pack(place)
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "algo.pyc").write_bytes(b"x")
    (place / ".secret").write_text("x")
    os.utime(place / "algo.py", (1, 1))
    (place / "algo.py").chmod(0o600)
    assert pack(place) == first
    assert zipfile.ZipFile(io.BytesIO(first)).namelist() == ["algo.py", "more.py"]
    (place / "more.py").write_text("X = 2")
    assert pack(place) != first


def test_what_is_told_of_the_examples() -> None:
    told = describe(EXAMPLES / "crossover.py")
    assert told["entry"] == "crossover.py:Crossover"
    assert told["inputs"] == ["candles:1m", "orders"]
    assert (told["python"], told["files"]) == ("3.11", 1)
    assert told["description"].startswith("Two moving averages")
    parameters = json.loads(told["parameters"])
    assert [p["name"] for p in parameters] == ["fast", "slow", "quantity"]
    assert parameters[0] == {
        "name": "fast", "type": "int", "default": 3, "low": 1, "high": 50, "choices": [],
        "help": "candles in the fast average",
    }  # fmt: skip
    assert describe(pack(EXAMPLES / "spread.py"))["entry"] == "spread.py:Spread"


def test_a_function_is_an_algo_and_a_file_may_import_its_neighbour(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom near import N\nfrom streams.algo import algo, param\nprint('noise')\n"
        "@algo(candles='5m', history=N)\ndef follow(window, size: int = param(2, low=1), wild=0.5):\n"
        "    'Follows.\\n\\n    More.'\n    return size\n"
    )
    told = describe(folder(tmp_path / "f", algo=code, near="N = 7"))
    assert (told["entry"], told["inputs"], told["description"]) == ("algo.py:follow", ["candles:5m"], "Follows.")
    assert [(p["name"], p["type"]) for p in json.loads(told["parameters"])] == [("size", "int"), ("wild", "float")]
    assert told["files"] == 2


def test_a_base_class_in_another_file_is_no_second_algo(tmp_path: Path) -> None:
    mine = "from base import Base\nclass Mine(Base):\n    pass\n"
    assert describe(folder(tmp_path / "f", base=ALGO.format(name="Base"), mine=mine))["entry"] == "mine.py:Mine"


WRONG = {
    "none": ("x = 1", "There is no algo in wrong.py: no subclass of Algo, and no function with @algo."),
    "two": (
        ALGO.format(name="A") + ALGO.format(name="B"),
        "There are 2 algos, A in wrong.py and B in wrong.py: a package has one.",
    ),
    "syntax": ("class A(:\n", "wrong.py line 1 is no valid Python 3.11: invalid syntax."),
    "import": (
        "x = 1\nimport talib_of_nobody\n",
        "wrong.py line 2 needs the module 'talib_of_nobody', which is not here: No module named 'talib_of_nobody'.",
    ),
    "name": (
        "from streams.algo import Algos\n",
        "wrong.py line 1 cannot import: cannot import name 'Algos' from 'streams.algo'",
    ),
    "raises": ("1 / 0\n", "wrong.py line 1 raised ZeroDivisionError when it was imported: division by zero."),
    "exits": ("import sys\nsys.exit('bye')\n", "wrong.py line 2 raised SystemExit when it was imported: bye."),
    "dies": ("import os\nos._exit(7)\n", "The algo's file cannot be imported: Python ended with status 7."),
    "python": (
        "# /// script\n# requires-python = '>=3.99'\n# ///\nnew syntax here\n",
        "wrong.py needs Python 3.99 or later; this is Python 3.",
    ),
    "deaf": (
        "from streams.algo import Algo\nclass A(Algo): pass\n",
        "A listens to nothing: define on_tick, on_candle, on_signal or on_timer.",
    ),
    "interval": (
        "from streams.algo import Algo\nclass A(Algo):\n    candles = '7m'\n    def on_candle(self, c): pass\n",
        "A: there is no candle interval '7m'; there are 1m, 3m, 5m, 10m, 15m, 30m, 60m, 1d.",
    ),
    "unasked": (
        "from streams.algo import Algo\nclass A(Algo):\n    def on_candle(self, c): pass\n",
        "A defines on_candle but does not declare `candles`, so nothing would call it.",
    ),
    "both": (
        ALGO.format(name="A") + "    def on_ticks(self, b): pass\n",
        "A defines on_tick and on_ticks: define one of them, both get the same ticks.",
    ),
    "default": (
        "from streams.algo import Algo, param\nclass A(Algo):\n    n: int = param(1, low=2)\n",
        "wrong.py line 2: The default of a parameter does not fit: n is an integer of at least 2, not 1.",
    ),
    "history": (
        ALGO.format(name="A") + "    history = 'slow'\n",
        "A.history is a number of candles from 1 to 10000, or the name of such a parameter, not 'slow'.",
    ),
    "async": (ALGO.format(name="A").replace("def", "async def"), "A.on_tick is async; callbacks are plain functions."),
}


@pytest.mark.parametrize(("code", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path: Path, code: str, sentence: str) -> None:
    (tmp_path / "wrong.py").write_text(code, encoding="utf-8")
    with pytest.raises(UserError) as error:
        describe(tmp_path / "wrong.py")
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_a_file_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "DESCRIBE_WITHIN_S", 2)
    (tmp_path / "slow.py").write_text("import subprocess\nsubprocess.run(['sleep', '1000'])\n", encoding="utf-8")
    with pytest.raises(UserError, match="Importing the algo's file took more than 2 s"):
        describe(tmp_path / "slow.py")


def test_archives_that_are_none_or_too_large() -> None:
    with pytest.raises(UserError, match="no zip archive"):
        describe(b"PK\x03\x04 not really")
    with pytest.raises(UserError, match=r"has 4.1 MB; at most 4 MB are taken"):
        describe(bytes(4_300_000))


def test_paths_that_are_no_algo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("x")
    place = folder(tmp_path / "big", algo=ALGO.format(name="A"))
    with pytest.raises(UserError, match="is no Python file"):
        pack(tmp_path / "notes.txt")
    with pytest.raises(UserError, match="There is no file or folder"):
        pack(tmp_path / "absent")
    with pytest.raises(UserError, match="has no Python file at its top"):
        pack(tmp_path)
    (place / "data").write_bytes(os.urandom(4_300_000))
    with pytest.raises(UserError, match=r"has 4.1 MB packed; at most 4 MB are taken"):
        pack(place)
    (place / "data").unlink()
    (place / "link").symlink_to("/etc/hostname")
    with pytest.raises(UserError, match="is a link"):
        pack(place)
    (place / "link").unlink()
    monkeypatch.setattr(package, "MOST_FILES", 0)
    with pytest.raises(UserError, match="has 1 files; an algo's package has at most 0"):
        pack(place)


README = (CHECKOUT / "streams" / "algo" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", [c for c in re.findall(r"```python\n(.*?)```", README, re.S) if c.startswith("from")])
def test_the_algos_of_the_readme_are_algos(tmp_path: Path, code: str) -> None:
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    told = describe(tmp_path / "mine.py")
    assert told["inputs"] == ["candles:5m"]
    assert told["description"]
