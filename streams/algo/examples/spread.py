"""A spread between two instruments, on ticks."""

from streams.algo import Algo, Tick, param, state


class Spread(Algo):
    """Trades the ratio of two prices when it strays from its average: sells the dear one, buys the cheap one."""

    legs = 2

    span: int = param(60, low=5, high=10_000, help="ticks over which the average forgets")
    enter: float = param(2.0, low=0.1, high=10, help="standard deviations at which to enter")
    leave: float = param(0.5, low=0, high=10, help="standard deviations at which to leave")
    quantity: int = param(1, low=1, high=100_000, help="shares of each")

    prices: list[float] = state([0.0, 0.0])
    seen: int = state(0)
    mean: float = state(0.0)
    variance: float = state(0.0)
    side: int = state(0)  # 1: long the first and short the second

    def on_tick(self, tick: Tick) -> None:
        self.prices[self.instruments.index(tick.instrument)] = tick.price
        if not all(self.prices):
            return
        ratio = self.prices[0] / self.prices[1]
        distance = self.strays_by(ratio)
        if self.seen < self.span:
            return
        if not self.side and abs(distance) >= self.enter:
            self.trade(-1 if distance > 0 else 1, distance, ratio)
        elif self.side and abs(distance) <= self.leave:
            self.trade(0, distance, ratio)

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
        first, second = self.instruments
        self.signal("spread", side, ratio=round(ratio, 5), deviations=round(distance, 2))
        self.target(side * self.quantity, first, reason="spread")
        self.target(-side * self.quantity, second, reason="spread")
