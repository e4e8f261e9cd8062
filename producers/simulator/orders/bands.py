"""Between which prices an instrument may be ordered on a day, and how far a market order may reach. Pure.

Prices in hundredths of a rupee. Real bands are of 2 to 20 % by share and are moved during the day; here they stand.
"""

from __future__ import annotations

from schemas.market import Instrument

BAND = 0.10  # of the previous close; for an option of its strike
SHARES = ((100, 2.0), (500, 1.0), (float("inf"), 0.5))  # up to so many rupees: percent of automatic protection
OPTIONS = ((10, 5.0), (100, 3.0), (500, 2.0), (float("inf"), 1.0))


def tick_of(instrument: Instrument) -> int:
    """The tick size in hundredths, 1 at least."""
    return max(1, round(instrument.tick_size * 100))


def band(instrument: Instrument, close: int) -> tuple[int, int]:
    """The lowest and the highest price of the day, whole ticks; (0, 0) where there is no band: indices, no close."""
    if not close or instrument.segment == "INDICES":
        return 0, 0
    tick, reach = tick_of(instrument), BAND * (instrument.strike * 100 if is_option(instrument) else close)
    return max(tick, -int((reach - close) // tick) * tick), int((close + reach) // tick) * tick


def is_option(instrument: Instrument) -> bool:
    """Whether it is a call or a put."""
    return instrument.kind in ("CE", "PE")


def protected(instrument: Instrument, side: str, last: int, percent: float, limits: tuple[int, int]) -> int:
    """The worst price that a market order may have. ``percent`` -1: by the broker's table. Never beyond the band."""
    if percent < 0:
        table = OPTIONS if is_option(instrument) else SHARES
        percent = next(part for upto, part in table if last <= upto * 100)
    tick, sign = tick_of(instrument), 1 if side == "BUY" else -1
    price = last * (1 + sign * percent / 100)
    whole = max(tick, int(price // tick) * tick if side == "BUY" else -int(-price // tick) * tick)
    low, high = limits
    return min(max(whole, low), high) if high else whole
