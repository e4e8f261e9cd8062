"""The desk: takes orders, has them filled as the market moves, and keeps book and journal in step.

No sockets, no HTTP, no clock of its own: the market is a :class:`Prices`, what happens is told to a :class:`News`.
Whatever changes an order goes the same way, in one turn of the event loop: the book is changed, the journal written,
and only then anybody told. All work is by order or by instrument with live orders, never over the day's orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from producers.simulator.orders import bands, checks, lines
from producers.simulator.orders.book import Book
from producers.simulator.orders.checks import Rejection
from producers.simulator.orders.fields import changed, parse, refusal
from producers.simulator.orders.journal import Journal
from producers.simulator.orders.matching import Look, Pool, in_order, is_triggered, take, waits, within
from producers.simulator.orders.records import DONE, STOPS, Order, Status, Terms
from producers.simulator.orders.work import News, Prices, Work
from schemas.market import Instrument

MOST_CHANGES = 25


class Desk:
    """All that is done to orders. The book is that of the market's day."""

    def __init__(self, prices: Prices, journal: Journal, news: News) -> None:
        self.book = Book.of(journal.read())
        self._prices, self._journal, self._news = prices, journal, news
        self._pools: dict[int, Pool] = {}
        self._closing: dict[int, int] = {}
        self.new_day()

    # --- what clients ask for ---

    def place(self, fields: Mapping[str, str], tagged: bool = True) -> str:
        """A new order; its id. KiteError when the request makes no sense. It may be rejected nevertheless."""
        wanted = parse(fields)
        instrument = checks.check_instrument(self._prices.find(wanted.name), wanted.product)
        look = self._open_look(instrument)
        checks.check_terms(instrument, wanted.side, wanted.terms, look.last)
        work = self._work()
        if instrument.token not in self.book.instruments:
            work.lines.append(lines.instrument_line(instrument))
        tag = wanted.tag if tagged else ""
        order = self.book.add(instrument, wanted.side, wanted.product, tag, work.at_us)
        work.receive(order, wanted.terms)
        work.enter(order, "VALIDATION PENDING")
        if rejection := self._rejects(order, wanted.terms, look):
            work.enter(order, "REJECTED", "REJECTED", message=rejection.message, raw=rejection.raw)
        elif wanted.terms.kind in STOPS:
            self._pool(order, look)  # from here on it is seen what is traded
            work.enter(order, "TRIGGER PENDING", "TRIGGER PENDING")
        else:
            work.enter(order, "OPEN PENDING")
            self._open(order, self._pool(order, look), look, work)
        self._finish(work)
        return order.placed.id

    def modify(self, order_id: str, fields: Mapping[str, str]) -> str:
        """Other terms for a live order; its id. KiteError when that cannot be: the order is then as it was."""
        order = self._live(order_id, "modified")
        before, is_open = order.now, order.now.status == "OPEN"
        if order.changes >= MOST_CHANGES:
            raise refusal("Maximum allowed order modifications exceeded.")
        terms = changed(before.terms, fields)
        if is_open and terms.kind in STOPS and before.terms.kind not in STOPS:
            raise refusal("An order that is in the market already cannot become a stoploss order.")
        look = self._open_look(order.placed.instrument)
        checks.check_terms(order.placed.instrument, order.placed.side, terms, None if is_open else look.last)
        if terms.quantity <= before.filled:
            raise refusal(f"Invalid quantity. {before.filled} of the order have been traded.")
        if rejection := self._rejects(order, terms, look):
            raise refusal(rejection.message)
        work = self._work()
        work.enter(order, "MODIFY VALIDATION PENDING")
        work.enter(order, "MODIFY PENDING")
        work.enter(order, "MODIFIED", terms=terms)
        if terms != replace(before.terms, quantity=min(terms.quantity, before.terms.quantity)):
            order.rank = self.book.next_rank()  # only who asks for less keeps the place
        order.passive = False
        if terms.kind in STOPS and not is_open:
            work.enter(order, "TRIGGER PENDING", "UPDATE")
        else:
            self._open(order, self._pool(order, look), look, work, "UPDATE")
        self._finish(work)
        return order_id

    def cancel(self, order_id: str) -> str:
        """Ends a live order; its id. KiteError when it is not live."""
        order = self._live(order_id, "cancelled")
        work = self._work()
        work.enter(order, "CANCEL PENDING")
        self._end(order, work)
        self._finish(work)
        return order_id

    def set_cash(self, cash: int) -> None:
        """Makes the day's opening cash another, in hundredths, as a transfer would."""
        self.book.account.cash = cash
        self._journal.write([{"cash": cash}])

    # --- what the market does ---

    def step(self, tokens: Iterable[int]) -> None:
        """These instruments have changed: stops are triggered, what waits is filled."""
        work = self._work()
        for token in tokens:
            look = self._prices.look(self.book.instruments[token]) if token in self.book.live else None
            if look:
                self._meet(token, look, work)
        self._finish(work)

    def play(self, token: int, looks: Iterable[Look]) -> None:
        """What a market showed of one instrument, one after the other."""
        work = self._work()
        for look in looks:
            self._meet(token, look, work)
        self._finish(work)

    def end_session(self) -> None:
        """The session is over: what is live is cancelled. Contracts' last prices are noted, for their expiry."""
        work = self._work()
        for order in [order for orders in self.book.live.values() for order in orders.values()]:
            self._end(order, work)
        for line in self.book.account.lines.values():
            if line.instrument.expiry and line.quantity and (look := self._prices.look(line.instrument)):
                self._closing[line.instrument.token] = look.last
        self._finish(work)

    def new_day(self) -> None:
        """Begins the market's day, if it is another than the book's: a new book; what is held is carried over."""
        before, today = self.book, self._prices.day.isoformat()
        if today == before.day:
            return
        self.end_session()  # orders that were live when the process was stopped on another day
        account = before.account.next_day(today, self._closing) if before.day else before.account
        self.book = Book(today, account)
        self._closing.clear()
        self._pools.clear()
        self._journal.begin(before.day, lines.day_line(today, account))

    # --- the inside ---

    def _work(self) -> Work:
        return Work(self.book, self._prices.now_us())

    def _finish(self, work: Work) -> None:
        """Writes, then tells."""
        if work.lines:
            self._journal.write(work.lines)
        for told in work.told:
            self._news.tell(*told)

    def _open_look(self, instrument: Instrument) -> Look:
        look = self._prices.look(instrument)
        if look is None or not self._prices.is_open(instrument):
            raise refusal("Markets are closed right now. Use GTT for placing long standing orders instead.")
        return look

    def _live(self, order_id: str, word: str) -> Order:
        order = self.book.find(order_id)
        if order.now.status in DONE:
            raise refusal(f"Order cannot be {word}: it is {order.now.status}.")
        return order

    def _rejects(self, order: Order, terms: Terms, look: Look) -> Rejection | None:
        """Whether the exchange or the broker will not have these terms of an order, new or modified."""
        instrument, side, product = order.placed.instrument, order.placed.side, order.placed.product
        limits, account = bands.band(instrument, look.close), self.book.account
        if found := checks.too_large(instrument, terms.quantity) or checks.out_of_band(terms, limits):
            return found
        left = terms.quantity - order.now.filled
        price = terms.price or terms.trigger or bands.protected(instrument, side, look.last, terms.protection, limits)
        more = left - order.held[0]
        if product == "CNC" and side == "SELL" and (there := account.sellable(instrument)) < more:
            return checks.too_few_shares(more, there)
        needed = account.needed(instrument, product, side, more, left * price - order.held[1])
        if needed > max(0.0, account.available):
            return checks.too_little_money(needed, account.available)
        return None

    def _pool(self, order: Order, look: Look) -> Pool:
        token = order.placed.instrument.token
        pool = self._pools.get(token)
        if pool is None:
            pool = self._pools[token] = Pool(look)
        elif token not in self.book.live:  # nobody has looked for a while
            pool.see(look)
        return pool

    def _open(self, order: Order, pool: Pool, look: Look, work: Work, told: str = "OPEN") -> None:
        """The order enters the market, a market order as a limit order at its protection, and takes what it can."""
        terms = order.now.terms
        if terms.kind in ("MARKET", "SL-M"):
            instrument, side = order.placed.instrument, order.placed.side
            limits = bands.band(instrument, look.close)
            price = bands.protected(instrument, side, look.last, terms.protection, limits)
            terms = replace(terms, kind="LIMIT", price=price, protection=0.0)
        work.enter(order, "OPEN", told, terms=terms)
        self._fill(order, pool, work)
        if order.now.status == "OPEN" and terms.validity == "IOC":
            self._end(order, work)

    def _meet(self, token: int, look: Look, work: Work) -> None:
        """The live orders of an instrument meet its market."""
        orders = list(self.book.live.get(token, {}).values())
        if not orders:
            return
        pool = self._pools.get(token)
        if pool is None:
            pool = self._pools[token] = Pool(look)
        pool.see(look)
        waiting = []
        for order in orders:
            terms, side = order.now.terms, order.placed.side
            if order.now.status == "TRIGGER PENDING":
                if is_triggered(side, look.last, terms.trigger):
                    self._open(order, pool, look, work)
                continue
            others = pool.others(side)
            if within(side, look.last, terms.price) or (others and within(side, others[0][0], terms.price)):
                waiting.append(order)
            elif others:
                order.passive = True
        for order in in_order(waiting):
            self._fill(order, pool, work)

    def _fill(self, order: Order, pool: Pool, work: Work) -> None:
        """Takes what there is for an order."""
        side, now = order.placed.side, order.now
        parts = take(pool, side, now.terms.price, order.left, order.passive)
        if parts:
            filled = now.filled + sum(quantity for _, quantity in parts)
            value = now.value + sum(price * quantity for price, quantity in parts)
            is_whole = filled == now.terms.quantity
            status: Status = "COMPLETE" if is_whole else "OPEN"
            work.enter(order, status, "COMPLETE" if is_whole else "UPDATE", filled=filled, value=value)
            for price, quantity in parts:
                work.trade(order, quantity, price)
        order.passive = order.passive or waits(pool, side)

    def _end(self, order: Order, work: Work) -> None:
        now = order.now
        work.enter(order, "CANCELLED", "CANCELLED", cancelled=now.terms.quantity - now.filled)
