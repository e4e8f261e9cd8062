"""Scopes by kind, numbered: the sums of all scopes of a kind are numpy columns."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.risk.scopes import PLATFORM, Kind, Scope, algo_scope

Column = NDArray[Any]
KINDS: tuple[Kind, ...] = ("platform", "account", "algo", "instrument", "algo/instrument")
SUMMED = ("money", "notional", "realised", "charges", "open", "total")  # paise


class Level:
    """The scopes of a kind. Their names: an account, a run, an instrument, (run, instrument)."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.names: list[Any] = []
        self.scopes: list[str] = []  # as they are in records
        self.number_of: dict[Hashable, int] = {}
        self.of_row: Column = np.zeros(0, np.intp)  # by row of the values: its scope's number
        self.instruments: Column = np.zeros(0)  # held or pending
        self._sums: dict[str, Column] = {name: np.zeros(0) for name in SUMMED}

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: Hashable) -> int:
        """A scope's number; a new one when it has none."""
        found = self.number_of.get(name)
        if found is None:
            found = self.number_of[name] = len(self.names)
            self.names.append(name)
            self.scopes.append(self._scope(name))
            if found >= len(self.instruments):
                self.instruments = with_room(self.instruments, found)
                self._sums = {column: with_room(values, found) for column, values in self._sums.items()}
        return found

    def place(self, row: int, name: Hashable) -> int:
        """Notes in which scope a row is; the scope's number."""
        number = self.number(name)
        if row >= len(self.of_row):
            self.of_row = with_room(self.of_row, row)
        self.of_row[row] = number
        return number

    def _scope(self, name: Any) -> str:
        match self.kind:
            case "platform":
                return PLATFORM
            case "algo":
                return algo_scope(name)
            case "algo/instrument":
                return f"{algo_scope(name[0])}/instrument:{name[1]}"
        return f"{self.kind}:{name}"

    def sum(self, column: str) -> Column:
        """A sum of every scope, in paise."""
        return self._sums[column][: len(self.names)]

    def add(self, column: str, row: int, more: float) -> None:
        """A row's figure has grown."""
        self._sums[column][self.of_row[row]] += more

    def sum_up(self, column: str, figures: Column) -> None:
        """All rows' figures are these now."""
        count = len(self.names)
        self._sums[column][:count] = np.bincount(self.of_row[: len(figures)], figures, count)


def name_of(scope: Scope) -> Hashable:
    """By which a level knows a scope."""
    match scope.kind:
        case "platform":
            return PLATFORM
        case "account":
            return scope.account
        case "algo":
            return scope.run
        case "instrument":
            return scope.instrument
    return scope.run, scope.instrument


def with_room(values: Column, index: int) -> Column:
    """The column (or rows of several), long enough to have something at an index."""
    if index < len(values):
        return values
    more = max(64, len(values), index + 1 - len(values))
    return np.concatenate([values, np.zeros((more, *values.shape[1:]), values.dtype)])
