"""All instruments, folded from topic ``instruments``: finding one by name, searching among them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from infra.errors import UserError
from schemas.market import Instrument

HOME_EXCHANGE = "NSE"  # where a bare symbol is looked up first
_SHOWN = 4


class UnknownInstrumentError(UserError):
    """No instrument is called so; the message names close matches."""


class AmbiguousInstrumentError(UserError):
    """A bare symbol that is traded on several exchanges, none of them the home exchange."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search."""

    total: int
    page: list[Instrument]


class InstrumentBook:
    """Instrument by its name, and by its bare symbol."""

    def __init__(self) -> None:
        self.by_name: dict[str, Instrument] = {}
        self._by_symbol: dict[str, list[str]] | None = None  # made when asked for

    def put(self, name: str, instrument: Instrument | None) -> None:
        """Takes in a record; None is a tombstone."""
        self._by_symbol = None
        if instrument is None:
            self.by_name.pop(name, None)
        else:
            self.by_name[name] = instrument

    def find(self, text: str) -> Instrument:
        """The instrument that a person means: ``NSE:INFY``, ``nse:infy``, or ``INFY``.

        UnknownInstrumentError names close matches; AmbiguousInstrumentError the possible exchanges.
        """
        wanted = text.strip().upper()
        if found := self.by_name.get(wanted):
            return found
        names = [] if ":" in wanted else self._symbols().get(wanted, [])
        if len(names) == 1:
            return self.by_name[names[0]]
        if home := self.by_name.get(f"{HOME_EXCHANGE}:{wanted}"):
            return home
        if names:
            raise AmbiguousInstrumentError(f"{text.strip()!r} is traded on more than one exchange: say {_or(names)}.")
        raise UnknownInstrumentError(self._unknown(text.strip()))

    def search(self, text: str, exchange: str, kind: str, limit: int, offset: int) -> Found:
        """Instruments in whose symbol or name every word occurs; the best matches first, then by name."""
        words = text.upper().split()
        hits = []
        for name, instrument in self.by_name.items():
            if (exchange and instrument.exchange != exchange.upper()) or (kind and instrument.kind != kind.upper()):
                continue
            where = f"{name} {instrument.name.upper()}"
            if all(word in where for word in words):
                hits.append((_rank(instrument, words), name))
        hits.sort()
        return Found(len(hits), [self.by_name[name] for _, name in hits[offset : offset + limit]])

    def similar(self, text: str) -> str:
        """Names like this one for a sentence, as ``NSE:INFY or NSE:INFIBEAM``; empty when there are none."""
        symbol = text.upper().rpartition(":")[2]
        close = difflib.get_close_matches(symbol, self._near(symbol), n=_SHOWN, cutoff=0.6)
        names = [name for match in close for name in self._symbols()[match]]
        return _or(names[:_SHOWN]) if names else ""

    def _symbols(self) -> dict[str, list[str]]:
        if self._by_symbol is None:
            made: dict[str, list[str]] = {}
            for name, instrument in self.by_name.items():
                made.setdefault(instrument.symbol.upper(), []).append(name)
            self._by_symbol = made
        return self._by_symbol

    def _unknown(self, text: str) -> str:
        if not self.by_name:
            return f"No instrument is known yet, so {text!r} cannot be found; the provider's list has not arrived."
        close = self.similar(text)
        hint = f"did you mean {close}?" if close else "GET /api/instruments?search= finds names."
        return f"No instrument is called {text!r}; {hint}"

    def _near(self, symbol: str) -> list[str]:
        """Symbols worth comparing: comparing with all of a hundred thousand would take seconds."""
        start = symbol[:1]
        return [s for s in self._symbols() if s[:1] == start and abs(len(s) - len(symbol)) <= 4]


def _rank(instrument: Instrument, words: list[str]) -> int:
    if not words:
        return 0
    text = " ".join(words)
    symbol = instrument.symbol.upper()
    if text in (symbol, instrument.instrument.upper()):
        return 0
    if symbol.startswith(text):
        return 1 if instrument.kind in ("EQ", "INDEX") else 2
    return 3 if words[0] in symbol else 4


def _or(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
