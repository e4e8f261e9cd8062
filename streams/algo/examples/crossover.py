"""A moving-average crossover on candles, the plainest of trends."""

from streams.algo import Algo, Candle, OrderNews, param, state


class Crossover(Algo):
    """Two moving averages of the close: long while the fast one is above the slow one, else flat."""

    candles = "1m"
    history = "slow"

    fast: int = param(3, low=1, high=50, help="candles in the fast average")
    slow: int = param(8, low=2, high=200, help="candles in the slow average")
    quantity: int = param(1, low=1, high=100_000, help="shares to buy")

    trend: str = state("")
    said: str = state("")  # why an order was refused, as it was logged last

    def on_start(self) -> None:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be less than slow ({self.slow})")
        self.look()  # there may be history enough to know the trend already

    def on_candle(self, candle: Candle) -> None:
        self.look()

    def on_order(self, order: OrderNews) -> None:
        why = order.code or order.reason
        if order.status in ("refused", "rejected") and why != self.said:
            self.said = why
            self.log(f"{order.side} {order.quantity} was {order.status}: {order.reason}")

    def look(self) -> None:
        """Tells the trend when it has turned, and goes with it: what was refused is asked for again a candle later."""
        closes = self.window().close
        if len(closes) <= self.fast:
            return
        fast, slow = closes[-self.fast :].mean(), closes.mean()
        trend = "up" if fast > slow else "down" if fast < slow else self.trend
        if trend != self.trend:
            self.trend = trend
            self.signal("trend", 1 if trend == "up" else -1, fast=round(fast, 2), slow=round(slow, 2))
        self.target(self.quantity if trend == "up" else 0, reason=f"the fast average is {trend}")
