"""On which day of its exchange an instant falls: the partition key of candles, together with the instrument."""

from __future__ import annotations

from datetime import UTC, date, datetime

from schemas.calendar import calendar_of


def day_of(instrument: str, at_us: int) -> date:
    """The exchange's local date at an instant; UTC's where the calendar has no such exchange."""
    try:
        return calendar_of(instrument.partition(":")[0]).day_of(at_us)
    except KeyError:
        return datetime.fromtimestamp(at_us // 1_000_000, UTC).date()
