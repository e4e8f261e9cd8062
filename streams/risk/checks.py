"""Checks of an intent by itself: its form, and what the market's rules say to it. Pure.

Each check returns, or raises a :class:`RefusedError` with the code (``schemas.refusals``) and one sentence.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import date
from functools import lru_cache
from operator import attrgetter

from schemas.calendar import CalendarError, Session, calendar_of
from schemas.freeze import FreezeError, freeze_quantity
from schemas.market import Instrument
from schemas.orders import ACCOUNTS, EXTERNAL, OrderIntent
from schemas.rupees import grouped, rupees
from streams.risk.market import Market
from streams.risk.order import STOPS
from streams.risk.scopes import RUN

ID = re.compile(r"[0-9A-Za-z]{1,20}")
HAS_PRICE = {"market": False, "limit": True, "stop": False, "stop-limit": True}  # the kinds of orders
DERIVATIVES = ("FUT", "CE", "PE")
MOST_QUANTITY = 1_000_000_000
MOST_PRICE = 10_000_000.0
MOST_TEXT = 16_384  # characters of an intent's texts: its verdict has to fit into one message
CUT = 64  # characters to which its texts are cut in that case
MOST_VALID_S = 86_400.0  # ids are remembered for longer than that: what is forgotten is too late
AHEAD_US = 60_000_000  # how much a computer's clock may be ahead
SECOND_US = 1_000_000
TEXTS = tuple(f.name for f in fields(OrderIntent) if f.type not in ("int", "float", "dict[str, str]"))
_texts = attrgetter(*TEXTS)


class RefusedError(Exception):
    """An intent is refused. Its message is the reason."""

    def __init__(self, code: str, reason: str, limit: str = "", numbers: dict[str, float] | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.limit = limit
        self.numbers = numbers or {}


def check_size(intent: OrderIntent) -> None:
    """Whether it can be answered at all."""
    size = sum(len(text) for text in _texts(intent)) + sum(len(k) + len(v) for k, v in intent.labels.items())
    if size > MOST_TEXT:
        raise RefusedError(
            "TOO_LARGE", f"The intent's texts are {grouped(size)} characters long, at most {grouped(MOST_TEXT)} are.",
            numbers={"value": MOST_TEXT, "wanted": size},
        )  # fmt: skip


def cut_short(intent: OrderIntent) -> OrderIntent:
    """The intent with texts that fit into a verdict."""
    texts = {name: text[:CUT] for name, text in zip(TEXTS, _texts(intent), strict=True)}
    return replace(intent, **texts, labels={})


def check_sender(intent: OrderIntent) -> None:
    """Who asks, and for what kind of thing."""
    if not ID.fullmatch(intent.id):
        raise RefusedError("BAD_ID", f"{intent.id!r} is no id of an intent: it takes 1 to 20 letters and digits.")
    if intent.account not in ACCOUNTS:
        known = " and ".join(ACCOUNTS)
        raise RefusedError("BAD_ACCOUNT", f"There is no account {intent.account!r}; there are {known}.")
    if intent.trading != intent.account:
        raise RefusedError(
            "BAD_ACCOUNT", f"The intent is for {intent.trading!r} trading but names the account {intent.account}."
        )
    if intent.run not in ("", EXTERNAL) and not RUN.fullmatch(intent.run):
        raise RefusedError("BAD_RUN", f"{intent.run!r} can be no algo's run.")
    if intent.action not in ("place", "modify", "cancel"):
        raise RefusedError("BAD_ACTION", f"There is no action {intent.action!r}; there are place, modify and cancel.")


def check_time(intent: OrderIntent, now_us: int) -> None:
    """Whether it is to be judged now."""
    valid_s = intent.valid_s
    if not 0 < valid_s <= MOST_VALID_S:  # no number (NaN) is refused too
        raise RefusedError("BAD_VALIDITY", f"valid_s is above 0 and at most {MOST_VALID_S:,.0f}, not {valid_s:g}.")
    age_s = (now_us - intent.at_us) / SECOND_US
    if age_s > valid_s:
        raise RefusedError(
            "TOO_LATE", f"The intent is {age_s:,.1f} s old and was valid for {valid_s:g} s.",
            numbers={"value": valid_s, "used": age_s},
        )  # fmt: skip
    if intent.at_us > now_us + AHEAD_US:
        raise RefusedError(
            "TOO_EARLY", f"The intent's time is {-age_s:,.1f} s ahead: the clock of its computer is wrong.",
            numbers={"value": AHEAD_US / SECOND_US, "used": -age_s},
        )  # fmt: skip


def check_form(intent: OrderIntent) -> None:
    """Whether it is an order at all. A modify is checked with all its terms filled in."""
    if intent.side not in ("buy", "sell"):
        raise RefusedError("BAD_SIDE", f"There is no side {intent.side!r}; there are buy and sell.")
    if intent.kind not in HAS_PRICE:
        raise RefusedError(
            "BAD_KIND", f"There is no kind of order {intent.kind!r}; there are {', '.join(HAS_PRICE)}."
        )  # fmt: skip
    if not 0 < intent.quantity <= MOST_QUANTITY:
        raise RefusedError(
            "BAD_QUANTITY", f"A quantity is from 1 to {grouped(MOST_QUANTITY)}, not {grouped(intent.quantity)}."
        )  # fmt: skip
    _check_prices(intent)
    if intent.validity not in ("DAY", "IOC") or (intent.validity == "IOC" and intent.kind in STOPS):
        raise RefusedError("BAD_VALIDITY", f"A {intent.kind} order's validity cannot be {intent.validity!r}.")
    _check_protection(intent)


def _check_prices(intent: OrderIntent) -> None:
    kind, price, trigger = intent.kind, intent.price, intent.trigger
    if not 0 <= price <= MOST_PRICE:  # no number (NaN) is refused too
        raise RefusedError("BAD_PRICE", f"{price:g} is no price.")
    if not 0 <= trigger <= MOST_PRICE:
        raise RefusedError("BAD_TRIGGER", f"{trigger:g} is no trigger.")
    if (price > 0) is not HAS_PRICE[kind]:
        raise RefusedError("BAD_KIND", f"A {kind} order {'needs a' if HAS_PRICE[kind] else 'has no'} price.")
    if (trigger > 0) is not (kind in STOPS):
        raise RefusedError("BAD_KIND", f"A {kind} order {'needs a' if kind in STOPS else 'has no'} trigger.")
    if kind == "stop-limit" and (trigger > price if intent.side == "buy" else trigger < price):
        where = "above" if intent.side == "buy" else "below"
        raise RefusedError(
            "BAD_TRIGGER",
            f"The trigger {rupees(trigger)} of a stop-limit {intent.side} is {where} its limit {rupees(price)}.",
        )


def _check_protection(intent: OrderIntent) -> None:
    protection = intent.protection
    if intent.kind in ("market", "stop"):
        if protection != -1 and not 0 < protection <= 100:
            raise RefusedError(
                "MARKET_PROTECTION",
                f"A {intent.kind} order needs a market protection of -1 (the broker's) or above 0 to 100 %, "
                f"not {protection:g}.",
            )
    elif protection != -1:
        raise RefusedError("MARKET_PROTECTION", f"A {intent.kind} order has no market protection.")


def find_instrument(intent: OrderIntent, market: Market) -> Instrument:
    """What it is about."""
    instrument = market.instrument(intent.instrument)
    if instrument is None:
        similar = market.similar(intent.instrument)
        hint = f"; did you mean {similar}?" if similar else "."
        raise RefusedError("UNKNOWN_INSTRUMENT", f"No instrument is called {intent.instrument!r}{hint}")
    if instrument.kind == "INDEX" or instrument.segment == "INDICES":
        raise RefusedError("NOT_TRADABLE", f"{instrument.instrument} is an index: it has a value but no market.")
    return instrument


def with_product(intent: OrderIntent, instrument: Instrument) -> OrderIntent:
    """The intent with its product; where none is given, the one of a day for shares and the lasting for others."""
    derivative = instrument.kind in DERIVATIVES
    if not intent.product:
        return replace(intent, product="NRML" if derivative else "MIS")
    allowed = ("NRML", "MIS") if derivative else ("CNC", "MIS")
    if intent.product not in allowed:
        raise RefusedError(
            "PRODUCT", f"{instrument.instrument} is traded as {' or '.join(allowed)}, not as {intent.product}."
        )
    return intent


def check_rules(intent: OrderIntent, instrument: Instrument, now_us: int) -> None:
    """What the exchange takes at all, and now."""
    name, quantity = instrument.instrument, intent.quantity
    try:
        calendar, most = calendar_of(instrument.exchange), freeze_quantity(instrument)
    except (KeyError, CalendarError) as error:
        raise RefusedError("SESSION_CLOSED", f"When {instrument.exchange} is open is not known: {error}.") from error
    except FreezeError as error:
        raise RefusedError("FREEZE_QUANTITY", f"How large an order may be is not known: {error}") from error
    today = calendar.day_of(now_us)
    if instrument.expiry and instrument.expiry < today.isoformat():
        raise RefusedError("EXPIRED", f"{name} has expired on {instrument.expiry}.")
    if instrument.lot_size > 1 and quantity % instrument.lot_size:
        raise RefusedError(
            "LOT_SIZE", f"{grouped(quantity)} is no multiple of {name}'s lot of {grouped(instrument.lot_size)}.",
            numbers={"value": instrument.lot_size, "wanted": quantity},
        )  # fmt: skip
    for what, price in (("price", intent.price), ("trigger", intent.trigger)):
        if price and not is_multiple(price, instrument.tick_size):
            raise RefusedError(
                "TICK_SIZE", f"The {what} {price:g} is no multiple of {name}'s tick of {instrument.tick_size:g}.",
                numbers={"value": instrument.tick_size, "wanted": price},
            )  # fmt: skip
    if most is not None and quantity > most:
        raise RefusedError(
            "FREEZE_QUANTITY",
            f"The exchange takes at most {grouped(most)} of {name} in one order, not {grouped(quantity)}.",
            numbers={"value": most, "wanted": quantity},
        )
    session = _session(instrument.exchange, today)
    if session is None or not session.open_us <= now_us < session.close_us:
        raise RefusedError("SESSION_CLOSED", f"{instrument.exchange} is closed{_hours(instrument.exchange, session)}.")


@lru_cache(maxsize=256)
def _session(exchange: str, day: date) -> Session | None:
    return calendar_of(exchange).session(day)


def _hours(exchange: str, session: Session | None) -> str:
    if session is None:
        return " today"
    from datetime import datetime

    zone = calendar_of(exchange).zone
    opens, closes = (datetime.fromtimestamp(us / SECOND_US, zone) for us in (session.open_us, session.close_us))
    return f" now: it is open from {opens:%H:%M} to {closes:%H:%M}"


def is_multiple(price: float, tick: float) -> bool:
    """Whether a price is one that the exchange has. Floating point's own noise is forgiven."""
    if tick <= 0:
        return True
    steps = price / tick
    return abs(steps - round(steps)) <= 1e-6 * max(1.0, abs(steps) * 1e-3)


def check_trigger(intent: OrderIntent, price: float) -> None:
    """Whether a stop would wait at all."""
    if intent.kind in STOPS and (intent.trigger <= price if intent.side == "buy" else intent.trigger >= price):
        side = "above" if intent.side == "buy" else "below"
        raise RefusedError(
            "TRIGGER_SIDE",
            f"The trigger {rupees(intent.trigger)} of a {intent.side} has to be {side} the last price {rupees(price)}.",
            numbers={"value": price, "wanted": intent.trigger},
        )
