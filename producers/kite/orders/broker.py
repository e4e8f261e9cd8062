"""The live account behind the gateway's interface: kiteconnect in threads, its errors and forms translated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog
from kiteconnect import KiteConnect
from requests.adapters import HTTPAdapter

from infra.settings import Settings
from producers.gateway.broker import BrokerOrder, TokenError
from producers.gateway.hands import CALLS
from producers.kite.orders.errors import meaning
from producers.kite.orders.forms import Form, modify_form, order_of, place_form, positions_of
from producers.kite.orders.token import Tokens
from schemas.order_state import OrderState
from schemas.orders import BrokerPosition, OrderIntent, Source

ACCOUNT = "live"
THREADS = CALLS + 4  # orders, and looks beside them
CONNECT_S = 3.0
T = TypeVar("T")
log = structlog.get_logger()


class KiteBroker:
    """``producers.gateway.broker.Broker`` for Zerodha, and for the simulator at Kite's place."""

    account = ACCOUNT

    def __init__(self, of: Settings, tokens: Tokens) -> None:
        self._tokens = tokens
        self._client = client(of)
        self._threads = ThreadPoolExecutor(THREADS, "kite")
        self._news: asyncio.Queue[BrokerOrder] = asyncio.Queue()
        self._read: dict[str, tuple[Form, BrokerOrder]] = {}  # the last order book: most of it stays as it was
        self._varieties: dict[str, tuple[str, str | None]] = {}  # of orders that are not regular, with their parent

    async def place(self, intent: OrderIntent) -> str:
        """Sends an order; Kite's id of it."""
        form = place_form(intent)
        return str(await self._call(lambda: self._client.place_order(**form)))

    async def modify(self, intent: OrderIntent, broker_order: str, state: OrderState) -> None:
        """Asks for a change."""
        form = modify_form(intent, state)
        variety, parent = self._variety(broker_order)
        await self._call(lambda: self._client.modify_order(variety, broker_order, parent, **form))

    async def cancel(self, broker_order: str) -> None:
        """Asks for a cancel."""
        variety, parent = self._variety(broker_order)
        await self._call(lambda: self._client.cancel_order(variety, broker_order, parent))

    async def orders(self) -> list[BrokerOrder]:
        """Today's order book."""
        forms: list[Form] = await self._call(self._client.orders)
        before, self._read = self._read, {}
        for form in forms:
            name = str(form.get("order_id"))
            known = before.get(name)
            order = known[1] if known and known[0] == form else self.understand(form, "poll")
            if order is not None:
                self._read[name] = form, order
            if (variety := form.get("variety") or "regular") != "regular":
                self._varieties[name] = variety, form.get("parent_order_id")
        return [order for _, order in self._read.values()]

    async def positions(self) -> list[BrokerPosition]:
        """All that is held, delivered shares too."""
        positions = await self._call(self._client.positions)
        holdings = await self._call(self._client.holdings)
        return positions_of(positions["net"], holdings)

    async def updates(self) -> AsyncIterator[BrokerOrder]:
        """Frames and postbacks."""
        while True:
            yield await self._news.get()

    def hear(self, form: Form, source: Source) -> None:
        """An order that Kite told of by itself."""
        if (order := self.understand(form, source)) is not None:
            self._news.put_nowait(order)

    def understand(self, form: Form, source: Source) -> BrokerOrder | None:
        """An order; None, and a line in the log, for what cannot be one."""
        try:
            return order_of(form, source)
        except (KeyError, ValueError, TypeError) as error:
            log.error("an order cannot be read", source=source, reason=f"{type(error).__name__}: {error}", form=form)
            return None

    def _variety(self, name: str) -> tuple[str, str | None]:
        return self._varieties.get(name, ("regular", None))

    async def _call(self, work: Callable[[], T]) -> T:
        token = self._tokens.current
        if not token:
            raise TokenError(self._tokens.trouble)
        self._client.set_access_token(token)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except Exception as error:
            said = meaning(error)
            if isinstance(said, TokenError):
                self._tokens.refuse(token, str(said))
            raise said from error


def client(of: Settings) -> Any:
    """The official client, with connections that are kept, and times left as Kite writes them: it would read each
    with a parser that takes longer than all the rest."""
    made = KiteConnect(of.kite_api_key, root=of.kite_api_url)
    made.timeout = (min(CONNECT_S, of.gateway_timeout_s), of.gateway_timeout_s)
    made._format_response = partial(_as_it_is)
    for scheme in ("https://", "http://"):
        made.reqsession.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=THREADS))
    return made


def _as_it_is(data: Any) -> Any:
    return data
