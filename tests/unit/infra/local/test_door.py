"""The local Kafka listens beyond loopback only when it is asked to, and then with TLS and a password of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from infra.local import door
from infra.local.servers import kafka
from infra.settings import Settings


def settings(home: Path, host: str = "", outside: str = "") -> Settings:
    return Settings(home=home, port_base=19000, nodes_host=host, kafka=outside)


def test_the_door_is_shut_unless_it_is_opened(tmp_path: Path) -> None:
    said = kafka.properties(settings(tmp_path))
    assert all("127.0.0.1:" in listener for listener in said["listeners"].split(","))
    assert not (tmp_path / "door").exists()
    assert door.address(settings(tmp_path, "desk", outside="elsewhere:9092")) == ""


@pytest.mark.parametrize(("host", "advertised"), [("10.1.2.3", "10.1.2.3:19094"), ("fd00::1", "[fd00::1]:19094")])
def test_behind_the_door_nothing_goes_without_tls_and_password(tmp_path: Path, host: str, advertised: str) -> None:
    of = settings(tmp_path, host)
    said, client = kafka.properties(of), door.client_settings(of)
    assert f"NODES://{advertised}" in said["advertised.listeners"]
    assert "NODES:SASL_SSL" in said["listener.security.protocol.map"]
    assert f'"{client["sasl.password"]}"' in said[f"{door.PREFIX}.plain.sasl.jaas.config"]
    certificate = x509.load_pem_x509_certificate(client["ssl.ca.pem"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name) for name in names.get_values_for_type(x509.IPAddress)] == [host]
    assert "PRIVATE" not in client["ssl.ca.pem"]


def test_password_and_certificate_stay_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    of = settings(tmp_path, "desk.home")
    assert door.client_settings(of) == door.client_settings(of)
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "door").iterdir())
    other = door.client_settings(settings(tmp_path / "other", "desk.home"))
    assert other["sasl.password"] != door.client_settings(of)["sasl.password"]
