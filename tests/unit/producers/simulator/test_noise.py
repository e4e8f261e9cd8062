"""Random numbers by hash: the same everywhere, and as random as they say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producers.simulator.noise import bits, keys, normal, uniform, wander

SEEDS = st.integers(0, 2**63 - 1)


@given(SEEDS, st.lists(st.integers(0, 2**31), min_size=1, max_size=20), st.integers(0, 2**40))
def test_each_number_depends_only_on_what_it_is_for(seed: int, tokens: list[int], counter: int) -> None:
    together = bits(keys(seed, np.array(tokens)), counter)
    alone = [bits(keys(seed, np.array([token])), counter)[0] for token in tokens]
    assert together.tolist() == alone


def test_uniform_and_normal_are_what_their_names_say() -> None:
    h = bits(keys(7, np.array([408065])), np.arange(200_000))
    assert abs(uniform(h).mean() - 0.5) < 0.005
    assert abs(normal(h).mean()) < 0.01
    assert abs(normal(h).std() - 1.0) < 0.01


def test_a_walk_has_steps_of_one_and_stays_near() -> None:
    days = np.arange(730_000, 742_000)
    walks = np.array([wander(keys(seed, np.array([1])), days) for seed in range(20)])
    assert 0.8 < np.diff(walks).std() < 1.2
    assert np.abs(walks).max() < 60
