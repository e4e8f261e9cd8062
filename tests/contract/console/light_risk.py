"""Risk and a gateway with nothing behind them: they answer intents and commands in the log as the real ones do."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

from confluent_kafka import TopicPartition

from infra.clock import market_clock
from infra.kafka import consumer, produce_all
from infra.settings import Settings
from schemas.codec import decode
from schemas.fleet import AlgoEvent, Command, EventKind
from schemas.order_state import order_event
from schemas.orders import OrderIntent, OrderSend, OrderVerdict, Position
from schemas.risk import RISK_NODE, RiskPoint, RiskState, TradingState
from schemas.topics import (
    ALGO_EVENTS,
    COMMANDS,
    ORDER_EVENTS,
    ORDER_INTENTS,
    ORDER_SENDS,
    ORDER_VERDICTS,
    POSITIONS,
    RISK_POINTS,
    RISK_STATES,
)
from streams.fleet.signing import Checker, control_key, trust_of

MOST = 1000  # shares: more are refused
PRICE = 1520.0
STATES: dict[str, TradingState] = {"halt": "HALTED", "reduce": "REDUCING", "resume": "ACTIVE"}


class LightRisk:
    """Used as a context. Market orders are filled at once, others rest until they are cancelled."""

    def __init__(self, of: Settings) -> None:
        self.obeyed: list[Command] = []
        self._of = of
        self._orders: dict[str, OrderIntent] = {}
        self._checker = Checker(RISK_NODE, trust_of(control_key(of.home)))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._reader = consumer("light-risk", of)

    def __enter__(self) -> LightRisk:
        places = [TopicPartition(topic.name, 0) for topic in (ORDER_INTENTS, COMMANDS)]
        for at in places:
            at.offset = self._reader.get_watermark_offsets(at, timeout=10)[1]
        self._reader.assign(places)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._reader.close()

    def _run(self) -> None:
        while not self._over.is_set():
            message = self._reader.poll(0.05)
            if message is None or message.error():
                continue
            if message.topic() == ORDER_INTENTS.name:
                self.judge(decode(OrderIntent, message.value()), message.offset())
            elif (command := decode(Command, message.value())).node == RISK_NODE:
                self._obey(command)

    def judge(self, intent: OrderIntent, offset: int = 0) -> None:
        """Says what risk would, and does what the gateway would."""
        now, account = market_clock().now_us(), intent.account
        said = OrderVerdict(
            intent.id, account, True, "", "", "", {}, PRICE, now, offset, replace(intent, product="MIS")
        )
        if intent.quantity > MOST:
            limit = {"limit": "platform quantity", "numbers": {"value": float(MOST), "wanted": float(intent.quantity)}}
            said = replace(said, approved=False, code="QUANTITY", reason="It is too much.", **limit)
        records: list[tuple[Any, int, str, Any]] = [(ORDER_VERDICTS, 0, account, said)]
        if said.approved:
            order = intent.order or intent.id
            records.append((ORDER_SENDS, 0, account, OrderSend(intent.id, account, order, intent.action, now, "light")))
            records += self._answers(said.intent, order, now)
        produce_all(records, self._of)

    def _answers(self, intent: OrderIntent, order: str, now: int) -> list[tuple[Any, int, str, Any]]:
        whole = self._orders.setdefault(order, intent)
        if intent.action == "modify":
            whole = self._orders[order] = replace(whole, price=intent.price or whole.price)
        filled = whole.quantity if whole.kind == "market" and intent.action == "place" else 0
        status = "cancelled" if intent.action == "cancel" else "complete" if filled else "open"
        event = order_event(
            account=whole.account, order=order, status=status, instrument=whole.instrument, side=whole.side,
            product="MIS", quantity=whole.quantity, filled=filled, average_price=PRICE * bool(filled), at_us=now + 5,
            broker_order="777", run=whole.run, task=whole.task, kind=whole.kind, price=whole.price,
            revision=int(intent.action == "modify"), intent=intent.id, source="paper",
        )  # fmt: skip
        made: list[tuple[Any, int, str, Any]] = [(ORDER_EVENTS, 0, whole.account, event)]
        if filled:
            held = Position(whole.account, whole.run, whole.instrument, "MIS", filled, PRICE, filled, 0, 0.0, 20.0,
                            now + 5, 1)  # fmt: skip
            made.append((POSITIONS, 0, f"{whole.account}/{whole.run}/{whole.instrument}/MIS", held))
        return made

    def _obey(self, command: Command) -> None:
        self._checker.check(command, time.time_ns() // 1000)
        self.obeyed.append(command)
        if state := STATES.get(command.verb):
            made = RiskState(command.task, state, command.actor, market_clock().now_us(), command=command.id)
            produce_all([(RISK_STATES, 0, command.task, made)], self._of)
        self._tell(command, "done")

    def _tell(self, command: Command, kind: EventKind) -> None:
        event = AlgoEvent(uuid4().hex, RISK_NODE, "", kind, time.time_ns() // 1000, command.id)
        produce_all([(ALGO_EVENTS, 0, "", event)], self._of)

    def say(self, *points: RiskPoint) -> None:
        """What is at risk."""
        produce_all([(RISK_POINTS, 0, point.scope, point) for point in points], self._of)
