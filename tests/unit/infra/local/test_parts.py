import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import UserError
from infra.local.parts import parts_of, stop_waves, with_needs
from infra.local.running import LONGEST_DELAY_S, delay_s
from infra.settings import Settings

NEEDS = {
    "kafka": (),
    "cassandra": (),
    "simulator": (),
    "feed": ("kafka", "simulator"),
    "candles": ("kafka", "cassandra"),
}


@given(st.lists(st.sampled_from(sorted(NEEDS)), unique=True))
def test_each_comes_after_its_needs_and_stops_before_them(wanted: list[str]) -> None:
    started = with_needs(wanted, NEEDS)
    assert set(wanted) <= set(started)
    for at, name in enumerate(started):
        assert set(NEEDS[name]) <= set(started[:at])
    waves = stop_waves(started, NEEDS)
    assert sorted(name for wave in waves for name in wave) == sorted(started)
    for at, wave in enumerate(waves):
        assert not {need for later in waves[at:] for name in later for need in NEEDS[name]} & set(wave)


def test_an_unknown_name_and_a_circle_are_told() -> None:
    with pytest.raises(UserError, match="no service postgress"):
        with_needs(["postgress"], NEEDS)
    with pytest.raises(UserError, match="a → b → a"):
        with_needs(["a"], {"a": ("b",), "b": ("a",)})


def test_a_server_elsewhere_is_not_started() -> None:
    kafka, cassandra = parts_of(Settings(kafka="broker:9092"), ["kafka", "cassandra"])
    assert kafka.command is None
    assert kafka.address == "broker:9092"
    assert cassandra.command is not None


def test_a_service_does_without_what_nobody_wants() -> None:
    names = [part.name for part in parts_of(Settings(kite_api="https://api.kite.trade"), ["feed"])]
    assert names[-1] == "feed"
    assert "simulator" not in names
    assert "simulator" in [part.name for part in parts_of(Settings(), ["feed"])]


def test_the_password_of_a_server_elsewhere_is_not_shown() -> None:
    (postgres,) = parts_of(Settings(postgres="postgresql://me:secret@db:5432/portfolio"), ["postgres"])
    assert postgres.address == "postgresql://db:5432/portfolio"


def test_a_first_death_costs_no_delay_and_many_cost_a_bounded_one() -> None:
    delays = [delay_s(deaths) for deaths in range(1, 40)]
    assert delays[0] == 0
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY_S
