"""The README's numbers are the model's."""

from __future__ import annotations

from pathlib import Path

from infra.settings import CHECKOUT
from producers.paper.match import automatic_protection
from producers.paper.order import JITTER_US, LATENCY_US
from producers.paper.quote import ASSUMED_SPREAD_TICKS
from producers.paper.ticks import REWIND_S

README = (Path(CHECKOUT) / "producers/paper/README.md").read_text(encoding="utf-8")


def test_numbers() -> None:
    assert f"{LATENCY_US // 1000} ms of market time" in README
    assert f"up to {JITTER_US // 1000} ms more" in README
    assert f"\n{ASSUMED_SPREAD_TICKS} ticks of the instrument" in README
    assert REWIND_S == 60
    assert "The ticks of the last minute" in README


def test_protection() -> None:
    rows = [line.strip("|").split("|") for line in README.splitlines() if line.startswith("|") and "%" in line]
    assert len(rows) == 4
    for below, shares, options in ([cell.strip() for cell in row] for row in rows):
        price = 5000.0 if below == "above" else float(below) - 0.01
        assert automatic_protection("NSE:INFY", price) == float(shares.removesuffix(" %"))
        assert automatic_protection("NFO:NIFTY26JAN26000CE", price) == float(options.removesuffix(" %"))
