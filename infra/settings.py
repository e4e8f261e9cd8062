"""The environment, read once into a frozen record.

In order of strength: environment variables ``PORTFOLIO_<NAME>``, then ``settings.toml`` in the home folder, then
the defaults below. Every port of the local servers is ``port_base`` plus a fixed number, so two homes with two
bases run side by side.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from infra.home import CHECKOUT, home_path

__all__ = ["CHECKOUT", "Settings", "home_path", "settings"]


class Settings(BaseSettings):
    """What can be set. Empty addresses mean the local servers that ``./portfolio up`` starts."""

    model_config = SettingsConfigDict(env_prefix="PORTFOLIO_", frozen=True, extra="ignore")

    home: Path = Field(default_factory=home_path)
    port_base: int = Field(default=19000, ge=1024, le=65000)

    kafka: str = Field(default="", description="bootstrap servers, host:port, comma-separated")
    kafka_security: dict[str, str] = Field(
        default_factory=dict, description="further librdkafka settings: security.protocol, sasl.*, ssl.*"
    )
    kafka_replication: int = 1
    partitions: int = Field(
        default=12, ge=1, le=1000, description="partitions of a topic that has no number of its own"
    )

    nodes_host: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9.:_-]*$",
        description="this computer's name or address for nodes on others: the local Kafka then listens for them too",
    )

    cassandra: str = Field(default="", description="contact points, host:port, comma-separated")
    cassandra_user: str = ""
    cassandra_password: str = ""
    cassandra_datacenter: str = "datacenter1"
    cassandra_replication: int = 1
    keyspace: str = "portfolio"

    postgres: str = Field(default="", description="a PostgreSQL URL")

    java_flags: str = Field(default="", description="further flags for the local Kafka's and Cassandra's Java")

    kite_api: str = Field(default="", description="Kite's REST address; empty: the local simulator's")
    kite_ws: str = Field(default="", description="Kite's websocket address; empty: the local simulator's")
    kite_api_key: str = "simulator"
    kite_api_secret: str = "simulator-secret"  # noqa: S105 - the simulator's, known to all
    kite_connections: int = Field(default=3, ge=1, le=64, description="websockets that the API key allows (Kite: 3)")

    feed_pool: str = Field(default="local", description="this computer's name among the feed pools")
    feed_workers: int = Field(default=1, ge=0, le=64, description="workers at the first start; later `feed workers N`")
    feed_silence_s: float = 5.0

    gateway_orders_per_s: int = Field(
        default=8, ge=1, le=5000, description="orders a gateway sends in a second; more need a registration (Kite: 10)"
    )
    gateway_timeout_s: float = Field(default=5.0, gt=0, description="after this long without an answer it is unknown")
    risk_price_age_s: float = Field(
        default=10.0, gt=0, description="a price whose feed has not spoken for so long (market time) is stale"
    )

    clock: Literal["simulated", "wall"] = "simulated"
    clock_speed: float = Field(default=1.0, gt=0, le=1000)

    simulator_seed: int = 1
    simulator_instruments: int = Field(default=3200, ge=100, le=30000)
    simulator_orders_per_s: int = Field(
        default=10, ge=1, description="more get 429, as at Kite; above 10 there is no limit a minute and a day"
    )
    simulator_postback: str = Field(
        default="",
        pattern=r"^(http://.+)?$",
        description="where order postbacks go; empty: the gateway of the local live account",
    )
    simulator_load: bool = Field(default=False, description="every instrument ticks in every half second")

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before the home's ``settings.toml``."""
        toml = TomlConfigSettingsSource(settings_cls, home_path() / "settings.toml")
        return init_settings, env_settings, toml

    # ports of the local servers and services, all on loopback
    @property
    def kafka_port(self) -> int:
        return self.port_base + 92

    @property
    def kafka_controller_port(self) -> int:
        return self.port_base + 93

    @property
    def kafka_nodes_port(self) -> int:
        """The one that listens beyond loopback, when ``nodes_host`` is set."""
        return self.port_base + 94

    @property
    def cassandra_port(self) -> int:
        return self.port_base + 42

    @property
    def cassandra_storage_port(self) -> int:
        return self.port_base + 70

    @property
    def postgres_port(self) -> int:
        return self.port_base + 32

    @property
    def simulator_rest_port(self) -> int:
        return self.port_base + 80

    @property
    def simulator_ws_port(self) -> int:
        return self.port_base + 81

    @property
    def console_port(self) -> int:
        return self.port_base + 0

    @property
    def candles_web_port(self) -> int:
        return self.port_base + 66

    @property
    def fleet_web_port(self) -> int:
        return self.port_base + 67

    @property
    def node_port(self) -> int:
        return self.port_base + 68

    @property
    def risk_web_port(self) -> int:
        return self.port_base + 69

    @property
    def gateway_port(self) -> int:
        """The live account's gateway."""
        return self.port_base + 71

    @property
    def paper_port(self) -> int:
        """The paper account's gateway."""
        return self.port_base + 72

    @property
    def feed_metrics_port(self) -> int:
        """The first of the feed workers' metrics ports; worker n has this one plus n."""
        return self.port_base + 100

    # addresses, with the local servers for those that are not set
    @property
    def kafka_servers(self) -> str:
        return self.kafka or f"127.0.0.1:{self.kafka_port}"

    @property
    def cassandra_points(self) -> list[tuple[str, int]]:
        points = self.cassandra or f"127.0.0.1:{self.cassandra_port}"
        return [(host, int(port or 9042)) for host, _, port in (p.strip().partition(":") for p in points.split(","))]

    @property
    def postgres_url(self) -> str:
        return self.postgres or f"postgresql://postgres@127.0.0.1:{self.postgres_port}/portfolio"

    @property
    def kite_api_url(self) -> str:
        return self.kite_api or f"http://127.0.0.1:{self.simulator_rest_port}"

    @property
    def kite_ws_url(self) -> str:
        return self.kite_ws or f"ws://127.0.0.1:{self.simulator_ws_port}"

    @property
    def simulator_postback_url(self) -> str:
        return self.simulator_postback or f"http://127.0.0.1:{self.gateway_port}/postback"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.console_port}"

    @property
    def uses_simulator(self) -> bool:
        return not self.kite_api


@cache
def settings() -> Settings:
    """This process's settings. pydantic's ValidationError when a value does not fit."""
    return Settings()
