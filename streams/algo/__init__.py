"""The SDK: what the author of an algo imports. See README.md beside this file."""

from schemas.fleet import Signal
from schemas.market import Candle
from schemas.risk import Breach, RiskPoint
from schemas.ticks import TickBatch
from streams.algo.base import ALL, Algo
from streams.algo.function import algo
from streams.algo.kept import state
from streams.algo.orders import Order, OrderNews
from streams.algo.params import param
from streams.algo.playback import replay
from streams.algo.ticks import Tick
from streams.algo.window import Window

__all__ = [
    "ALL", "Algo", "Breach", "Candle", "Order", "OrderNews", "RiskPoint", "Signal", "Tick", "TickBatch", "Window",
    "algo", "param", "replay", "state",
]  # fmt: skip
