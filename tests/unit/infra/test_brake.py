"""The kill switch's file."""

from __future__ import annotations

from pathlib import Path

from infra.brake import Brake, brake_file, read_brake, set_brake, strictest


def test_nothing_holds_at_first(tmp_path: Path) -> None:
    assert read_brake(tmp_path) == {}
    assert Brake(tmp_path).held() == {}


def test_what_holds_is_seen_by_others_and_by_those_who_start_later(tmp_path: Path) -> None:
    brake = Brake(tmp_path)
    assert brake.held() == {}
    set_brake(tmp_path, "platform", "HALTED", "asha", "lunch")
    set_brake(tmp_path, "account:live", "REDUCING", "asha")
    for seen in (brake.held(), Brake(tmp_path).held()):
        assert {scope: hold.state for scope, hold in seen.items()} == {
            "platform": "HALTED", "account:live": "REDUCING",
        }  # fmt: skip
    assert brake.held()["platform"].reason == "lunch"
    set_brake(tmp_path, "platform", "ACTIVE", "asha")
    assert list(brake.held()) == ["account:live"]


def test_a_damaged_file_halts_the_platform_until_somebody_resumes(tmp_path: Path) -> None:
    for damage in ("{", "[]", '{"platform": {"state": "OFF", "actor": "", "at_us": 0, "reason": ""}}', '{"a": 1}'):
        brake_file(tmp_path).write_text(damage)
        assert read_brake(tmp_path)["platform"].state == "HALTED"
    set_brake(tmp_path, "platform", "ACTIVE", "asha")
    assert read_brake(tmp_path) == {}


def test_the_strictest_state_counts() -> None:
    assert strictest({}, ("platform",)) == "ACTIVE"
    assert strictest({"platform": "REDUCING", "algo:a": "HALTED"}, ("platform", "algo:a")) == "HALTED"
    assert strictest({"platform": "REDUCING", "algo:a": "HALTED"}, ("platform", "algo:b")) == "REDUCING"
