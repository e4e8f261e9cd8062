"""The commands of all rooms, found through the entry points ``portfolio.commands``, each loaded when it is needed.

A room's typer app gives its commands to the top; an app with a name (``typer.Typer(name="feed")``) stays a group.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from infra.errors import UserError

Command = Any  # click's, which typer keeps to itself


@cache
def rooms() -> list[EntryPoint]:
    """The rooms that declare commands, this machine's first. (To find them takes as long as a short command.)"""
    return sorted(entry_points(group="portfolio.commands"), key=lambda room: room.name != "local")


@cache
def commands_of(room: EntryPoint) -> MutableMapping[str, Command]:
    """A room's commands by name; none while the room itself is not there. UserError when it is broken."""
    try:
        app: typer.Typer = room.load()
    except ModuleNotFoundError as error:
        if error.name and room.module.startswith(error.name):
            return {}
        raise UserError(f"The commands of {room.name} cannot be loaded: {error}.") from error
    except Exception as error:
        raise UserError(f"The commands of {room.name} cannot be loaded: {type(error).__name__}: {error}.") from error
    group = get_group(app)
    name = app.info.name
    if isinstance(name, str) or app.registered_callback:
        group.name = name if isinstance(name, str) else room.name
        return {group.name: group}
    return group.commands


class Gathered(TyperGroup):
    """The top group. A command is looked for room by room, so that only the rooms before it are imported."""

    def get_command(self, ctx: Any, cmd_name: str) -> Command:
        """The command of that name, if a room has it."""
        own = super().get_command(ctx, cmd_name)
        return own or next((found for room in self._near(cmd_name) if (found := commands_of(room).get(cmd_name))), None)

    def _near(self, cmd_name: str) -> list[EntryPoint]:
        """The rooms, the one of the command's name first: most rooms are called like their commands."""
        return sorted(rooms(), key=lambda room: room.name not in (cmd_name, "local"))

    def list_commands(self, ctx: Any) -> list[str]:
        """All names; a broken room is left out, and told below the help."""
        return [*super().list_commands(ctx), *(name for commands in self._loadable() for name in commands)]

    def _loadable(self) -> Iterator[MutableMapping[str, Command]]:
        for room in rooms():
            try:
                yield commands_of(room)
            except UserError as error:
                typer.secho(str(error), fg="red", err=True)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Command, list[str]]:
        """As click does, but the suggestions for a mistyped name know every room."""
        if args and self.get_command(ctx, args[0]) is None:
            for commands in self._loadable():
                self.commands.update(commands)
        return super().resolve_command(ctx, args)
