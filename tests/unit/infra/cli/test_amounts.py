"""Negative amounts on the command line."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from infra.cli.amounts import Amounts

app = typer.Typer()


@app.command(cls=Amounts)
def buy(name: str, quantity: str, price: str = "", dry: bool = False) -> None:
    """Says what it was given."""
    typer.echo(f"{name} {quantity} {price or 'market'} {dry}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["INFY", "10"], "INFY 10 market False"),
        (["INFY", "-5"], "INFY -5 market False"),
        (["INFY", "-.5%", "--dry"], "INFY -.5% market True"),
        (["INFY", "-5", "--price", "-3"], "INFY -5 -3 False"),
        (["--price", "-3", "INFY", "10"], "INFY 10 -3 False"),
        (["INFY", "--", "-5"], "INFY -5 market False"),
    ],
)
def test_a_negative_number_is_an_amount(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.output.strip()) == (0, said)


@pytest.mark.parametrize("words", [["INFY", "10", "--prise", "5"], ["INFY", "10", "-x"]])
def test_an_unknown_option_is_still_one(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "No such option" in done.output
