"""Which limits hold where: a limit with a name takes the place of that with ``*``."""

from __future__ import annotations

import math

from schemas.risk import Limit
from streams.risk.scopes import PLATFORM, scopes_of

ADVERSE = 100.0  # percent, where no limit says otherwise
MOST_KEPT = 20_000  # scopes whose limits are kept at hand


class Rules:
    """The limits that were set, also those that were removed since, and what follows from them."""

    def __init__(self) -> None:
        self.limits: dict[tuple[str, str], Limit] = {}  # by scope and name, as they were set last
        self._named: dict[str, dict[str, Limit]] = {}  # those that hold: by name, then scope
        self._at: dict[str, tuple[Limit, ...]] = {}  # by scope, what was asked for since they changed
        self._pairs = False  # whether any is about an algo's instrument

    def limit(self, scope: str, name: str) -> Limit | None:
        """The limit that holds in a scope: its own, else the nearest one with ``*``."""
        named = self._named.get(name)
        if not named:
            return None
        return next((named[form] for form in forms_of(scope) if form in named), None)

    def limits_of(self, scope: str) -> tuple[Limit, ...]:
        """All limits that hold in a scope, of every name."""
        if not self._pairs and "/" in scope:
            return ()
        found = self._at.get(scope)
        if found is None:
            limits = (self.limit(scope, name) for name in self._named)
            found = tuple(limit for limit in limits if limit is not None)
            if len(self._at) >= MOST_KEPT:
                self._at.clear()
            self._at[scope] = found
        return found

    def capital(self, scope: str, account: str = "") -> float | None:
        """What percents of capital are of: the scope's own, else the account's, else the platform's; in rupees."""
        for where in (scope, f"account:{account}", PLATFORM):
            limit = self.limit(where, "capital")
            if limit is not None and limit.value > 0:
                return limit.value
        return None

    def adverse(self, account: str, run: str, instrument: str) -> float:
        """How far prices are assumed to go against it, in percent: what its narrowest scope says."""
        if not self._named.get("adverse-move"):
            return ADVERSE
        for scope in reversed(scopes_of(account, run, instrument)):
            if limit := self.limit(scope, "adverse-move"):
                return max(0.0, limit.value)
        return ADVERSE

    def _set(self, limit: Limit) -> None:
        """ValueError for a limit whose value is no number."""
        if not math.isfinite(limit.value):
            raise ValueError(f"the limit {limit.limit} of {limit.scope} is no number")
        self.limits[limit.scope, limit.limit] = limit
        named = self._named.setdefault(limit.limit, {})
        if limit.removed:
            named.pop(limit.scope, None)
        else:
            named[limit.scope] = limit
        self._at.clear()
        self._pairs = any("/" in scope for named in self._named.values() for scope in named)


def forms_of(scope: str) -> tuple[str, ...]:
    """The scope and its forms with ``*``, the nearest first."""
    kind, _, rest = scope.partition(":")
    if not rest:
        return (scope,)
    name, both, instrument = rest.partition("/instrument:")
    if both:
        return scope, f"algo:{name}/instrument:*", f"algo:*/instrument:{instrument}", "algo:*/instrument:*"
    return scope, f"{kind}:*"
