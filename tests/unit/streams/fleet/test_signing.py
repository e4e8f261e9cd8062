"""A node obeys what its platform signed for it, once and in time; anything else is refused with its reason."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import UserError
from schemas.codec import decode, encode
from schemas.fleet import Command
from streams.fleet.signing import Checker, RefusedError, Signer, control_key, trust_of

NOW = 1_763_617_500_000_000
KEY = Ed25519PrivateKey.generate()


def signer(now_us: int = NOW) -> Signer:
    return Signer("console", KEY, lambda: now_us)


def checker(node: str = "desk") -> Checker:
    return Checker(node, trust_of(KEY))


def start(by: Signer) -> Command:
    return by.command("desk", "start", "a@desk", "asha", {"task": "a@desk", "note": "₹"}, "ab" * 32)


def test_a_signed_command_is_obeyed_once_after_a_way_through_kafka() -> None:
    node, command = checker(), decode(Command, encode(start(signer())))
    node.check(command, NOW)
    with pytest.raises(RefusedError, match="seen before"):
        node.check(command, NOW)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Command) if f.name != "signature"])
def test_no_field_can_be_changed(name: str) -> None:
    command = start(signer())
    old = getattr(command, name)
    forged = dataclasses.replace(command, **{name: old + 1 if isinstance(old, int) else old + "x"})
    with pytest.raises(RefusedError, match=r"signature|for node"):
        checker().check(forged, NOW)


def test_a_command_of_another_platform_is_refused() -> None:
    foreign = Signer("console", Ed25519PrivateKey.generate(), lambda: NOW)
    with pytest.raises(RefusedError, match="signature"):
        checker().check(start(foreign), NOW)


@pytest.mark.parametrize(("later_s", "says"), [(151, "expired 91 s ago"), (-91, "91 s in the future")])
def test_a_command_has_its_time(later_s: int, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        checker().check(start(signer()), NOW + later_s * 1_000_000)


@given(st.permutations(range(5)))
def test_of_one_signer_only_ever_later_commands_are_obeyed(order: list[int]) -> None:
    by, node = signer(), checker()
    commands = [start(by) for _ in range(5)]
    obeyed: list[int] = []
    for number in order:
        try:
            node.check(commands[number], NOW)
            obeyed.append(number)
        except RefusedError:
            pass
    assert obeyed == sorted(obeyed)
    assert obeyed[-1] == 4


def test_the_control_key_is_kept_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = control_key(tmp_path)
    assert trust_of(control_key(tmp_path)) == trust_of(first)
    assert (tmp_path / "control.key").stat().st_mode & 0o077 == 0
    (tmp_path / "control.key").write_bytes(b"short")
    with pytest.raises(UserError, match="does not hold a control key"):
        control_key(tmp_path)


def test_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    for n in range(20):
        with ThreadPoolExecutor(4) as processes:
            keys = list(processes.map(lambda _, home=tmp_path / str(n): trust_of(control_key(home)), range(4)))  # type: ignore[misc]
        assert len(set(keys)) == 1
        assert [path.name for path in (tmp_path / str(n)).iterdir()] == ["control.key"]
