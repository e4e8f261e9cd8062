"""Runs a command, and turns what a person can do something about into one sentence."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import typer

from infra.cli.gather import Gathered
from infra.errors import UserError
from schemas.calendar import CalendarError

app = typer.Typer(
    cls=Gathered,
    help="Portfolio: the market on one command. `up` starts everything, Ctrl-C (or `down`) stops it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def top(
    home: str = typer.Option(
        "", metavar="DIR", help="The folder of the data, for every command; .portfolio by default.", show_default=False
    ),
) -> None:
    """Portfolio: the market on one command. `up` starts everything, Ctrl-C (or `down`) stops it."""
    if home:
        os.environ["PORTFOLIO_HOME"] = str(Path(home).expanduser().absolute())


def main(arguments: list[str]) -> int:
    """The exit status of a command: 0, 1 when it could not be done, 2 when it was not understood."""
    try:
        app(args=home_first(arguments), prog_name="portfolio")
    except SystemExit as end:  # how typer ends every command
        return end.code if isinstance(end.code, int) else 1
    except UserError as error:
        return complain(str(error))
    except tomllib.TOMLDecodeError as error:
        return complain(f"The home's settings.toml cannot be read: {error}.")
    except CalendarError as error:
        return complain(str(error))
    except ValueError as error:
        if sentence := setting_sentence(error):
            return complain(sentence)
        raise
    return 0


def home_first(arguments: list[str]) -> list[str]:
    """The arguments with ``--home DIR`` moved to the front, so that it can stand anywhere before a ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    for at, word in enumerate(arguments[:end]):
        if word == "--home" and at + 1 < end:
            return [word, arguments[at + 1], *arguments[:at], *arguments[at + 2 :]]
        if word.startswith("--home="):
            return [word, *arguments[:at], *arguments[at + 1 :]]
    return arguments


def setting_sentence(error: ValueError) -> str:
    """What is wrong with a setting; empty when the error is about something else."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.title != "Settings":
        return ""
    first = error.errors()[0]
    name = str(first["loc"][0])
    said = first["msg"][0].lower() + first["msg"][1:]
    return f"The setting {name} (PORTFOLIO_{name.upper()}, or settings.toml in the home) is {first['input']!r}: {said}."


def complain(sentence: str) -> int:
    """Prints an error's sentence; 1."""
    typer.secho(sentence, fg="red", err=True)
    return 1
