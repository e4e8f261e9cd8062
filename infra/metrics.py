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
RISK_VERDICTS = Counter("risk_verdicts_total", "Verdicts on intents, by their code", ["code"])
RISK_LATENCY = Histogram(
    "risk_verdict_seconds",
    "From the time of an intent in the log to its verdict in the log",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
RISK_MARK = Histogram("risk_mark_seconds", "Time to reckon anew what is at risk")
GATEWAY_CALLS = Counter("gateway_calls_total", "What the broker was asked for", ["account", "action", "outcome"])
GATEWAY_CALL_TIME = Histogram("gateway_call_seconds", "From asking the broker to its answer", ["account", "action"])
GATEWAY_WAIT = Histogram("gateway_wait_seconds", "From an approved intent to asking the broker", ["account"])
GATEWAY_NOT_SENT = Counter("gateway_not_sent_total", "Intents that were approved and never sent", ["account"])
GATEWAY_QUEUED = Gauge("gateway_queued", "Intents that wait to be sent", ["account"])
GATEWAY_SOUGHT = Gauge("gateway_sought", "What was sent and is looked for at the broker", ["account"])
GATEWAY_LIVE = Gauge("gateway_live_orders", "Orders of which more may be filled", ["account"])
GATEWAY_LOOKS = Counter("gateway_looks_total", "Looks into the broker's order book", ["account", "outcome"])
GATEWAY_NEWS = Counter("gateway_news_total", "News of orders that the broker pushed", ["account", "source"])
GATEWAY_DOUBLES = Gauge("gateway_doubles", "Orders at the broker whose tag belongs to another order", ["account"])
GATEWAY_POSTBACKS = Counter("gateway_postbacks_total", "Postbacks by what became of them", ["outcome"])
