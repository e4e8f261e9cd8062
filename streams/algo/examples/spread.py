"""A spread between two instruments, on ticks."""

from streams.algo import Algo, OrderNews, Tick, param, state


class Spread(Algo):
    """Trades the ratio of two prices when it strays from its average: sells the dear one, buys the cheap one."""

    legs = 2
    timer = 10

    span: int = param(60, low=5, high=10_000, help="ticks over which the average forgets")
    enter: float = param(2.0, low=0.1, high=10, help="standard deviations at which to enter")
    leave: float = param(0.5, low=0, high=10, help="standard deviations at which to leave")
    quantity: int = param(1, low=1, high=100_000, help="shares of each")

    prices: list[float] = state([0.0, 0.0])
    seen: int = state(0)
    mean: float = state(0.0)
    variance: float = state(0.0)
    side: int = state(0)  # 1: long the first and short the second
    missed: bool = state(False)  # one was refused: not again before the ratio has been back

    def on_tick(self, tick: Tick) -> None:
        self.prices[self.instruments.index(tick.instrument)] = tick.price
        if not all(self.prices):
            return
        ratio = self.prices[0] / self.prices[1]
        distance = self.strays_by(ratio)
        if self.seen < self.span:
            return
        if abs(distance) <= self.leave:
            self.missed = False
            if self.side:
                self.trade(0, distance, ratio)
        elif abs(distance) >= self.enter and not self.side and not self.missed:
            self.trade(-1 if distance > 0 else 1, distance, ratio)

    def on_order(self, order: OrderNews) -> None:
        if order.status in ("refused", "rejected"):
            self.log(f"{order.side} {order.quantity} {order.instrument} was {order.status}: {order.reason}")
            if self.side:  # half a spread is none: out of the other leg
                self.side, self.missed = 0, True

    def on_timer(self) -> None:
        if not self.orders():  # all is known of what was asked for
            self.balance("as it should be")

    def strays_by(self, ratio: float) -> float:
        """Standard deviations between the ratio and its average, which then takes it in."""
        weight = 2 / (min(self.seen, self.span) + 2)
        distance = ratio - self.mean if self.seen else 0.0
        scale = self.variance**0.5
        self.seen += 1
        self.mean = self.mean + weight * distance if self.seen > 1 else ratio
        self.variance = (1 - weight) * (self.variance + weight * distance**2)
        return distance / scale if scale else 0.0

    def trade(self, side: int, distance: float, ratio: float) -> None:
        """Goes long or short the first leg against the second, or out of both."""
        self.side = side
        self.signal("spread", side, ratio=round(ratio, 5), deviations=round(distance, 2))
        self.balance("spread")

    def balance(self, reason: str) -> None:
        """Asks for what is missing to the position of each leg."""
        first, second = self.instruments
        self.target(self.side * self.quantity, first, reason=reason)
        self.target(-self.side * self.quantity, second, reason=reason)
