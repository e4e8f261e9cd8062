"""Do the broker's positions agree with ours? Only what two snapshots in a row show, or the first one, is a difference.

The broker knows no algos: compared is the sum over all runs, by instrument and product. What is found is an event; a
person accepts it, and then what is missing is booked as an order of the run EXTERNAL (:func:`adjustment`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import cast

from schemas.order_state import order_event
from schemas.orders import EXTERNAL, BrokerPositions, OrderEvent, PositionDifference, Product
from streams.positions.fold import ADJUSTMENT, Holding

Spot = tuple[str, Product]  # instrument, product


@dataclass(frozen=True, slots=True)
class Difference:
    """Our quantity of a spot is not the broker's."""

    instrument: str
    product: Product
    ours: int
    brokers: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a snapshot led to: records to write, and what the next snapshot must show again to count."""

    records: list[PositionDifference] = field(default_factory=list)
    suspected: Mapping[Spot, int] = field(default_factory=dict)  # the broker's quantity less ours


def differences(
    holdings: Iterable[Holding], broker: BrokerPositions, leave_out: Container[str] = ()
) -> list[Difference]:
    """Where the broker holds something else than the holdings of its account, sorted.

    ``leave_out``: instruments of which an order is between states; the snapshot may be from before its last fill.
    """
    ours, theirs = sums(holdings, broker.account), _broker_sums(broker)
    return [
        Difference(*spot, ours.get(spot, 0), theirs.get(spot, 0))
        for spot in sorted(ours.keys() | theirs.keys())
        if ours.get(spot, 0) != theirs.get(spot, 0) and spot[0] not in leave_out
    ]


def sums(holdings: Iterable[Holding], account: str) -> dict[Spot, int]:
    """What the runs of an account hold together, by spot."""
    made: dict[Spot, int] = defaultdict(int)
    for holding in holdings:
        if holding.key[0] == account:
            made[holding.key[2], cast(Product, holding.key[3])] += holding.quantity
    return dict(made)


def _broker_sums(broker: BrokerPositions) -> dict[Spot, int]:
    made: dict[Spot, int] = defaultdict(int)
    for position in broker.positions:
        made[position.instrument, position.product] += position.quantity
    return dict(made)


def reconcile(
    found: Mapping[Spot, PositionDifference],
    suspected: Mapping[Spot, int],
    holdings: Iterable[Holding],
    broker: BrokerPositions,
    leave_out: Container[str] = (),
    *,
    first: bool = False,
) -> Reconciled:
    """What a snapshot of the broker's positions leads to, pure.

    ``found``: the differences that stand in the account; ``suspected``: what the snapshot before led to; ``first``: the
    first snapshot since the start, when there is nothing to wait for.
    """
    holdings = list(holdings)
    now = {(d.instrument, d.product): d for d in differences(holdings, broker, leave_out)}
    theirs, at_us = _broker_sums(broker), broker.at_us
    records = [
        replace(known, state="gone", at_us=at_us, ours=theirs.get(spot, 0), brokers=theirs.get(spot, 0))
        for spot, known in sorted(found.items())
        if spot not in now and spot[0] not in leave_out
    ]
    again = {spot: amount for spot, amount in suspected.items() if spot[0] in leave_out}
    for spot, seen in now.items():
        known, amount = found.get(spot), seen.brokers - seen.ours
        if known is not None and known.brokers - known.ours == amount:
            continue
        if not first and suspected.get(spot) != amount:
            again[spot] = amount
            continue
        id_ = known.id if known is not None else _id(broker.account, spot, at_us)
        records.append(PositionDifference(id_, broker.account, *spot, seen.ours, seen.brokers, "found", at_us))
    return Reconciled(records, again)


def adjustment(difference: PositionDifference, price: float, at_us: int) -> OrderEvent:
    """The order, complete from the start, that makes our quantity the broker's. No charges are reckoned for it.

    ``price``: what the position is taken over at, the broker's average or the last price.
    """
    missing = difference.brokers - difference.ours
    return order_event(
        account=difference.account, order=f"{ADJUSTMENT}{difference.id}", status="complete",
        instrument=difference.instrument, side="buy" if missing > 0 else "sell", product=difference.product,
        quantity=abs(missing), filled=abs(missing), average_price=price, at_us=at_us, run=EXTERNAL,
        reason=f"accepted by {difference.actor}" if difference.actor else "accepted", source="risk",
    )  # fmt: skip


def _id(account: str, spot: Spot, at_us: int) -> str:
    return blake2b(repr((account, *spot, at_us)).encode(), digest_size=8).hexdigest()
