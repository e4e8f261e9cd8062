"""Bad input of every kind is refused with its own code, and the README lists exactly these codes."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from dataclasses import fields, replace
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import streams.risk
from schemas.codec import UndecodableError, decode, encode
from schemas.orders import OrderIntent, OrderVerdict, PositionDifference
from schemas.refusals import REFUSALS, limit_code
from schemas.risk import Breach, RiskState
from streams.risk.market import Quote
from tests.unit.streams.risk.build import FUTURE, NOW, PAST, TCS, Desk, S, intent, limit

README = Path(streams.risk.__file__).with_name("README.md").read_text(encoding="utf-8")
HOUR = 3600 * S
Ask = Callable[[Desk], OrderVerdict]


def asked(**fields: Any) -> Ask:
    """A new order with these fields."""
    return lambda desk: desk.ask(intent(**fields))


def limited(scope: str, name: str, value: float, first: int = 0, **fields: Any) -> Ask:
    """A new order after ``first`` that are approved, under a limit."""

    def ask(desk: Desk) -> OrderVerdict:
        desk.book.take(limit(scope, name, value))
        for number in range(first):
            assert desk.ask(intent(f"first{number}")).approved
        return desk.ask(intent(**fields))

    return ask


def broken(name: str) -> Ask:
    """A new order after a limit on losses broke."""

    def ask(desk: Desk) -> OrderVerdict:
        desk.book.take(limit("algo:*", name, 1000.0, action="stop"))
        desk.book.put_breach(Breach("b", "algo:crossover", name, 1000.0, 1200.0, "rupees", "stop", NOW, ""))
        return desk.ask(intent())

    return ask


def changing(*, kind: str = "limit", status: str = "open", event: dict[str, Any] | None = None, **fields: Any) -> Ask:
    """A modify of a limit order that the broker has."""

    def ask(desk: Desk) -> OrderVerdict:
        assert desk.ask(intent("o1", kind="limit", price=99.0)).approved
        desk.hear("o1", status, **(event or {}))
        same: dict[str, Any] = {"action": "modify", "order": "o1", "kind": kind, "price": 0.0, "quantity": 0}
        return desk.ask(intent("m1", **{**same, **fields}))

    return ask


def _future(desk: Desk, **fields: Any) -> OrderVerdict:
    return desk.ask(intent(instrument=FUTURE.instrument, **{"quantity": 75, **fields}))


def _freeze(desk: Desk) -> OrderVerdict:
    from schemas.freeze import freeze_quantity

    most = freeze_quantity(FUTURE)
    assert most is not None
    return _future(desk, quantity=most + 75)


def _quoted(quote: Quote | None, **fields: Any) -> Ask:
    def ask(desk: Desk) -> OrderVerdict:
        del desk.market.quotes["NSE:INFY"]
        if quote is not None:
            desk.market.quotes["NSE:INFY"] = quote
        return desk.ask(intent(**fields))

    return ask


def _late(desk: Desk) -> OrderVerdict:
    desk.now_us += 31 * S
    return desk.ask(intent())


def _closed(desk: Desk) -> OrderVerdict:
    desk.now_us += 7 * HOUR
    return desk.ask(intent(at_us=desk.now_us))


def _done(desk: Desk) -> OrderVerdict:
    desk.ask(intent("o1"))
    desk.fill("o1", 10)
    return desk.ask(intent("c1", action="cancel", order="o1"))


def _not_mine(desk: Desk) -> OrderVerdict:
    desk.ask(intent("o1"))
    return desk.ask(intent("c1", action="cancel", order="o1", run="other"))


def _twice(desk: Desk) -> OrderVerdict:
    assert changing(price=98.0)(desk).approved
    return desk.ask(intent("m2", action="modify", order="o1", kind="limit", price=97.0, quantity=0))


def _state(state: str, scope: str = "algo:crossover") -> Ask:
    def ask(desk: Desk) -> OrderVerdict:
        desk.book.take(RiskState(scope, state, "asha", NOW))  # type: ignore[arg-type]
        return desk.ask(intent())

    return ask


def _different(desk: Desk) -> OrderVerdict:
    desk.book.take(PositionDifference("d", "paper", TCS.instrument, "MIS", 10, 20, "found", NOW))
    return desk.ask(intent())


def _no_capital(desk: Desk) -> OrderVerdict:
    desk.book.take(limit("account:paper", "daily-loss", 2.0, unit="percent"))
    return desk.ask(intent())


def _again(desk: Desk) -> OrderVerdict:
    desk.ask(intent("a1"))
    for _ in range(3):  # days: it is judged no more that anybody remembers, but the order is live
        desk.now_us += 24 * HOUR
        desk.book.forget(desk.now_us)
    assert "a1" not in desk.book.judged
    return desk.ask(intent("a1", at_us=desk.now_us))


BAD: dict[str, list[Ask]] = {
    "TOO_LARGE": [asked(reason="a" * 20_000), asked(id_="a" * 900_000), asked(labels={"a": "b" * 17_000})],
    "BAD_ID": [asked(id_=""), asked(id_="a" * 21), asked(id_="ext-1"), asked(id_="अ"), _again],
    "BAD_ACCOUNT": [asked(account="demo", trading="demo"), asked(account="live"), asked(trading="live")],
    "BAD_RUN": [asked(run="Crossover"), asked(run="a/b"), asked(run="*"), asked(run="-"), asked(run="EXTERNAL")],
    "BAD_ACTION": [asked(action="buy"), asked(action="")],
    "BAD_SIDE": [asked(side="long"), asked(side="")],
    "BAD_KIND": [
        asked(kind="SL"), asked(kind="market", price=100.0), asked(kind="limit", price=0.0),
        asked(kind="limit", trigger=99.0), asked(kind="stop"), asked(kind="stop-limit", trigger=0.0),
        asked(kind="stop", trigger=101.0, price=101.0),
    ],
    "BAD_QUANTITY": [asked(quantity=0), asked(quantity=-5), asked(quantity=10**15), changing(quantity=-1)],
    "BAD_PRICE": [asked(kind="limit", price=p) for p in (-1.0, float("nan"), float("inf"), 1e308)],
    "BAD_TRIGGER": [
        *(asked(kind="stop", trigger=t) for t in (-1.0, float("nan"), float("inf"), 1e308)),
        asked(kind="stop-limit", trigger=105.0, price=104.0),
        asked(kind="stop-limit", side="sell", trigger=95.0, price=96.0),
    ],
    "BAD_VALIDITY": [
        asked(validity="GTC"), asked(kind="stop", trigger=105.0, validity="IOC"), asked(valid_s=0.0),
        asked(valid_s=-1.0), asked(valid_s=90_000.0), asked(valid_s=float("nan")),
    ],
    "PRODUCT": [asked(product="NRML"), asked(product="CO"), lambda desk: _future(desk, product="CNC")],
    "MARKET_PROTECTION": [
        asked(protection=0.0), asked(protection=101.0), asked(protection=-2.0), asked(protection=float("nan")),
        asked(kind="limit", protection=2.0), asked(kind="stop", trigger=105.0, protection=0.0),
    ],
    "TOO_LATE": [_late],
    "TOO_EARLY": [asked(at_us=NOW + HOUR)],
    "UNKNOWN_INSTRUMENT": [asked(instrument="NSE:INFI"), asked(instrument="")],
    "NOT_TRADABLE": [asked(instrument="NSE:NIFTY 50")],
    "EXPIRED": [asked(instrument=PAST.instrument, quantity=75)],
    "LOT_SIZE": [lambda desk: _future(desk, quantity=74)],
    "TICK_SIZE": [asked(kind="limit", price=99.97), asked(kind="stop", trigger=101.01)],
    "FREEZE_QUANTITY": [_freeze],
    "SESSION_CLOSED": [_closed],
    "NO_PRICE": [
        _quoted(None), _quoted(None, kind="limit"), _quoted(None, side="sell"),
    ],
    "STALE_PRICE": [_quoted(Quote(100.0, NOW, fresh=False))],
    "TRIGGER_SIDE": [
        asked(kind="stop", trigger=99.0), asked(kind="stop", trigger=100.0),
        asked(kind="stop", side="sell", trigger=101.0), asked(kind="stop-limit", trigger=99.0, price=99.5),
    ],
    "NO_ORDER": [asked(action="cancel", order="o9"), asked(action="modify"), asked(action="cancel", order="")],
    "ORDER_DONE": [_done, changing(status="cancelled", price=98.0)],
    "NOT_ITS_OWNER": [_not_mine, changing(run="other", price=98.0)],
    "MODIFY_OTHER": [
        changing(side="sell"), changing(instrument=TCS.instrument), changing(kind="market"), changing(product="CNC"),
    ],
    "MODIFY_NOTHING": [changing(), changing(price=99.0, quantity=10)],
    "MODIFY_FILLED": [changing(event={"filled": 6}, quantity=6), changing(event={"filled": 6}, quantity=5)],
    "MODIFY_PENDING": [_twice],
    "MODIFY_TOO_OFTEN": [changing(event={"revision": 25}, price=98.0)],
    "HALTED": [_state("HALTED"), _state("HALTED", "platform"), _state("HALTED", "account:paper")],
    "REDUCING": [_state("REDUCING")],
    "DIFFERENCE": [_different],
    "NO_CAPITAL": [_no_capital],
    limit_code("money-at-risk"): [
        limited("platform", "money-at-risk", 999.99), limited("algo:crossover", "money-at-risk", 1500.0, first=1),
    ],
    limit_code("drawdown"): [broken("drawdown")],
    limit_code("drawdown-all-time"): [broken("drawdown-all-time")],
    limit_code("daily-loss"): [broken("daily-loss")],
    limit_code("quantity"): [limited("algo:*/instrument:NSE:INFY", "quantity", 9)],
    limit_code("position"): [limited("instrument:*", "position", 15, first=1)],
    limit_code("notional"): [limited("account:paper", "notional", 1500.0, first=1)],
    limit_code("open-positions"): [limited("algo:*", "open-positions", 1, first=1, instrument=TCS.instrument)],
    limit_code("orders-per-second"): [limited("algo:crossover", "orders-per-second", 2, first=2)],
    limit_code("orders-per-day"): [limited("platform", "orders-per-day", 2, first=2)],
    limit_code("price-band"): [limited("platform", "price-band", 5.0, kind="limit", price=94.95)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "ask"), [pytest.param(code, ask, id=f"{code}-{n}") for code in BAD for n, ask in enumerate(BAD[code])]
)
def test_bad_input_is_refused_with_its_code(code: str, ask: Ask) -> None:
    verdict = ask(Desk())
    assert (verdict.approved, verdict.code) == (False, code), verdict.reason
    assert re.fullmatch(r"\S.*[.?]", verdict.reason), "one sentence"
    assert "nan" not in str(verdict.numbers)
    if code.startswith("LIMIT_"):
        assert verdict.limit
        assert set(verdict.numbers) == {"value", "used", "wanted"}


TEXTS = st.text(max_size=20) | st.sampled_from(
    ("a1", "o1", "paper", "live", "market", "limit", "stop", "stop-limit", "buy", "sell", "place", "modify", "cancel",
     "NSE:INFY", "NFO:NIFTY26JUNFUT", "MIS", "NRML", "CNC", "DAY", "IOC", "crossover", "EXTERNAL")
)  # fmt: skip
NUMBERS = st.floats() | st.sampled_from((0.0, -1.0, 1.0, 100.0, 30.0, 1e308, 5e-324))
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.sampled_from((0, 1, 10, 75, NOW))
FIELDS = {"str": TEXTS, "int": WHOLE, "float": NUMBERS, "dict[str, str]": st.dictionaries(TEXTS, TEXTS, max_size=2)}
WILD = {f.name: FIELDS.get(str(f.type), TEXTS) for f in fields(OrderIntent)}


@given(st.fixed_dictionaries({}, optional=WILD), WHOLE)
def test_whatever_is_asked_there_is_a_verdict_that_can_be_written(said: dict[str, Any], now_us: int) -> None:
    desk = Desk()
    desk.ask(intent("o1", kind="limit"))
    desk.limits({("platform", "price-band"): 5.0, ("platform", "money-at-risk"): 5000.0})
    desk.now_us = now_us if 0 <= now_us < NOW * 2 else NOW
    wanted = replace(intent(), **said)
    verdict = desk.ask(wanted)
    assert verdict.approved is (verdict.code == "")
    assert verdict.code in {"", *REFUSALS}
    text = encode(verdict)
    assert len(text) < 500_000
    if not any(map(isnan, numbers_of(verdict))):
        assert decode(OrderVerdict, text) == verdict


def numbers_of(verdict: OrderVerdict) -> list[float]:
    """The numbers that somebody wrote."""
    wanted = verdict.intent
    return [wanted.price, wanted.trigger, wanted.protection, wanted.valid_s, *verdict.numbers.values()]


def test_what_is_too_large_is_cut_short() -> None:
    verdict = Desk().ask(intent("a" * 900_000, labels={"a": "b" * 17_000}))
    assert len(encode(verdict)) < 2000
    assert verdict.id != "a1"


def test_what_is_bad_in_none_of_these_ways_is_approved() -> None:
    good: tuple[Ask, ...] = (
        asked(), asked(side="sell"), asked(kind="limit", price=99.95),
        asked(kind="stop", trigger=105.0, protection=2.5),
        asked(kind="stop-limit", side="sell", trigger=95.0, price=94.0), asked(product="CNC"), asked(validity="IOC"),
        _future, changing(price=98.0), changing(quantity=20),
    )  # fmt: skip
    for ask in good:
        verdict = ask(Desk())
        assert verdict.approved, verdict.reason
        assert (verdict.code, verdict.limit, verdict.reason, verdict.numbers) == ("", "", "", {})


def test_every_code_has_its_bad_input() -> None:
    assert {*BAD, "NOT_A_RECORD"} == set(REFUSALS)
    for message in (b"", b"garbage", b'{"id": "a1"}', b'{"id": "a1", "side": "long"}'):
        with pytest.raises(UndecodableError):
            decode(OrderIntent, message)


def test_the_readme_lists_exactly_the_codes() -> None:
    listed = re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", README, re.MULTILINE)
    assert dict(listed) == REFUSALS
    assert len(listed) == len(REFUSALS)


def test_the_examples_of_the_readme() -> None:
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, "README.md", None, 0)
    assert len(test.examples) > 8
    assert doctest.DocTestRunner().run(test).failed == 0


def test_a_reason_has_the_numbers_as_people_here_write_them() -> None:
    desk = Desk()
    desk.limits({("algo:crossover", "money-at-risk"): 250000.0})
    assert desk.ask(intent("a1", quantity=1500)).approved
    refused = desk.ask(intent("a2", quantity=1500))
    assert refused.reason == (
        "Algo crossover: money at risk may be ₹2,50,000, is ₹1,50,000 and would be ₹3,00,000."
    )  # fmt: skip
    assert (refused.limit, refused.numbers) == (
        "algo:crossover money-at-risk", {"value": 250000.0, "used": 150000.0, "wanted": 300000.0}
    )  # fmt: skip


def test_a_similar_name_is_told() -> None:
    assert "did you mean NSE:INFY?" in Desk().ask(intent(instrument="NSE:INFI")).reason


def test_nothing_of_what_was_refused_is_in_the_book() -> None:
    desk = Desk()
    desk.ask(intent("a1", quantity=-1))
    assert not desk.book.orders
    assert "a1" in desk.book.judged
    desk.ask(replace(intent(), id=""))
    assert "" not in desk.book.judged, "else the next without an id would get no answer"
