"""The functional form: a decorated function over a window of candles becomes an :class:`Algo`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.errors import UserError
from schemas.market import Candle
from streams.algo.base import Algo
from streams.algo.params import Param


def algo(
    *, candles: str | Sequence[str] = "1m", history: int | str = 100
) -> Callable[[Callable[..., Any]], type[Algo]]:
    """Makes an algo of ``function(window, **parameters)``, called with each complete candle once the window is full.

    What it returns is done: an int is the position to go to (``Algo.target``), a dict are signals (name to value), None
    is nothing. Its further arguments are parameters, declared with ``param`` or by a plain default.
    """

    def decorate(function: Callable[..., Any]) -> type[Algo]:
        parameters = _parameters(function)

        def on_candle(self: Algo, candle: Candle) -> None:
            window = self.window(candle.interval)
            if len(window) == self._desk.history:
                _act(self, function(window, **{name: getattr(self, name) for name in parameters}))

        body = {
            **parameters,
            "candles": candles,
            "history": history,
            "on_candle": on_candle,
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__annotations__": {name: function.__annotations__.get(name) for name in parameters},
        }
        return type(function.__name__, (Algo,), body)

    return decorate


def _parameters(function: Callable[..., Any]) -> dict[str, Param]:
    """The arguments after the window. UserError for one without a default."""
    found: dict[str, Param] = {}
    for argument in list(inspect.signature(function).parameters.values())[1:]:
        default = argument.default
        if default is inspect.Parameter.empty:
            raise UserError(f"{function.__name__}'s argument {argument.name} needs a default: it is a parameter.")
        found[argument.name] = default if isinstance(default, Param) else Param(default)
    return found


def _act(of: Algo, answer: object) -> None:
    if isinstance(answer, bool) or not isinstance(answer, int | Mapping | None):
        raise TypeError(f"an algo's function returns an int, a dict or None, not {answer!r}")
    if isinstance(answer, int):
        of.target(answer)
    for name, value in answer.items() if isinstance(answer, Mapping) else ():
        of.signal(name, value)
