"""The routes of risk: what is at risk, limits, and the switches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from infra.errors import UserError
from schemas.fleet import Command
from schemas.orders import ACCOUNTS
from schemas.risk import Limit, TradingState
from streams.console import fleet_view
from streams.console import limits_view as shown
from streams.console import risk_models as models
from streams.console import risk_view as view
from streams.console.errors import ApiError, UnavailableError, UnseenError
from streams.console.fleet_models import CommandRow
from streams.console.fleet_routes import CHANGE, REFUSED, UNKNOWN, Actor
from streams.console.serving import Any_, Ready
from streams.console.state import Console
from streams.fleet.errors import ConflictError, RequestError
from streams.risk.limits import limit_name, parse_limit
from streams.risk.limits import sentence as limit_sentence
from streams.risk.scopes import EACH, check_scope, described

router = APIRouter(prefix="/api/risk")
ANSWER_S = 10.0  # how long risk has to say that it resumed
CLOSED: tuple[str, ...] = ("platform", "account", "algo")  # the kinds of scopes that have a state
T = TypeVar("T")
Done = Literal["halt", "reduce"]
HELD = {
    "HALTED": "Trading is halted for {}: only cancels leave.",
    "REDUCING": "{} may only reduce: what opens or enlarges a position is refused.",
}


@router.get("", tags=["risk"], responses=REFUSED | UNKNOWN)
def risk(console: Ready, query: Annotated[models.RiskQuery, Query()]) -> models.Risk:
    """What is at risk now: by account, and by algo segregated by stock; the day's maximum and its change against the
    day before; profit and loss, drawdowns, uses of limits, states, what broke, and what the broker sees otherwise."""
    return view.risk_view(console, query)


@router.get("/history", tags=["risk"], responses=REFUSED | UNKNOWN)
def history(console: Ready, query: Annotated[models.HistoryQuery, Query()]) -> models.History:
    """A scope's trading days: the largest money at risk, its change from day to day, profit and loss, drawdown."""
    return view.history_view(console, query)


@router.get("/limits", tags=["risk"])
def limits(console: Ready) -> models.Limits:
    """All limits that hold, each with its largest use."""
    return shown.limits_view(console)


@router.get("/limits/history", tags=["risk"])
def limit_history(console: Ready, limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> models.LimitHistory:
    """Who changed which limit when, from what to what; the latest first."""
    return shown.limit_history_view(console, limit)


@router.put("/limits", tags=["risk"], responses=CHANGE)
def set_limit(console: Ready, asked: models.SetLimit, actor: Actor = "console") -> models.LimitChanged:
    """Set a limit. It holds at once; what it replaces is kept in the history."""
    value = asked.value if isinstance(asked.value, str) else repr(asked.value)
    made = _parsed(console, asked, value)
    with console.trading_follower.lock:
        before = console.trading.limits.get((made.scope, made.limit))
    done = console.risk_desk.set_limit(made, actor, asked.reason)
    was = f" It was {shown.limit_row(before, {}).shown}." if before else ""
    return models.LimitChanged(
        message=_capital(limit_sentence(done)) + was, limit=shown.limit_row(done, {}),
        before=shown.limit_row(before, {}) if before else None, warnings=_limit_warnings(console, done),
    )  # fmt: skip


@router.delete("/limits", tags=["risk"], responses=CHANGE)
def unset_limit(
    console: Ready,
    scope: Annotated[str, Query(min_length=1, max_length=120)],
    limit: Annotated[str, Query(min_length=1, max_length=40)],
    reason: Annotated[str, Query(max_length=300)] = "",
    actor: Actor = "console",
) -> models.LimitChanged:
    """Remove a limit. One with `*` that it stood in for holds again."""
    where, name = (
        _refused(lambda: check_scope(shown.full_scope(console, scope)).text),
        _refused(lambda: limit_name(limit)),
    )
    with console.trading_follower.lock:
        before = console.trading.limits.get((where, name))
    if before is None:
        raise shown.limit_is_unknown(console, where, name)
    gone = Limit(where, name, before.value, before.unit, before.action, removed=True)
    done = console.risk_desk.set_limit(gone, actor, reason)
    return models.LimitChanged(message=_capital(limit_sentence(done)), limit=None, before=shown.limit_row(before, {}))


@router.post("/halt", tags=["risk"], responses=CHANGE)
def halt(console: Any_, asked: models.AskRisk, actor: Actor = "console") -> models.RiskChanged:
    """The kill switch: only cancels leave any more, until somebody resumes. With `flatten` what is held is closed
    first.

    It holds at this computer's gateways at once, and also when Kafka does not answer: the answer says so."""
    scope = _closed(console, asked.scope)
    console.risk_desk.hold(scope, "REDUCING" if asked.flatten else "HALTED", actor, asked.reason)
    return _hold(console, "halt", scope, asked, actor)


@router.post("/reduce", tags=["risk"], responses=CHANGE)
def reduce(console: Any_, asked: models.AskRisk, actor: Actor = "console") -> models.RiskChanged:
    """Only orders that reduce a position may leave any more, until somebody resumes. As fast as halt. With `flatten`
    what is held is closed."""
    scope = _closed(console, asked.scope)
    console.risk_desk.hold(scope, "REDUCING", actor, asked.reason)
    return _hold(console, "reduce", scope, asked, actor)


@router.post("/resume", tags=["risk"], responses=CHANGE)
async def resume(console: Ready, asked: models.AskRisk, actor: Actor = "console") -> models.RiskChanged:
    """Trading goes on in a scope. Nothing is let go until risk has said that it resumed: when it cannot be told, or
    does not answer, everything stays as it was."""
    scope = await run_in_threadpool(_closed, console, asked.scope)
    try:
        command = await run_in_threadpool(console.risk_desk.command, "resume", scope, actor, asked.reason)
    except UnavailableError as error:
        raise UnavailableError(f"Risk cannot be told, so nothing is resumed: {_lower(str(error))}") from error
    row = await fleet_view.settled(console.fleet, command.id, ANSWER_S)
    if row.fate in ("refused", "failed"):
        raise ConflictError(f"Risk did not resume {described(scope)}: {row.reason}.")
    if row.fate != "done":
        raise UnavailableError(
            f"Risk has not answered, so nothing is resumed: {described(scope)} stays as it was; see `./portfolio "
            "status`."
        )
    await run_in_threadpool(console.risk_desk.let_go, scope, command.issued_us, actor, asked.reason)
    return models.RiskChanged(
        message=f"Trading goes on for {described(scope)}.", held=False, commands=[row], warnings=_still(console, scope)
    )


@router.post("/flatten", tags=["risk"], responses=CHANGE)
def flatten(console: Ready, asked: models.AskRisk, actor: Actor = "console") -> models.RiskChanged:
    """Cancel the live orders of a scope, then close what it holds in slices, watched until it is flat."""
    scope = _closed(console, asked.scope)
    row = _command_row(console, console.risk_desk.command("flatten", scope, actor, asked.reason))
    return models.RiskChanged(message=f"Closing what {described(scope)} holds.", held=False, commands=[row])


@router.post("/accept", tags=["risk"], responses=CHANGE)
def accept(console: Ready, asked: models.AskRisk, actor: Actor = "console") -> models.RiskChanged:
    """Accept that the broker holds something else than the fills say (scope `account:NAME`): the broker is right, what
    is missing is booked to the run `EXTERNAL`, and the account takes orders again."""
    scope = _refused(lambda: check_scope(asked.scope))
    if scope.account in (None, EACH):
        raise ApiError("Say which account is meant, as account:paper.")
    with console.trading_follower.lock:
        found = [d for d in console.trading.differences.values() if d.account == scope.account]
    if not found:
        raise ConflictError(
            f"There is nothing to accept: the broker holds what {described(scope.text)} has by its fills."
        )
    row = _command_row(console, console.risk_desk.command("accept", scope.text, actor, asked.reason))
    count = f"{len(found)} difference{'s' * (len(found) != 1)}"
    return models.RiskChanged(message=f"Accepting {count} of {described(scope.text)}.", held=False, commands=[row])


def _hold(console: Console, verb: Done, scope: str, asked: models.AskRisk, actor: str) -> models.RiskChanged:
    """Tells risk, once the brake holds; what cannot be told is a warning."""
    state: TradingState = "REDUCING" if verb == "reduce" or asked.flatten else "HALTED"
    try:
        if console.probes.kafka.answer.state == "down":
            raise UnavailableError(console.probes.kafka.answer.detail)
        command = console.risk_desk.command(verb, scope, actor, asked.reason, flatten=asked.flatten)
        rows, warnings = [_command_row(console, command)], []
    except UnseenError:
        rows, warnings = [], ["Risk is told; the console has not read that back yet."]
    except UnavailableError as error:
        rows, warnings = [], [_alone(str(error), flatten=asked.flatten)]
        if asked.flatten:
            state = "HALTED"
            console.risk_desk.hold(scope, state, actor, asked.reason)
    message = HELD[state].format(described(scope))
    if asked.flatten and rows:
        after = "then trading is halted" if verb == "halt" else "and nothing is opened"
        message = f"{described(scope)}: what is held is closed, {after}."
    return models.RiskChanged(message=_capital(message), held=True, commands=rows, warnings=warnings)


def _alone(reason: str, *, flatten: bool) -> str:
    """What it means that risk was not told."""
    but = " and nothing is closed" if flatten else ""
    return (
        f"Risk could not be told{but} ({reason.rstrip('.')}): this computer's gateways are held by the brake, those of "
        "other computers are not."
    )


def _still(console: Console, scope: str) -> list[str]:
    """What holds in spite of a resumption."""
    rows = [row for row in view.held_rows(console) if row.scope != scope]
    return [
        f"{_capital(described(row.scope))} is still {row.state}." for row in rows if row.scope in ("platform", scope)
    ]


def _closed(console: Console, text: str) -> str:
    """A scope that can be halted. The console may not know all names yet: then it is taken as it is written."""
    scope = _refused(lambda: check_scope(text))
    if console.ready:
        scope = _refused(lambda: shown.scope_named(console, text))
    if scope.kind not in CLOSED or EACH in scope.text:
        raise ApiError(f"{scope.text} cannot be halted by itself: take platform, account:NAME or algo:RUN.")
    return scope.text


def _parsed(console: Console, asked: models.SetLimit, value: str) -> Limit:
    scope = _refused(lambda: shown.scope_named(console, asked.scope, new=asked.new))
    return _refused(lambda: parse_limit(scope.text, asked.limit, value, asked.action))


def _refused(parse: Callable[[], T]) -> T:
    """What is parsed; what people wrote wrong is a bad request."""
    try:
        return parse()
    except UserError as error:
        if type(error) is UserError:
            raise RequestError(str(error)) from error
        raise


def _limit_warnings(console: Console, limit: Limit) -> list[str]:
    """A percentage of a capital that nobody has set is no limit."""
    if limit.unit != "percent" or limit.limit in ("price-band", "adverse-move"):
        return []
    with console.trading_follower.lock:
        has = {scope for scope, name in console.trading.limits if name == "capital"}
    of = (check_scope(limit.scope).account,) if limit.scope.startswith("account:") else ACCOUNTS
    without = [account for account in of if not has & {"platform", "account:*", f"account:{account}"}]
    if not without or EACH in without:
        return []
    commands = " and ".join(f"`./portfolio risk set account:{account} capital 10,00,000`" for account in without)
    return [f"It is a share of capital, which is not set: new orders are refused until {commands} or the like."]


def _command_row(console: Console, command: Command) -> CommandRow:
    return fleet_view.command_row(console.fleet, command.id)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    """To go on with a sentence; a name at its beginning keeps its capital."""
    return text[:1].lower() + text[1:] if text.startswith(("The ", "It ", "There ")) else text
