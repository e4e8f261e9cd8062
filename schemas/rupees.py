"""Numbers as people in India write them: 12,34,567.50. The one place where that is done."""

from __future__ import annotations

import re


def grouped(value: float, decimals: int = 2) -> str:
    """A number with Indian grouping: the last three digits, then pairs. Decimals that are all zero are left out."""
    sign = "-" if value < 0 and round(value, decimals) != 0 else ""
    whole, _, part = f"{abs(value):.{decimals}f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return sign + ",".join((*pairs, tail)) + (f".{part}" if part.strip("0") else "")


def rupees(value: float) -> str:
    """An amount of money: ``₹1,50,000``, ``-₹99.50``. Paise are left out where there are none."""
    text = grouped(value)
    return f"-₹{text[1:]}" if text.startswith("-") else f"₹{text}"


def read_number(text: str) -> float:
    """The number that somebody wrote, with or without commas and the sign of the rupee. ValueError when it is none."""
    found = re.fullmatch(r"(?:₹|Rs\.?|INR)?\s*([+-]?\d[\d,]*(?:\.\d+)?(?:e\d{1,2})?)", text.strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"{text!r} is no number")
    return float(found[1].replace(",", ""))
