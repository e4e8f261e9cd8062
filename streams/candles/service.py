"""What the local supervisor needs to know to run the candle worker."""

from infra.service import Service

SERVICE = Service(
    name="candles",
    module="streams.candles",
    needs=("kafka", "cassandra"),
    port=lambda settings: settings.candles_web_port,
)
