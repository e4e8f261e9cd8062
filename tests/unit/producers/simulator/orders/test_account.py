"""Positions by average cost, margins, and what Kite's forms say of them."""

from __future__ import annotations

import pytest

from producers.simulator.orders.account import Account
from producers.simulator.orders.portfolio import holding_form, margin_form, position_form
from tests.unit.producers.simulator.orders.stand import CALL, FUTURE, INFY, look


def test_a_position_crosses_zero() -> None:
    account = Account(cash=0)
    line = account.line(INFY, "MIS")
    for side, quantity, price in (("BUY", 10, 10_000), ("BUY", 10, 11_000), ("SELL", 30, 12_000)):
        account.fill(line, side, quantity, price)  # type: ignore[arg-type]
    assert (line.quantity, line.average, line.realised) == (-10, 12_000, 30_000)
    account.fill(line, "BUY", 10, 11_500)
    assert (line.quantity, line.average, account.realised) == (0, 0, 35_000)
    assert (account.blocked, account.available) == (0, 35_000)


def test_margins_are_those_of_the_larger_extreme() -> None:
    account = Account()
    assert account.needed(INFY, "CNC", "BUY", 10, 100_000) == 100_000
    assert account.needed(INFY, "MIS", "SELL", 10, 100_000) == 20_000
    assert account.needed(FUTURE, "NRML", "BUY", 75, 100_000) == 12_000
    assert account.needed(CALL, "NRML", "BUY", 75, 75 * 20_000) == 75 * 20_000
    assert account.needed(CALL, "NRML", "SELL", 75, 75 * 20_000) == 75 * 2_500_000 * 0.12
    line = account.line(INFY, "MIS")
    account.fill(line, "BUY", 10, 10_000)
    assert account.blocked == 20_000
    assert account.needed(INFY, "MIS", "SELL", 10, 100_000) == 0
    assert account.needed(INFY, "MIS", "SELL", 30, 300_000) == 20_000  # beyond flat: 20 shares
    account.set_aside(line, "SELL", (0, 0), (10, 100_000))
    assert account.needed(INFY, "MIS", "SELL", 10, 100_000) == 0  # the long side is still the larger one
    assert account.needed(INFY, "MIS", "SELL", 20, 200_000) == 20_000


def test_selling_a_holding_gives_its_price() -> None:
    account = Account(cash=0)
    account.fill(account.line(INFY, "CNC"), "BUY", 10, 10_000)
    after = account.next_day("2026-11-24", {})
    assert after.cash == -100_000
    line = after.line(INFY, "CNC")
    after.fill(line, "SELL", 4, 12_000)
    assert after.available == -52_000
    assert after.sellable(INFY) == 6
    form = holding_form(after.holdings[INFY.instrument], 4, look(130, close=125))
    assert (form["quantity"], form["used_quantity"], form["opening_quantity"], form["t1_quantity"]) == (6, 4, 10, 6)
    assert (form["pnl"], form["day_change"], form["day_change_percentage"]) == (180, 5, 4)
    last = after.next_day("2026-11-25", {})
    assert last.cash == -52_000
    assert (last.holdings[INFY.instrument].quantity, last.holdings[INFY.instrument].fresh) == (6, 0)


def test_what_kite_says_of_a_position() -> None:
    account = Account()
    account.fill(account.line(INFY, "MIS"), "BUY", 10, 10_000)
    account = account.next_day("2026-11-24", {})
    line = account.lines[INFY.instrument, "MIS"]
    account.fill(line, "BUY", 10, 11_000)
    account.fill(line, "SELL", 5, 12_000)
    net = position_form(line, look(115, close=105), of_the_day=False)
    assert (net["quantity"], net["overnight_quantity"], net["average_price"]) == (15, 10, 105)
    assert (net["buy_quantity"], net["buy_price"], net["sell_quantity"], net["value"]) == (20, 105, 5, -1500)
    assert (net["pnl"], net["realised"], net["unrealised"]) == (225, 75, 150)
    assert (net["m2m"], net["buy_m2m"]) == (175, 2150)
    day = position_form(line, look(115, close=105), of_the_day=True)
    assert (day["quantity"], day["overnight_quantity"], day["average_price"], day["pnl"]) == (5, 0, 110, 75)
    unlisted = position_form(line, None, of_the_day=False)
    assert (unlisted["last_price"], unlisted["unrealised"]) == (105, 0)
    form = margin_form(account)
    assert form["net"] == pytest.approx(form["available"]["opening_balance"] - form["utilised"]["debits"])
    assert margin_form(None)["net"] == 0
