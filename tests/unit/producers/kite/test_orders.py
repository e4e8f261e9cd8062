"""Kite's words for orders against its own example messages, and the client's errors as the gateway's."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from infra.settings import Settings
from producers.gateway.broker import NotSentError, RefusedError, TokenError, UnknownOutcomeError, UnwritableError
from producers.kite.orders.broker import KiteBroker
from producers.kite.orders.forms import modify_form, moment_us, order_of, place_form, positions_of
from producers.kite.orders.postback import is_genuine
from producers.kite.orders.token import Tokens
from schemas.order_state import first_state, order_event
from schemas.orders import OrderIntent
from tests.data import data_file


def example(name: str) -> Any:
    return json.loads(data_file(f"kite/{name}.json").read_text())


def intent(**more: Any) -> OrderIntent:
    given: dict[str, Any] = {
        "id": "a1b2c3", "account": "live", "run": "r", "task": "r@n", "instrument": "NSE:SBIN", "side": "buy",
        "quantity": 5, "kind": "market", "price": 0.0, "trigger": 0.0, "trading": "live", "at_us": 1, "product": "MIS",
    }  # fmt: skip
    return OrderIntent(**(given | more))


def test_the_example_order_book_is_read() -> None:
    found = [order_of(row, "poll") for row in example("orders")["data"]]
    assert found[0].status == "cancelled"
    assert (found[0].instrument, found[0].side, found[0].kind) == ("CDS:USDINR21JUNFUT", "buy", "limit")
    assert found[0].broker_us == int(datetime(2021, 5, 31, 3, 48, 58, tzinfo=UTC).timestamp()) * 1_000_000
    assert found[1].status == "complete"
    assert found[1].filled == found[1].quantity > 0
    assert found[1].average_price > 0
    assert [order.tag for order in found if order.tag] == [
        "connect test order1", "connect test order2",
    ]  # fmt: skip


def test_the_example_postback_is_read_and_only_its_own_secret_fits() -> None:
    values = example("postback")
    assert (order_of(values, "postback").status, order_of(values, "postback").average_price) == ("complete", 470.0)
    assert not is_genuine(values, "another")
    assert not is_genuine({}, "secret")
    said = values | {"order_timestamp": "2022-03-03 09:24:25", "checksum": "0" * 64}
    assert not is_genuine(said, "secret")


def test_holdings_count_beside_positions() -> None:
    net = [{"exchange": "NSE", "tradingsymbol": "SBIN", "product": "CNC", "quantity": -3, "average_price": 470.0}]
    held = [{"exchange": "NSE", "tradingsymbol": "SBIN", "quantity": 7, "opening_quantity": 10, "average_price": 400.0}]
    (one,) = positions_of(net, held)
    assert (one.instrument, one.product, one.quantity, one.average_price) == ("NSE:SBIN", "CNC", 7, 400.0)
    assert [row.instrument for row in positions_of(example("positions")["data"]["net"], [])]


def test_orders_are_written_as_kite_wants_them() -> None:
    made = place_form(intent())
    assert (made["order_type"], made["market_protection"], made["tag"]) == ("MARKET", -1, "a1b2c3")
    assert "price" not in made
    made = place_form(intent(kind="stop-limit", price=10.5, trigger=10.0))
    assert (made["order_type"], made["price"], made["trigger_price"]) == ("SL", 10.5, 10.0)
    assert "market_protection" not in made
    for wrong in ({"instrument": "SBIN"}, {"id": "not a tag"}, {"product": ""}):
        with pytest.raises(UnwritableError):
            place_form(intent(**wrong))


def test_a_change_names_only_what_changes() -> None:
    state = first_state(
        order_event(
            account="live", order="a1b2c3", status="open", instrument="NSE:SBIN", side="buy", product="MIS", quantity=5,
            filled=0, average_price=0.0, at_us=1, kind="limit", price=10.0,
        )
    )  # fmt: skip
    assert modify_form(intent(action="modify", quantity=0, price=11.0), state) == {"price": 11.0}


def test_times_without_a_zone_are_indias() -> None:
    assert moment_us("2021-05-31 09:15:00") == 1622432700000000


@contextmanager
def answering(status: int, body: Any, *, breaks: bool = False) -> Iterator[tuple[Settings, list[dict[str, list[str]]]]]:
    """An HTTP server that gives one answer to everything, and what it was asked."""
    asked: list[dict[str, list[str]]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
            if breaks:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Settings(kite_api=f"http://127.0.0.1:{server.server_port}", gateway_timeout_s=5), asked
        finally:
            server.shutdown()


def broker(of: Settings) -> KiteBroker:
    tokens = Tokens()
    tokens.current = "token"
    return KiteBroker(of, tokens)


def refused(kind: str, text: str) -> dict[str, Any]:
    return {"status": "error", "error_type": kind, "message": text, "data": None}


def test_an_order_is_placed_by_the_official_client() -> None:
    with answering(200, {"status": "success", "data": {"order_id": "77"}}) as (of, asked):
        assert asyncio.run(broker(of).place(intent(kind="limit", price=10.5))) == "77"
    assert asked == [
        {
            "exchange": ["NSE"], "tradingsymbol": ["SBIN"], "transaction_type": ["BUY"], "quantity": ["5"],
            "product": ["MIS"], "order_type": ["LIMIT"], "price": ["10.5"], "validity": ["DAY"], "tag": ["a1b2c3"],
            "variety": ["regular"],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "InputException", RefusedError),
        (403, "TokenException", TokenError),
        (429, "NetworkException", NotSentError),
        (500, "GeneralException", UnknownOutcomeError),
        (502, "NetworkException", UnknownOutcomeError),
        (504, "DataException", UnknownOutcomeError),
    ],
)
def test_what_an_answer_means(status: int, kind: str, error: type[Exception]) -> None:
    with answering(status, refused(kind, "no")) as (of, _):
        made = broker(of)
        with pytest.raises(error):
            asyncio.run(made.place(intent()))
        assert (made._tokens.current == "") == (error is TokenError)  # the same token is not tried again


def test_a_connection_that_breaks_leaves_it_open_and_none_at_all_does_not() -> None:
    with answering(200, {}, breaks=True) as (of, asked), pytest.raises(UnknownOutcomeError):
        asyncio.run(broker(of).place(intent()))
    assert len(asked) == 1  # and it is never sent again by the client itself
    with pytest.raises(NotSentError):
        asyncio.run(broker(of).place(intent()))  # that server is gone


def test_without_a_token_nothing_is_sent() -> None:
    with pytest.raises(TokenError):
        asyncio.run(KiteBroker(Settings(), Tokens()).place(intent()))
