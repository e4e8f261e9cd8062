"""Commands whose last argument is an amount."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from typer.core import TyperCommand

NEGATIVE = re.compile(r"-[\d.]")


class Amounts(TyperCommand):
    """``-5`` is an amount, not an option of that name: it is refused for what it means, by whoever knows why."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does, but negative numbers that are no option's value come last, where nothing is an option."""
        amounts = [
            place for place, (before, word) in enumerate(pairwise(["", *args]))
            if NEGATIVE.match(word) and not before.startswith("-")
        ]  # fmt: skip
        if amounts and "--" not in args:
            others = [word for place, word in enumerate(args) if place not in amounts]
            args = [*others, "--", *(args[place] for place in amounts)]
        return super().parse_args(ctx, args)
