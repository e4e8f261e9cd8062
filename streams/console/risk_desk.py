"""The hand that sets limits and stops trading: the brake of this computer first, then a signed command to risk."""

from __future__ import annotations

import threading
from dataclasses import replace

from infra.brake import read_brake, set_brake
from infra.clock import Clock
from infra.settings import Settings
from schemas.codec import encode
from schemas.fleet import Command, Verb
from schemas.risk import RISK_NODE, Limit, TradingState
from schemas.topics import COMMANDS, LIMITS
from streams.console.errors import UnavailableError
from streams.console.writing import LogWriter
from streams.fleet.signing import Signer
from streams.prices.follow import Follower

PATIENCE_S = 3.0  # for Kafka to take a command: who halts does not wait for long


class RiskDesk:
    """Writes limits and commands, one at a time."""

    def __init__(self, of: Settings, trading: Follower, fleet: Follower, signer: Signer, clock: Clock) -> None:
        self._settings = of
        self._limits = LogWriter(of, trading)
        self._commands = LogWriter(of, fleet, PATIENCE_S)
        self._signer = signer
        self._clock = clock
        self._one = threading.Lock()
        self._commanding = threading.Lock()

    def set_limit(self, limit: Limit, actor: str, reason: str) -> Limit:
        """Writes a limit, or that it is removed. UnavailableError when Kafka does not take it."""
        with self._one:
            made = replace(limit, actor=actor, reason=reason, at_us=self._clock.now_us())
            self._limits.write([(LIMITS, 0, f"{made.scope} {made.limit}", encode(made))])
            return made

    def hold(self, scope: str, state: TradingState, actor: str, reason: str) -> None:
        """Sets this computer's brake, or lets the scope go (ACTIVE). UnavailableError when the home is not writable."""
        try:
            set_brake(self._settings.home, scope, state, actor, reason)
        except OSError as error:
            raise UnavailableError(
                f"The brake in {self._settings.home} cannot be written ({error.strerror}): nothing is changed."
            ) from error

    def let_go(self, scope: str, since_us: int, actor: str, reason: str) -> None:
        """Lifts this computer's brake from a scope, unless somebody set it after an instant of the wall clock: who
        halts while another resumes is right."""
        hold = read_brake(self._settings.home).get(scope)
        if hold is not None and hold.at_us <= since_us:
            self.hold(scope, "ACTIVE", actor, reason)

    def command(self, verb: Verb, scope: str, actor: str, reason: str, *, flatten: bool = False) -> Command:
        """Tells risk. UnavailableError when Kafka does not take it; then risk is not told later either."""
        with self._commanding:
            arguments = {"reason": reason, "flatten": flatten}
            command = self._signer.command(RISK_NODE, verb, scope, actor, arguments)
            self._commands.write([(COMMANDS, 0, command.node, encode(command))])
            return command
