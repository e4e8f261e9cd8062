"""Kafka's security settings in Faust's form."""

from __future__ import annotations

import faust
import pytest

from infra.errors import UserError
from infra.faust_app import _credentials

SCRAM = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "me",
    "sasl.password": "x",
}


def test_without_security_there_are_no_credentials() -> None:
    assert _credentials({}) is None


def test_a_user_and_password_are_passed_on() -> None:
    found = _credentials(SCRAM)
    assert isinstance(found, faust.SASLCredentials)
    assert (found.username, found.password, found.mechanism.value) == ("me", "x", "SCRAM-SHA-512")


def test_encryption_has_a_context() -> None:
    assert isinstance(_credentials({"security.protocol": "ssl"}), faust.SSLCredentials)
    assert _credentials(SCRAM | {"security.protocol": "SASL_SSL"}).ssl_context is not None


def test_what_faust_cannot_do_is_refused() -> None:
    with pytest.raises(UserError, match="GSSAPI is not supported"):
        _credentials(SCRAM | {"sasl.mechanism": "GSSAPI"})
