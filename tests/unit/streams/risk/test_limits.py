"""Limits as people write them; what makes no sense is refused in one sentence."""

from __future__ import annotations

from typing import get_args

import pytest

from infra.errors import UserError
from schemas.risk import Limit, LimitName
from streams.risk.limits import KINDS, check_limit, parse_limit, sentence
from streams.risk.scopes import check_scope, described, parse_scope, scopes_of
from tests.unit.streams.risk.build import Bazaar


@pytest.mark.parametrize(
    ("written", "meant", "said"),
    [
        (
            ("platform", "money-at-risk", "1,50,000"),
            Limit("platform", "money-at-risk", 150_000.0, "rupees", "block"),
            "the platform: money at risk at most ₹1,50,000, else new orders are refused.",
        ),
        (
            ("algo:crossover", "drawdown", "2%", "flatten"),
            Limit("algo:crossover", "drawdown", 2.0, "percent", "flatten"),
            "algo crossover: drawdown from the day's peak at most 2% of capital, else the algos are stopped and what "
            "they hold is closed.",
        ),
        (
            (" Account:* ", "Daily Loss", "₹1.5 lakh", " WARN "),
            Limit("account:*", "daily-loss", 150_000.0, "rupees", "warn"),
            "each account: loss of the day at most ₹1,50,000, else a warning.",
        ),
        (
            ("algo:a-1/instrument:NSE:M&M", "position", "1,200", "stop"),
            Limit("algo:a-1/instrument:NSE:M&M", "position", 1200.0, "shares", "stop"),
            "algo a-1 in NSE:M&M: position in an instrument at most 1,200, else the algos are stopped and nothing new "
            "may be opened.",
        ),
        (
            ("algo:-", "orders_per_second", "3"),
            Limit("algo:-", "orders-per-second", 3.0, "count", "block"),
            "orders by hand: orders a second at most 3, else new orders are refused.",
        ),
        (
            ("instrument:NSE:NIFTY 50", "price-band", "5"),
            Limit("instrument:NSE:NIFTY 50", "price-band", 5.0, "percent", "block"),
            "NSE:NIFTY 50: distance of an order's price from the last at most 5%, else new orders are refused.",
        ),
        (
            ("algo:*", "adverse-move", "12.5%"),
            Limit("algo:*", "adverse-move", 12.5, "percent", "warn"),
            "each algo: assumed adverse move 12.50%.",
        ),
        (
            ("account:paper", "capital", "2 cr"),
            Limit("account:paper", "capital", 20_000_000.0, "rupees", "warn"),
            "account paper: capital ₹2,00,00,000.",
        ),
    ],
)
def test_what_is_meant(written: tuple[str, ...], meant: Limit, said: str) -> None:
    assert parse_limit(*written) == meant
    assert sentence(meant) == said
    assert check_limit(meant) == meant


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (("", "notional", "1"), "there are platform, account:NAME, algo:RUN"),
        (("NSE:INFY", "notional", "1"), "did you mean instrument:NSE:INFY?"),
        (("crossover", "notional", "1"), "did you mean algo:crossover?"),
        (("platfrom", "notional", "1"), "did you mean platform?"),
        (("algo:", "notional", "1"), "did you mean algo:RUN"),
        (("algo:x/NSE:INFY", "notional", "1"), "algo:RUN/instrument:EXCHANGE:SYMBOL?"),
        (("account:papr", "notional", "1"), "There is no account papr; there are paper and live."),
        (("algo:Cross Over", "notional", "1"), "small letters, digits and dashes"),
        (("instrument:infy", "notional", "1"), "they are EXCHANGE:SYMBOL"),
        (("instrument:nse:infy", "notional", "1"), "did you mean NSE:INFY?"),
        (("platform", "drawdwn", "1"), "did you mean drawdown"),
        (("platform", "zzz", "1"), "there are money-at-risk, drawdown,"),
        (("platform", "notional", "five"), "'five' is no value of notional; write an amount of rupees as 1,50,000"),
        (("platform", "notional", ""), "'' is no value"),
        (("platform", "notional", "nan"), "'nan' is no value"),
        (("platform", "notional", "-1"), "has to be at least 0"),
        (("platform", "notional", "2%"), "notional is no percentage"),
        (("platform", "notional", "1e17"), "is too much"),
        (("platform", "drawdown", "0"), "has to be more than 0"),
        (("platform", "drawdown", "101%"), "at most 100%"),
        (("platform", "position", "1.5"), "is a whole number; write a number of shares"),
        (("platform", "drawdown", "1", "stopp"), "did you mean stop?"),
        (("platform", "drawdown", "1", "zzz"), "there are warn, block, stop, flatten, halt"),
        (("platform", "quantity", "1", "stop"), "quantity cannot stop"),
        (("platform", "capital", "1", "block"), "leave --action out"),
        (("instrument:NSE:INFY", "orders-per-day", "1"), "it can be set for platform or account:NAME or algo:RUN"),
        (("instrument:NSE:INFY", "capital", "1"), "There is no capital of instrument:NSE:INFY"),
    ],
)
def test_what_makes_no_sense(written: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_limit(*written)
    said = str(refused.value)
    assert words in said
    assert "\n" not in said
    assert said[-1] in ".?)"


def test_every_limit_is_known() -> None:
    assert set(KINDS) == set(get_args(LimitName))
    for name, kind in KINDS.items():
        for action in ("", *kind.actions):
            parse_limit(f"{'algo' if 'algo' in kind.scopes else 'account'}:*", name, "1", action)


def test_a_record_that_somebody_wrote_by_hand() -> None:
    written = Limit("Algo: crossover", "price-band", 5.0, actor="me", at_us=7, reason="why")  # rupees were not meant
    assert check_limit(written) == Limit("algo:crossover", "price-band", 5.0, "percent", "block", "me", 7, False, "why")
    removed = check_limit(Limit("algo:x", "notional", 5.0, removed=True))
    assert removed.removed
    assert sentence(removed) == "algo x: no limit of its own on value of what is held and pending any more."
    for value in (float("nan"), float("inf"), -1.0):
        with pytest.raises(UserError):
            check_limit(Limit("algo:x", "notional", value))


def test_names_are_looked_up_where_they_are_known() -> None:
    runs, market = ["crossover", "pairs"], Bazaar()
    assert check_scope("algo:crossover/instrument:NSE:INFY", runs, market).run == "crossover"
    assert check_scope("algo:*/instrument:*", runs, market).instrument == "*"
    assert check_scope("algo:EXTERNAL", runs).run == "EXTERNAL"
    with pytest.raises(UserError, match=r"There is no run crosover; did you mean crossover\?"):
        check_scope("algo:crosover", runs)
    with pytest.raises(UserError, match=r"there are none yet\."):
        check_scope("algo:crosover", [])
    with pytest.raises(UserError, match=r"There is no instrument NSE:INFI; did you mean NSE:INFY\?"):
        check_scope("instrument:NSE:INFI", runs, market)


def test_scopes_are_read_as_they_are_written() -> None:
    for scope in scopes_of("paper", "x", "NSE:NIFTY 50") + scopes_of("live", "", "NFO:A"):
        assert check_scope(scope).text == parse_scope(scope).text == scope
        assert described(scope)
    assert parse_scope("algo:-").run == ""
    for wrong in ("", "algo", "algo:", "platform:x", "algo:/instrument:NSE:INFY", "x:y", "account:"):
        with pytest.raises(ValueError, match="is no scope"):
            parse_scope(wrong)
