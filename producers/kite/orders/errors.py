"""What an error of the official client means for an order: was it taken, surely not, or may it have been?"""

from __future__ import annotations

from typing import Any

import requests
from kiteconnect.exceptions import KiteException, TokenException
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from producers.gateway.broker import BrokerError, NotSentError, RefusedError, TokenError, UnknownOutcomeError

TOO_MANY, FORBIDDEN, SERVER = 429, 403, 500
BEFORE_SENDING = (NewConnectionError, ConnectTimeoutError, ProxyError)


def meaning(error: Exception) -> BrokerError:
    """The gateway's word for it.

    Kite's own refusals are below 500; 429 and 403 say that nothing was done yet. From 500 on it is the server that
    failed, maybe after it had passed the order on. Of a connection we know only when it could not be made at all.
    """
    if isinstance(error, KiteException):
        return _answered(error)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return NotSentError("no connection to Kite in time")
    if isinstance(error, requests.exceptions.ConnectionError):
        return _broken(error)
    if isinstance(error, requests.exceptions.Timeout):
        return UnknownOutcomeError("Kite did not answer in time")
    return UnknownOutcomeError(f"Kite's answer could not be used: {type(error).__name__}: {error}")


def _answered(error: Any) -> BrokerError:
    if error.code == TOO_MANY:
        return NotSentError(f"Kite had too many requests: {error}")
    if error.code == FORBIDDEN and isinstance(error, TokenException):
        return TokenError(f"Kite does not take the access token: {error}")
    if error.code < SERVER:
        return RefusedError(str(error))
    return UnknownOutcomeError(f"Kite answered {error.code}: {error}")


def _broken(error: requests.exceptions.ConnectionError) -> BrokerError:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, BEFORE_SENDING):
        return NotSentError(f"no connection to Kite: {reason}")
    return UnknownOutcomeError(f"the connection to Kite broke: {error}")
