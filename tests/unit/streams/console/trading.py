"""Records of orders, positions and risk, for tests, and a console that has folded them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from infra.settings import Settings
from schemas.market import Instrument
from schemas.order_state import order_event
from schemas.orders import (
    BrokerPosition,
    BrokerPositions,
    OrderEvent,
    OrderIntent,
    OrderSend,
    OrderVerdict,
    Position,
    PositionDifference,
)
from schemas.risk import Breach, Limit, LimitUse, RiskPart, RiskPoint, RiskState
from streams.console.app import create_app
from streams.console.state import Console
from streams.console.trading_log import TradingLog

S = 1_000_000
DAY = "2026-11-27"
NOW = 1_795_755_600_000_000  # 2026-11-27 10:30:00 IST
INFY = "NSE:INFY"


def intent(id_: str = "o1", **more: Any) -> OrderIntent:
    values: dict[str, Any] = {
        "account": "paper", "run": "crossover", "task": "crossover@desk", "instrument": INFY, "side": "buy",
        "quantity": 10, "kind": "limit", "price": 1520.0, "trigger": 0.0, "trading": "paper", "at_us": NOW,
        "reason": "fast above slow", "product": "MIS", "cause": "ticks/3/41",
    }  # fmt: skip
    return OrderIntent(id_, **(values | more))


def change(id_: str, action: Any, order: str = "o1", **more: Any) -> OrderIntent:
    values = {"run": "", "task": "asha", "cause": "", "reason": "", "price": 0.0, "quantity": 0, "at_us": NOW + S}
    return intent(id_, action=action, order=order, **(values | more))


def verdict(of: OrderIntent, code: str = "", reason: str = "", **more: Any) -> OrderVerdict:
    values: dict[str, Any] = {
        "limit": "", "numbers": {}, "price": 1519.5, "at_us": of.at_us + 1_200, "offset": 0, "intent": of,
    }  # fmt: skip
    return OrderVerdict(id=of.id, account=of.account, approved=not code, code=code, reason=reason, **(values | more))


def send(of: OrderIntent) -> OrderSend:
    return OrderSend(of.id, of.account, of.order or of.id, of.action, of.at_us + 2_000, "paper-1")


def event(of: OrderIntent, status: Any, filled: int = 0, **more: Any) -> OrderEvent:
    values: dict[str, Any] = {
        "account": of.account, "order": of.order or of.id, "instrument": of.instrument, "side": of.side,
        "product": of.product, "quantity": of.quantity, "average_price": 1519.75 if filled else 0.0,
        "at_us": of.at_us + 3_000 + filled, "broker_order": "241127000001", "run": of.run, "task": of.task,
        "kind": of.kind, "price": of.price, "source": "paper",
    }  # fmt: skip
    return order_event(status=status, filled=filled, **(values | more))


def position(quantity: int = 10, run: str = "crossover", at_us: int = NOW + 3_010, **more: Any) -> Position:
    values: dict[str, Any] = {
        "average_price": 1519.75, "bought": 10, "sold": 0, "realised": 125.5, "charges": 12.25, "orders": 1,
    }  # fmt: skip
    return Position("paper", run, INFY, "MIS", quantity, at_us=at_us, **(values | more))


def part(**more: Any) -> RiskPart:
    values: dict[str, Any] = {
        "account": "paper", "run": "crossover", "instrument": INFY, "product": "MIS", "quantity": 10,
        "average_price": 1519.75, "price": 1523.4, "covered": 4, "pending_buy": 5, "pending_sell": 4,
        "money_at_risk": 123_456.5, "realised": 125.5, "open": 36.5, "charges": 12.25,
    }  # fmt: skip
    return RiskPart(**(values | more))


def point(scope: str = "platform", **more: Any) -> RiskPoint:
    values: dict[str, Any] = {
        "at_us": NOW, "day": DAY, "state": "ACTIVE", "money_at_risk": 123_456.5, "day_max": 200_000.0,
        "day_max_us": NOW - 600 * S, "previous_max": 160_000.0, "realised": 125.5, "open": 36.5, "charges": 12.25,
        "drawdown": 900.0, "drawdown_all_time": 15_000.0, "notional": 300_000.0, "open_positions": 1, "orders": 3,
    }  # fmt: skip
    return RiskPoint(scope, **(values | more))


def trading_day(cause: str = "ticks/3/41") -> list[Any]:
    """A small day: an algo's order that fills in two parts, one that risk refused, a person's, one by hand."""
    filled, refused = intent(cause=cause), intent("o2", quantity=5000, at_us=NOW + 10 * S, cause="")
    mine = intent("p3", run="", task="asha", kind="stop-limit", side="sell", price=1500.0, trigger=1502.0,
                  at_us=NOW + 20 * S, cause="", reason="")  # fmt: skip
    numbers = {"value": 150_000.0, "used": 123_456.5, "wanted": 7_600_000.0}
    said = "Money at risk of algo crossover would be ₹77,23,456.50, and ₹1,50,000 is its limit."
    hand = intent("ext-24112799", run="EXTERNAL", task="", account="live", kind="market", at_us=NOW + 30 * S)
    cancel = change("p4", "cancel", "p3", at_us=NOW + 25 * S)
    return [
        filled, verdict(filled), send(filled), event(filled, "open"), event(filled, "open", 4),
        event(filled, "complete", 10, source="poll"), position(4, at_us=NOW + 3_004), position(),
        refused, verdict(refused, "LIMIT", said, limit="algo:crossover money-at-risk", numbers=numbers),
        mine, verdict(mine), send(mine), event(mine, "trigger-pending"), cancel, verdict(cancel), send(cancel),
        event(cancel, "cancelled", quantity=10, run="", task="asha", side="sell", kind="stop-limit", price=1500.0,
              trigger=1502.0, intent="p4"),
        event(hand, "complete", 10, account="live"),
        Limit("platform", "money-at-risk", 1_000_000.0, actor="asha", at_us=NOW - 60 * S),
        Limit("algo:*", "drawdown", 2.0, "percent", "flatten", "asha", NOW - 50 * S),
        Limit("platform", "money-at-risk", 500_000.0, actor="ravi", at_us=NOW, reason="a wild day"),
        RiskState("algo:crossover", "REDUCING", "risk", NOW + 40 * S, "drawdown broke"),
        Breach("b1", "algo:crossover", "drawdown", 20_000.0, 20_500.0, "rupees", "stop", NOW + 39 * S,
               "Algo crossover is ₹20,500 below its peak, and ₹20,000 is its limit.", "done", "It was stopped."),
        point(uses=[LimitUse("platform", "money-at-risk", 500_000.0, 123_456.5, "rupees", "block")]),
        point("account:paper"),
        point("algo:crossover", parts=[part(), part(instrument="NFO:NIFTY26DEC24500CE", quantity=-75, covered=0)],
              uses=[LimitUse("algo:crossover", "drawdown", 20_000.0, 20_500.0, "rupees", "stop")]),
        PositionDifference("d1", "live", "NSE:TCS", "CNC", 5, 7, "found", NOW),
        BrokerPositions("live", NOW, [BrokerPosition("NSE:TCS", "CNC", 7, 4000.0)]),
    ]  # fmt: skip


def folded(records: Iterable[Any]) -> TradingLog:
    log, places = TradingLog(), dict[type[Any], int]()
    for record in records:
        log.put(record, offset := places.get(type(record), 0), NOW)
        places[type(record)] = offset + 1
    return log


@dataclass(frozen=True)
class Stopped:
    """A clock that stands still."""

    at_us: int = NOW + 60 * S
    speed: float = 1.0

    def now_us(self) -> int:
        return self.at_us

    def at_wall(self, wall_us: int) -> int:
        return wall_us

    def wall_us(self, market_us: int) -> int:
        return market_us


def app_of(of: Settings, records: Iterable[Any]) -> FastAPI:
    """An application whose console has read these records, and is not connected to anything."""
    app = create_app(of)
    console: Console = app.state.console
    console.clock = Stopped()
    vars(console.trading).update(vars(folded(records)))
    for number, name in enumerate((INFY, "NSE:TCS", "NSE:INFIBEAM")):
        exchange, _, symbol = name.partition(":")
        listed = Instrument(name, "kite", 256 * number, exchange, symbol, symbol, "EQ", exchange, 0.05, 1)
        console.feed.book.put(name, listed)
    for follower in (console.follower, console.fleet.follower, console.trading_follower):
        follower.caught_up.set()
    return app
