"""Positions, holdings and margins as Kite writes them. Pure."""

from __future__ import annotations

from producers.simulator.orders.account import Account, Holding, Line
from producers.simulator.orders.form import Form, rupees
from producers.simulator.orders.matching import Look


def position_form(line: Line, look: Look | None, of_the_day: bool) -> Form:
    """A position: all of it, or what was traded today alone. Without a market its last price is its average."""
    carried = 0 if of_the_day else line.carried
    price = line.carried_price if carried else 0.0
    bought, bought_value = line.bought + max(0, carried), line.bought_value + max(0, carried) * price
    sold, sold_value = line.sold + max(0, -carried), line.sold_value + max(0, -carried) * price
    quantity = bought - sold
    close = float(look.close) if look else 0.0
    average = line.average if not of_the_day else _average(line)
    last = float(look.last) if look else average
    marked = carried * ((close or price) - price)  # m2m begins at the day's first value of what was carried
    profit = sold_value - bought_value + quantity * last
    unrealised = (last - average) * quantity
    return {
        "tradingsymbol": line.instrument.symbol,
        "exchange": line.instrument.exchange,
        "instrument_token": line.instrument.token,
        "product": line.product,
        "quantity": quantity,
        "overnight_quantity": carried,
        "multiplier": 1,
        "average_price": rupees(average),
        "close_price": rupees(close),
        "last_price": rupees(last),
        "value": rupees(sold_value - bought_value),
        "pnl": rupees(profit),
        "m2m": rupees(profit - marked),
        "unrealised": rupees(unrealised),
        "realised": rupees(profit - unrealised),
        "buy_quantity": bought,
        "buy_price": rupees(bought_value / bought) if bought else 0,
        "buy_value": rupees(bought_value),
        "buy_m2m": rupees(bought_value + (marked if carried > 0 else 0)),
        "sell_quantity": sold,
        "sell_price": rupees(sold_value / sold) if sold else 0,
        "sell_value": rupees(sold_value),
        "sell_m2m": rupees(sold_value - (marked if carried < 0 else 0)),
        "day_buy_quantity": line.bought,
        "day_buy_price": rupees(line.bought_value / line.bought) if line.bought else 0,
        "day_buy_value": rupees(line.bought_value),
        "day_sell_quantity": line.sold,
        "day_sell_price": rupees(line.sold_value / line.sold) if line.sold else 0,
        "day_sell_value": rupees(line.sold_value),
    }


def _average(line: Line) -> float:
    """Of what was traded today on the side that has more."""
    net = line.bought - line.sold
    if not net:
        return 0.0
    return line.bought_value / line.bought if net > 0 else line.sold_value / line.sold


def holding_form(holding: Holding, sold: int, look: Look | None) -> Form:
    """A holding; ``sold``: how many of its shares have been sold today."""
    quantity, average = holding.quantity - sold, holding.average
    last = float(look.last) if look else average
    close = float(look.close) if look and look.close else last
    return {
        "tradingsymbol": holding.instrument.symbol,
        "exchange": holding.instrument.exchange,
        "instrument_token": holding.instrument.token,
        "isin": "",
        "product": "CNC",
        "price": 0,
        "quantity": quantity,
        "used_quantity": sold,
        "t1_quantity": min(quantity, holding.fresh),
        "realised_quantity": max(0, quantity - holding.fresh),
        "authorised_quantity": 0,
        "authorised_date": None,
        "authorisation": {},
        "opening_quantity": holding.quantity,
        "short_quantity": 0,
        "collateral_quantity": 0,
        "collateral_type": "",
        "discrepancy": False,
        "average_price": rupees(average),
        "last_price": rupees(last),
        "close_price": rupees(close),
        "pnl": rupees((last - average) * quantity),
        "day_change": rupees(last - close),
        "day_change_percentage": (last - close) / close * 100 if close else 0.0,
    }


AVAILABLE = ("adhoc_margin", "collateral", "intraday_payin")
UTILISED = (
    "exposure", "m2m_unrealised", "option_premium", "payout", "span", "holding_sales", "turnover",
    "liquid_collateral", "stock_collateral", "delivery",
)  # fmt: skip


def margin_form(account: Account | None) -> Form:
    """A segment's money; None: a segment without any."""
    cash, live, blocked, realised = (
        (account.cash, account.available, account.blocked, account.realised) if account else (0, 0, 0, 0)
    )
    return {
        "enabled": True,
        "net": rupees(live),
        "available": {
            "cash": rupees(cash),
            "opening_balance": rupees(cash),
            "live_balance": rupees(live),
            **dict.fromkeys(AVAILABLE, 0.0),
        },
        "utilised": {
            "debits": rupees(blocked - realised),
            "m2m_realised": rupees(realised),
            **dict.fromkeys(UTILISED, 0.0),
        },
    }
