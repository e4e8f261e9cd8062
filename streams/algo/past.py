"""How far back history has to be read so that windows are full. Pure."""

from __future__ import annotations

from datetime import timedelta

from schemas.calendar import INTERVALS, MINUTE_US, calendar_of

DAY_US = 1440 * MINUTE_US
MOST_DAYS = 400


def past_start(exchange: str, now_us: int, interval: str, count: int) -> int:
    """The market time at which the last ``count`` candles before now begin, if there is one in each interval.

    Only sessions count. An exchange without a calendar is taken to trade day and night.
    """
    width = INTERVALS[interval] * MINUTE_US
    try:
        here = calendar_of(exchange)
    except KeyError:
        return now_us - (count + 1) * (width or DAY_US)
    left, day = (count + 1) * width or count + 1, here.day_of(now_us)
    for _ in range(MOST_DAYS):
        session = here.session(day)
        if session and session.open_us < now_us:
            has = min(session.close_us, now_us) - session.open_us if width else 1
            if has >= left:
                return session.open_us + (has - left)
            left -= has
        day -= timedelta(days=1)
    return now_us - MOST_DAYS * DAY_US
