"""Finding the instrument that a person means."""

from __future__ import annotations

import pytest

from schemas.market import Instrument
from streams.prices.instruments import AmbiguousInstrumentError, InstrumentBook, UnknownInstrumentError


def instrument(name: str, long_name: str = "", kind: str = "EQ") -> Instrument:
    exchange, _, symbol = name.partition(":")
    return Instrument(name, "kite", hash(name) & 0xFFFF, exchange, symbol, long_name, kind, exchange, 0.05, 1)


@pytest.fixture
def book() -> InstrumentBook:
    made = InstrumentBook()
    for name, long_name, kind in (
        ("NSE:INFY", "INFOSYS", "EQ"), ("BSE:INFY", "INFOSYS", "EQ"), ("NSE:NIFTY 50", "NIFTY 50", "INDEX"),
        ("NFO:NIFTY26NOVFUT", "NIFTY", "FUT"), ("MCX:GOLD", "GOLD", "FUT"), ("BSE:GOLD", "GOLD LTD", "EQ"),
        ("NFO:INFY26NOVFUT", "INFY", "FUT"), ("BSE:SENSEX", "SENSEX", "INDEX"),
    ):  # fmt: skip
        made.put(name, instrument(name, long_name, kind))
    return made


@pytest.mark.parametrize(
    ("text", "name"),
    [("NSE:INFY", "NSE:INFY"), (" nse:infy ", "NSE:INFY"), ("infy", "NSE:INFY"), ("bse:infy", "BSE:INFY"),
     ("sensex", "BSE:SENSEX"), ("nifty 50", "NSE:NIFTY 50")],
)  # fmt: skip
def test_it_finds_what_is_meant(book: InstrumentBook, text: str, name: str) -> None:
    assert book.find(text).instrument == name


def test_a_symbol_of_two_exchanges_is_asked_back(book: InstrumentBook) -> None:
    with pytest.raises(AmbiguousInstrumentError, match="MCX:GOLD or BSE:GOLD"):
        book.find("gold")


@pytest.mark.parametrize("text", ["INFI", "NSE:INFI", "NSE:INFYY"])
def test_a_mistyped_name_names_what_is_close(book: InstrumentBook, text: str) -> None:
    with pytest.raises(UnknownInstrumentError, match="did you mean NSE:INFY"):
        book.find(text)


@pytest.mark.parametrize("text", ["", ":", "QQQQQQQQ", "NSE:", "नमस्ते", "'; DROP TABLE"])
def test_nonsense_is_a_sentence(book: InstrumentBook, text: str) -> None:
    with pytest.raises(UnknownInstrumentError, match="No instrument is called"):
        book.find(text)


def test_without_a_list_it_says_so() -> None:
    with pytest.raises(UnknownInstrumentError, match="No instrument is known yet"):
        InstrumentBook().find("NSE:INFY")


def test_a_tombstone_removes(book: InstrumentBook) -> None:
    book.put("NSE:INFY", None)
    book.put("NSE:NEVER", None)
    assert book.find("INFY").instrument == "BSE:INFY"


def test_search_ranks_and_pages(book: InstrumentBook) -> None:
    names = [i.instrument for i in book.search("infy", "", "", 10, 0).page]
    assert names == ["BSE:INFY", "NSE:INFY", "NFO:INFY26NOVFUT"]
    page = book.search("infy", "", "", 1, 1)
    assert (page.total, [i.instrument for i in page.page]) == (3, ["NSE:INFY"])
    assert [i.instrument for i in book.search("", "nfo", "fut", 10, 0).page] == [
        "NFO:INFY26NOVFUT",
        "NFO:NIFTY26NOVFUT",
    ]
    assert book.search("nifty nov", "", "", 10, 0).total == 1
    assert book.search("zzz", "", "", 10, 0).total == 0
