"""Every metric of the platform, declared once. Served by each process on loopback under ``/metrics``."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

FEED_TICKS = Counter("feed_ticks_total", "Ticks written to Kafka and acknowledged", ["worker"])
FEED_FRAMES = Counter("feed_frames_total", "Websocket frames with packets read", ["worker"])
FEED_GAPS = Counter("feed_gaps_total", "Interruptions that were told to feed-gaps", ["worker"])
FEED_INSTRUMENTS = Gauge("feed_instruments", "Instruments this worker is subscribed to", ["worker"])
DEAD_LETTERS = Counter("dead_letters_total", "Messages and frames that could not be used", ["topic"])
CANDLE_TICKS = Counter("candle_ticks_total", "Ticks folded into candles")
CANDLE_ROWS = Counter("candle_rows_total", "Candle rows written to Cassandra")
CANDLE_FLUSH = Histogram("candle_flush_seconds", "Time to make the touched candles durable")
