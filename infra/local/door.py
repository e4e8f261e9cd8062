"""The door through which nodes on other computers reach the local Kafka: TLS, and a password made for this home.

Open only when ``nodes_host`` is set. The certificate signs itself; the join command carries it, so that a node talks to
this Kafka and no other.
"""

from __future__ import annotations

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.secret_file import secret_file
from infra.settings import Settings

USER = "node"
VALID = timedelta(days=3650)
PREFIX = "listener.name.nodes"


def address(settings: Settings) -> str:
    """What nodes elsewhere connect to; empty when the door is shut."""
    host = f"[{settings.nodes_host}]" if ":" in settings.nodes_host else settings.nodes_host
    return f"{host}:{settings.kafka_nodes_port}" if host and not settings.kafka else ""


def broker_settings(settings: Settings) -> dict[str, str]:
    """Kafka's settings of the listener ``NODES``."""
    login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return {
        f"{PREFIX}.sasl.enabled.mechanisms": "PLAIN",
        f"{PREFIX}.plain.sasl.jaas.config": f'{login} required user_{USER}="{_password(settings)}";',
        f"{PREFIX}.ssl.keystore.type": "PEM",
        f"{PREFIX}.ssl.keystore.location": str(_certificate(settings)),
    }


def client_settings(settings: Settings) -> dict[str, str]:
    """librdkafka's settings for a node elsewhere."""
    lines = _certificate(settings).read_text(encoding="ascii")
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": USER,
        "sasl.password": _password(settings),
        "ssl.ca.pem": lines[lines.index("-----BEGIN CERTIFICATE") :],
    }


def _password(settings: Settings) -> str:
    return secret_file(settings.home / "door" / "password", lambda: secrets.token_urlsafe(32).encode()).decode()


def _certificate(settings: Settings) -> Path:
    """Key and certificate for this host name."""
    name = "".join(sign if sign.isalnum() or sign in ".-" else "_" for sign in settings.nodes_host)
    path = settings.home / "door" / f"{name}.pem"
    secret_file(path, lambda: _new_certificate(settings.nodes_host))
    return path


def _new_certificate(host: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Portfolio")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a node's clock may be behind
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + signed.public_bytes(serialization.Encoding.PEM)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
