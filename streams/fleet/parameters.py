"""Settings of a run against the parameters that its algo declares (``Algo.parameters``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from infra.errors import UserError
from schemas.fleet import Algo
from streams.algo.params import Param, read_settings
from streams.fleet.errors import RequestError


def check_settings(algo: Algo, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings as they will be used. RequestError when one is unknown, of the wrong type or out of bounds."""
    rows: list[dict[str, Any]] = json.loads(algo.parameters or "[]")
    known = [Param(**row | {"choices": tuple(row.get("choices") or ())}) for row in rows]
    given = {name.strip(): str(text).strip() for name, text in settings.items()}
    try:
        read_settings(known, given)
    except UserError as error:
        raise RequestError(f"Algo {algo.name}: {error}") from None
    return given


def similar(name: str, known: Mapping[str, Any]) -> str:
    """What may have been meant, as the end of a sentence."""
    close = get_close_matches(name, known, 3, 0.5)
    if close:
        return f"; did you mean {' or '.join(close)}"
    return f"; there are {', '.join(sorted(known))}" if 0 < len(known) <= 10 else ""
