from infra.local.servers import all_servers, cassandra, kafka
from infra.settings import Settings

ONE, OTHER = Settings(port_base=20000), Settings(port_base=30000)


def test_everything_listens_on_loopback_only() -> None:
    broker = kafka.properties(ONE)
    assert all("://127.0.0.1:" in address for address in broker["listeners"].split(","))
    assert "://127.0.0.1:" in broker["advertised.listeners"]
    node = cassandra.config(ONE)
    assert node["listen_address"] == node["rpc_address"] == "127.0.0.1"
    assert "listen_addresses=127.0.0.1" in all_servers()["postgres"].command(ONE)


def test_two_homes_share_no_port() -> None:
    ports = [port for of in (ONE, OTHER) for server in all_servers().values() for port in server.ports(of)]
    assert len(set(ports)) == len(ports)


def test_a_write_is_on_the_disk_before_it_is_acknowledged() -> None:
    assert cassandra.config(ONE)["commitlog_sync"] == "group"
