"""The limits that an intent has to keep, at every scope that it belongs to. Pure.

What adds nothing passes: a limit that is passed already (its value was lowered, the price moved) never keeps anybody
from getting out. A limit whose action is ``warn`` refuses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.refusals import limit_code
from schemas.risk import Limit
from schemas.rupees import grouped, rupees
from streams.risk.book import Book
from streams.risk.checks import RefusedError
from streams.risk.day import trading_day
from streams.risk.exposure import Exposure
from streams.risk.scopes import described, scopes_of
from streams.risk.sums import PAISE, Total, paise
from streams.risk.wish import Wish


@dataclass(slots=True)
class _Case:
    """An intent before a book whose sums are settled."""

    book: Book
    wish: Wish
    now_us: int
    own: Exposure  # of its key, as it is in the sums
    adds_money: bool
    adds_value: bool


def check_limits(book: Book, wish: Wish, now_us: int) -> None:
    """Raises a RefusedError for the first limit that is passed, the widest scope first. The sums must be settled."""
    before, after, (account, run, instrument, _) = wish.before, wish.after, wish.key
    adds_money = paise(after.money_at_risk) > paise(before.money_at_risk)
    adds_value = paise(after.notional) > paise(before.notional)
    case = _Case(book, wish, now_us, book.sums.of(wish.key), adds_money, adds_value)
    for scope in scopes_of(account, run, instrument):
        for limit in book.limits_of(scope):
            if limit.action != "warn":
                _check(case, scope, limit)


def _check(case: _Case, scope: str, limit: Limit) -> None:
    match limit.limit:
        case "orders-per-second":
            _check_pace(case, scope, limit)
        case "price-band":
            _check_band(case.wish, scope, limit)
        case _ if case.wish.reduces:
            return
        case "money-at-risk" if case.adds_money:
            before, after = case.wish.before.money_at_risk, case.wish.after.money_at_risk
            others = _others(case, scope, limit).money_at_risk - paise(case.own.money_at_risk) / PAISE
            _check_money(case, scope, limit, "money at risk", others + before, others + after)
        case "notional" if case.adds_value:
            before, after = case.wish.before.notional, case.wish.after.notional
            others = _others(case, scope, limit).notional - paise(case.own.notional) / PAISE
            words = "the value of what is held and pending"
            _check_money(case, scope, limit, words, others + before, others + after)
        case "drawdown" | "drawdown-all-time" | "daily-loss":
            _check_loss(case, scope, limit)
        case "quantity":
            _check_quantity(case.wish, scope, limit)
        case "position" if case.wish.after.position > case.wish.before.position:
            _check_position(case, scope, limit)
        case "open-positions":
            _check_open(case, scope, limit)
        case "orders-per-day":
            _check_day(case, scope, limit)


def _passed(scope: str, limit: Limit, value: float, used: float, wanted: float, reason: str) -> RefusedError:
    numbers = {"value": value, "used": used, "wanted": wanted}
    return RefusedError(limit_code(limit.limit), f"{reason}.", f"{scope} {limit.limit}", numbers)


def in_rupees(book: Book, limit: Limit, scope: str, account: str) -> float:
    """The value of a limit that may be a percentage of capital. RefusedError when there is no capital."""
    if limit.unit != "percent":
        return limit.value
    capital = book.capital(scope, account)
    if capital is None:
        raise RefusedError(
            "NO_CAPITAL",
            f"{_of(scope)}: {limit.limit} is {limit.value:g} % of capital, and no capital is set.",
            f"{scope} {limit.limit}",
            {"value": limit.value},
        )
    return capital * limit.value / 100.0


def _of(scope: str) -> str:
    words = described(scope)
    return words[0].upper() + words[1:]


def _others(case: _Case, scope: str, limit: Limit) -> Total:
    """What is at risk in a scope, the intent's own key included. RefusedError when that is not known."""
    total = case.book.sums.total(scope)
    if total.unpriced and (names := [name for name in case.book.sums.unpriced_in(scope) if name != case.wish.key[2]]):
        raise RefusedError(
            "NO_PRICE", f"{_of(scope)}: {limit.limit} cannot be reckoned, there is no price of {names[0]}.",
            f"{scope} {limit.limit}",
        )  # fmt: skip
    return total


def _check_money(case: _Case, scope: str, limit: Limit, words: str, used: float, wanted: float) -> None:
    value = in_rupees(case.book, limit, scope, case.wish.key[0])
    if paise(wanted) > paise(value):
        raise _passed(
            scope, limit, value, used, wanted,
            f"{_of(scope)}: {words} may be {rupees(value)}, is {rupees(used)} and would be {rupees(wanted)}",
        )  # fmt: skip


def _check_loss(case: _Case, scope: str, limit: Limit) -> None:
    book, value = case.book, in_rupees(case.book, limit, scope, case.wish.key[0])
    broken, day = book.breaches.get((scope, limit.limit)), book.days.get(scope)
    used = broken.used if broken else 0.0
    if day is not None:
        today = day.day == trading_day(case.now_us)
        match limit.limit:
            case "drawdown-all-time":
                used = max(used, day.drawdown_all_time)
            case "drawdown" if today:
                used = max(used, day.drawdown)
            case "daily-loss" if today:
                used = max(used, -day.profit)
    if broken or used > value:
        raise _passed(
            scope, limit, value, used, used,
            f"{_of(scope)}: {limit.limit} is {rupees(used)} of {rupees(value)} allowed: "
            "only orders that reduce may leave",
        )  # fmt: skip


def _check_quantity(wish: Wish, scope: str, limit: Limit) -> None:
    wanted, used = wish.intent.quantity, wish.order.state.quantity if wish.order else 0
    if wanted > limit.value and wanted > used:
        raise _passed(
            scope, limit, limit.value, used, wanted,
            f"{_of(scope)}: an order may be of {grouped(limit.value)} shares, not {grouped(wanted)}",
        )  # fmt: skip


def _check_position(case: _Case, scope: str, limit: Limit) -> None:
    wish, (_, run, instrument, _) = case.wish, case.wish.key
    shares, _ = case.book.sums.shares(scope, run, instrument)
    others = shares - case.own.position
    used, wanted = others + wish.before.position, others + wish.after.position
    if wanted > limit.value:
        raise _passed(
            scope, limit, limit.value, used, wanted,
            f"{_of(scope)}: {grouped(limit.value)} of {instrument} may be held and pending, "
            f"it is {grouped(used)} and would be {grouped(wanted)}",
        )  # fmt: skip


def _check_open(case: _Case, scope: str, limit: Limit) -> None:
    _, run, instrument, _ = case.wish.key
    if case.own.position or case.book.sums.shares(scope, run, instrument)[1]:
        return  # it is open already
    used = case.book.sums.total(scope).instruments
    if used + 1 > limit.value:
        raise _passed(
            scope, limit, limit.value, used, used + 1,
            f"{_of(scope)}: {grouped(limit.value)} instruments may be held or pending, it is {used} already",
        )  # fmt: skip


def _check_pace(case: _Case, scope: str, limit: Limit) -> None:
    used = case.book.paces.in_second(scope, case.now_us)
    if used + 1 > limit.value:
        raise _passed(
            scope, limit, limit.value, used, used + 1,
            f"{_of(scope)}: {grouped(limit.value)} orders may leave in a second, it was {used} already",
        )  # fmt: skip


def _check_day(case: _Case, scope: str, limit: Limit) -> None:
    used = case.book.orders_on(scope, trading_day(case.now_us))
    if used + 1 > limit.value:
        raise _passed(
            scope, limit, limit.value, used, used + 1,
            f"{_of(scope)}: {grouped(limit.value)} orders may leave in a day, it was {grouped(used)} already",
        )  # fmt: skip


def _check_band(wish: Wish, scope: str, limit: Limit) -> None:
    intent, old = wish.intent, wish.order.state if wish.order else None
    asked = (("price", intent.price, old.price if old else 0), ("trigger", intent.trigger, old.trigger if old else 0))
    for what, price, before in asked:
        if not price or price == before:
            continue
        if wish.price <= 0:
            raise RefusedError(
                "NO_PRICE", f"There is no price of {intent.instrument} to hold the {what} {rupees(price)} against.",
                f"{scope} {limit.limit}",
            )  # fmt: skip
        away = abs(price - wish.price) / wish.price * 100.0
        if away > limit.value + 1e-9:
            raise _passed(
                scope, limit, limit.value, 0.0, away,
                f"{_of(scope)}: the {what} {rupees(price)} is {away:.2f} % away from the last price "
                f"{rupees(wish.price)}, at most {limit.value:g} % is allowed",
            )  # fmt: skip
