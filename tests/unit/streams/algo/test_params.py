"""Parameters: what is given as text becomes a value within its bounds, or one clear sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import UserError
from streams.algo import Algo, param
from streams.algo.params import Value, declared, read_settings


class Many(Algo):
    """Parameters of every type."""

    fast: int = param(5, low=2, high=50, help="candles")
    share: float = param(0.5, low=0, high=1)
    eager: bool = param(False)
    side: str = param("long", choices=("long", "short"))
    note: str = param("")

    def on_tick(self, tick: object) -> None:
        pass


PARAMETERS = list(Many.parameters.values())


@given(st.integers(2, 50), st.floats(0, 1), st.booleans(), st.sampled_from(["long", "short"]), st.text())
def test_values_that_fit_come_back_from_their_text(fast: int, share: float, eager: bool, side: str, note: str) -> None:
    given: dict[str, Value] = {"fast": fast, "share": share, "eager": eager, "side": side, "note": note}
    assert read_settings(PARAMETERS, {name: str(value) for name, value in given.items()}) == given
    assert read_settings(PARAMETERS, given) == given


def test_what_is_not_given_has_its_default() -> None:
    assert read_settings(PARAMETERS, {}) == {"fast": 5, "share": 0.5, "eager": False, "side": "long", "note": ""}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("fast", "1", "fast is an integer from 2 to 50, not '1'."),
        ("fast", "51", "fast is an integer from 2 to 50, not '51'."),
        ("fast", "2.5", "fast is an integer from 2 to 50, not '2.5'."),
        ("fast", 2.5, "fast is an integer from 2 to 50, not 2.5."),
        ("fast", "", "fast is an integer from 2 to 50, not ''."),
        ("fast", True, "fast is an integer from 2 to 50, not True."),
        ("share", "nan", "share is a number from 0 to 1, not 'nan'."),
        ("share", "inf", "share is a number from 0 to 1, not 'inf'."),
        ("eager", "perhaps", "eager is true or false, not 'perhaps'."),
        ("side", "left", "side is long or short, not 'left'."),
        ("fats", "5", "There is no parameter 'fats'; did you mean fast?"),
        ("zzz", "5", "There is no parameter 'zzz'; there are fast, share, eager, side, note."),
    ],
)
def test_what_does_not_fit_is_one_sentence(name: str, value: Value, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        read_settings(PARAMETERS, {name: value})
    assert str(error.value) == sentence


def test_a_default_out_of_its_bounds_is_the_authors_mistake() -> None:
    with pytest.raises(UserError, match=r"The default of a parameter does not fit: size is an integer of at least 3"):
        declared("size", param(2, low=3), "int")  # type: ignore[arg-type]


def test_a_type_that_is_none_of_ours_is_named() -> None:
    with pytest.raises(UserError, match="Parameter when is declared as date"):
        declared("when", param("x"), "date")  # type: ignore[arg-type]


def test_parameters_and_state_are_inherited() -> None:
    class More(Many):
        """One more, and one that is different."""

        fast: int = param(9)
        extra: int = param(1)

    assert read_settings(More.parameters.values(), {"fast": "99"})["fast"] == 99
    assert list(More.parameters) == ["fast", "share", "eager", "side", "note", "extra"]
    assert Many.parameters["fast"].default == 5
