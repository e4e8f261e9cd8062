"""The hand that writes a person's orders: intents as algos write them, judged by risk like all others."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable
from uuid import uuid4

from infra.clock import Clock
from schemas.codec import encode
from schemas.orders import Action, OrderIntent, OrderKind
from schemas.topics import ORDER_INTENTS
from streams.console import trading_models as models
from streams.console.desk import FeedDesk
from streams.console.errors import ApiError, UnavailableError, UnseenError
from streams.console.trading_log import Order, TradingLog
from streams.console.writing import LogWriter
from streams.fleet.errors import ConflictError
from streams.prices.follow import Follower

LOOK_S = 0.02
RESTING_S = 0.5  # an order that rests in the book is waited for so long: it may fill at once
PRICE_S = 5.0  # until an instrument that the feed was just asked for ticks
HEARD_S = 0.5  # until risk has heard of that too
VALID_S = 30.0  # in which it may be judged and sent
RESTING = ("open", "trigger-pending")


class OrderDesk:
    """Places, modifies and cancels. One at a time, so that an id asked for twice is written once."""

    def __init__(
        self,
        log: TradingLog,
        follower: Follower,
        writer: LogWriter,
        feed: FeedDesk,
        clock: Clock,
        price_of: Callable[[str], float | None],
    ) -> None:
        self._log = log
        self._follower = follower
        self._writer = writer
        self._feed = feed
        self._clock = clock
        self._price_of = price_of
        self._one = threading.Lock()

    def place(self, asked: models.PlaceOrder, actor: str) -> tuple[OrderIntent, list[str]]:
        """Writes the intent, and asks the feed for the instrument where it does not stream it; the intent and warnings.

        ApiError for what cannot be meant, what the feed refuses, ConflictError when the id is another order's,
        UnavailableError when Kafka does not take it. What may be sent is for risk to say.
        """
        kind = kind_of(asked)
        (instrument,) = self._feed.full_names([asked.instrument])
        intent = OrderIntent(
            id=asked.id or new_id(), account=asked.account, run="", task=actor, instrument=instrument,
            side=asked.side, quantity=asked.quantity, kind=kind, price=asked.price, trigger=asked.trigger,
            trading=asked.account, at_us=0, reason=asked.reason, product=asked.product, validity=asked.validity,
            protection=asked.protection, valid_s=self._valid_s,
        )  # fmt: skip
        warnings = [] if self._placed(intent) else self._streamed(instrument)
        with self._one:
            if before := self._placed(intent):
                return before, ["This id was asked for before: nothing more was written."]
            intent = dataclasses.replace(intent, at_us=self._clock.now_us())
            self._write(intent)
        return intent, warnings

    def cancel(self, order: Order, actor: str, reason: str) -> OrderIntent:
        """Asks that an order be cancelled. ConflictError when it is over, UnavailableError as above."""
        return self._change(order, "cancel", actor, reason)

    def modify(self, order: Order, asked: models.ModifyOrder, actor: str) -> OrderIntent:
        """Asks for other terms. ApiError when nothing is asked for; ConflictError and UnavailableError as above."""
        if not (asked.quantity or asked.price or asked.trigger):
            raise ApiError("Say what shall be another: quantity, price or trigger.")
        terms = {"quantity": asked.quantity, "price": asked.price, "trigger": asked.trigger}
        return self._change(order, "modify", actor, asked.reason, **terms)

    def _change(self, order: Order, action: Action, actor: str, reason: str, **terms: float) -> OrderIntent:
        with self._follower.lock:
            known, wish, is_live, status = order.state or order.wish, order.wish, order.is_live, order.status
        if known is None:
            raise ConflictError(f"Order {order.id} is not known well enough yet; ask again in a moment.")
        if not is_live:
            raise ConflictError(f"Order {order.id} is over: it is {status}.")
        with self._one:
            intent = OrderIntent(
                id=new_id(), account=known.account, run="", task=actor, instrument=known.instrument, side=known.side,
                quantity=int(terms.get("quantity", 0)), kind=known.kind, price=terms.get("price", 0.0),
                trigger=terms.get("trigger", 0.0), trading="live" if known.account == "live" else "paper",
                at_us=self._clock.now_us(), reason=reason, action=action, order=order.id, product=known.product,
                validity=wish.validity if wish else "DAY", valid_s=self._valid_s,
            )  # fmt: skip
            self._write(intent)
        return intent

    @property
    def _valid_s(self) -> float:
        """In market time, which may run fast: half a minute of a person's at least."""
        return VALID_S * max(1.0, self._clock.speed)

    def _write(self, intent: OrderIntent) -> None:
        try:
            self._writer.write([(ORDER_INTENTS, 0, intent.account, encode(intent))])
        except UnseenError:
            raise
        except UnavailableError as error:  # what is on its way to a log that does not answer may arrive nevertheless
            raise UnavailableError(
                f"Kafka has not confirmed {intent.action} {intent.id}, which may still come: look at `./portfolio "
                f"orders` before you ask again. ({error})"
            ) from error

    def _placed(self, intent: OrderIntent) -> OrderIntent | None:
        """What was asked for with this id before. ConflictError when that was something else."""
        with self._follower.lock:
            order = self._log.orders.get(intent.id)
            before = order.intent or order.wish if order else None
        if order is None:
            return None
        names = ("account", "run", "instrument", "side", "quantity", "kind", "price", "trigger")
        if before is None or any(getattr(before, name) != getattr(intent, name) for name in names):
            raise ConflictError(f"The id {intent.id} is another order's: choose another one, or leave it out.")
        return before

    def _streamed(self, instrument: str) -> list[str]:
        """Asks the feed for the instrument where it has to, and waits a little for its first price."""
        if not self._feed.ensure([instrument]):
            return []
        deadline = time.monotonic() + PRICE_S
        while self._price_of(instrument) is None and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        time.sleep(HEARD_S)
        return [f"The feed was asked for {instrument}."]


def kind_of(asked: models.PlaceOrder) -> OrderKind:
    """The kind that price and trigger make. ApiError when another was asked for."""
    made: OrderKind = (
        "stop-limit" if asked.price and asked.trigger else "stop" if asked.trigger else
        "limit" if asked.price else "market"
    )  # fmt: skip
    if asked.kind is not None and asked.kind != made:
        needs = {"market": "neither price nor trigger", "limit": "a price and no trigger",
                 "stop": "a trigger and no price", "stop-limit": "a price and a trigger"}  # fmt: skip
        raise ApiError(f"A {asked.kind} order needs {needs[asked.kind]}.")
    return made


def new_id() -> str:
    """An order's id: as the broker's tag it has at most 20 letters and digits."""
    return f"p{uuid4().hex[:19]}"


async def settled(of: Callable[[], tuple[bool, bool]], wait_s: float) -> bool:
    """Waits until ``of`` says that something is final, or that it rests for a while; whether it was so in time.

    ``of`` answers (final, resting).
    """
    deadline, rests_since = time.monotonic() + wait_s, 0.0
    while True:
        final, resting = of()
        now = time.monotonic()
        if final or (resting and rests_since and now - rests_since > RESTING_S):
            return True
        rests_since = (rests_since or now) if resting else 0.0
        if now >= deadline:
            return resting
        await asyncio.sleep(LOOK_S)
