"""Order frames among what brokers say."""

from __future__ import annotations

import json

from producers.kite.orders.notices import forms
from schemas.orders import BrokerNotice


def test_only_kites_orders_that_can_be_read_are_handed_on() -> None:
    order = {"order_id": "1", "status": "OPEN"}
    notices = [
        BrokerNotice("kite", "order", json.dumps(order), 1, "local-1"),
        BrokerNotice("kite", "message", json.dumps(order), 1, "local-1"),
        BrokerNotice("another", "order", json.dumps(order), 1, "local-1"),
        BrokerNotice("kite", "order", "{", 1, "local-1"),
        BrokerNotice("kite", "order", "[1]", 1, "local-1"),
    ]
    assert forms(notices) == [order]
