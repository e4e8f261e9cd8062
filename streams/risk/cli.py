"""``portfolio risk``: what is at risk, limits, and the kill switch. A client of the console's REST, but for the switch:
that first sets the brake of this computer by itself, so that it needs nothing that runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.amounts import Amounts

if TYPE_CHECKING:
    from schemas.risk import TradingState

app = typer.Typer(
    name="risk",
    help="What is at risk, how much of which limit is used, and the switch that stops trading.",
    invoke_without_command=True,
)
Row = dict[str, Any]
ANSWER_S = 8.0  # how long the console may take for a switch; the brake holds before it is asked
RISK_S = 5.0  # how long risk is waited for then
FLAT_S = 30.0  # and for what is held to be closed

Scope = Annotated[
    str,
    typer.Argument(
        metavar="SCOPE",
        help="platform, account:NAME, algo:RUN, instrument:NAME or algo:RUN/instrument:NAME; * for each one",
    ),
]
Whole = Annotated[str, typer.Argument(metavar="[SCOPE]", help="platform, account:NAME or algo:RUN")]
LimitName = Annotated[str, typer.Argument(metavar="LIMIT", help="money-at-risk, drawdown, daily-loss, ...")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; it is kept with it", show_default=False)]
Flatten = Annotated[bool, typer.Option("--flatten", help="cancel all orders and close what is held first")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="do not wait for risk's answer")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object, for machines")]
Algo = Annotated[
    str, typer.Option("--algo", metavar="RUN", help="an algo's run, EXTERNAL, or - for people's", show_default=False)
]
Instrument = Annotated[
    str, typer.Option("--instrument", "-i", metavar="NAME", help="NSE:INFY, or INFY", show_default=False)
]
Day = Annotated[str, typer.Option("--day", metavar="DATE", help="a day that is over", show_default=False)]
Account = Annotated[str, typer.Option("--account", metavar="NAME", help="paper or live", show_default=False)]


@app.callback()
def risk(
    context: typer.Context,
    algo: Algo = "",
    instrument: Instrument = "",
    day: Day = "",
    account: Account = "",
    as_json: AsJson = False,
) -> None:
    """What is at risk, how much of which limit is used, and the switch that stops trading."""
    if context.invoked_subcommand is None:
        show(algo, instrument, day, account, as_json)


@app.command()
def show(
    algo: Algo = "", instrument: Instrument = "", day: Day = "", account: Account = "", as_json: AsJson = False
) -> None:
    """Show money at risk by algo, segregated by stock; the day's maximum and its change, profit and loss, limits."""
    query = {"algo": algo, "instrument": instrument, "day": day, "account": account.strip().lower()}
    _show("/risk", query, as_json, "risk_screen")


@app.command("set", cls=Amounts)
def set_(
    scope: Scope,
    limit: LimitName,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="1,50,000 or 1.5 lakh or 2% or 500")],
    action: Annotated[
        str,
        typer.Option(metavar="warn|block|stop|flatten|halt", help="what is done when it breaks", show_default=False),
    ] = "",
    reason: Why = "",
    new: Annotated[bool, typer.Option("--new", help="the scope's algo is to come: it need not be known yet")] = False,
    as_json: AsJson = False,
) -> None:
    """Set a limit; it holds at once. Who, when, and what it was before are kept.

    Limits: money-at-risk, drawdown, drawdown-all-time, daily-loss, quantity, position, notional, open-positions,
    orders-per-second, orders-per-day, price-band; and what they are reckoned with: capital, adverse-move.

    Example: portfolio risk set algo:crossover drawdown 25,000 --action flatten
    """
    asked = {"scope": scope, "limit": limit, "value": value, "action": action, "reason": reason, "new": new}
    _change("PUT", as_json, json=asked)


@app.command()
def unset(scope: Scope, limit: LimitName, reason: Why = "", as_json: AsJson = False) -> None:
    """Remove a limit."""
    _change("DELETE", as_json, params={"scope": scope, "limit": limit, "reason": reason})


@app.command()
def limits(
    history: Annotated[bool, typer.Option("--history", help="all changes: who, when, from what to what")] = False,
    as_json: AsJson = False,
) -> None:
    """Show all limits, and how much of each is used."""
    if history:
        _show("/risk/limits/history", {"limit": 1000}, as_json, "limit_history_screen")
    else:
        _show("/risk/limits", {}, as_json, "limits_screen")


@app.command()
def history(
    days: Annotated[int, typer.Option("--days", min=1, max=2000, help="the last trading days that many")] = 30,
    scope: Annotated[str, typer.Option("--scope", metavar="SCOPE", help="as algo:crossover")] = "platform",
    png: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="also as a picture in this file")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how the day's largest money at risk changed from day to day, with a plot."""
    answer = _show("/risk/history", {"days": days, "scope": scope}, as_json, "history_screen")
    if png is not None:
        from streams.risk.plot import save_png

        save_png(answer, png)
        typer.echo(f"The picture is in {png}.", err=as_json)


@app.command()
def halt(
    scope: Whole = "platform", flatten: Flatten = False, reason: Why = "", no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """The kill switch: only cancels leave any more, until `risk resume`. It works also when nothing else does."""
    _switch("halt", scope, reason, flatten=flatten, wait=not no_wait, as_json=as_json)


@app.command()
def reduce(
    scope: Whole = "platform", flatten: Flatten = False, reason: Why = "", no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Only orders that reduce what is held may leave any more, until `risk resume`."""
    _switch("reduce", scope, reason, flatten=flatten, wait=not no_wait, as_json=as_json)


@app.command()
def resume(scope: Whole = "platform", reason: Why = "", as_json: AsJson = False) -> None:
    """Let trading go on. When risk cannot be told, nothing is let go."""
    from infra.console_client import SilentError
    from infra.errors import UserError
    from streams.console.fates import ask

    try:
        answer = ask("POST", "/risk/resume", json={"scope": scope, "reason": reason})
    except SilentError as error:
        raise UserError(f"Nothing is resumed, since risk cannot be told: {_lower(str(error))}") from error
    _tell(answer, as_json)


@app.command()
def flatten(scope: Scope, reason: Why = "", no_wait: NoWait = False, as_json: AsJson = False) -> None:
    """Cancel the live orders of a scope and close what it holds, watched until it is flat."""
    _command("flatten", scope, reason, wait_s=0 if no_wait else FLAT_S, as_json=as_json)


@app.command()
def accept(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="paper or live")],
    reason: Why = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Accept that the broker holds something else than the fills say: it is right, and the account trades again."""
    scope = account if ":" in account else f"account:{account}"
    _command("accept", scope, reason, wait_s=0 if no_wait else RISK_S, as_json=as_json)


def _switch(verb: str, scope: str, reason: str, *, flatten: bool, wait: bool, as_json: bool) -> None:
    """Sets this computer's brake, then has the console tell risk. The brake stays whatever becomes of that, unless the
    console says that there is no such scope."""
    from infra.brake import read_brake, set_brake
    from infra.errors import UserError
    from infra.home import home_path
    from streams.risk.scopes import check_scope, described

    where, home = check_scope(scope), home_path()
    if where.kind not in ("platform", "account", "algo") or "*" in where.text:
        raise UserError(f"{where.text} cannot be halted by itself: take platform, account:NAME or algo:RUN.")
    before = read_brake(home).get(where.text)
    state: TradingState = "REDUCING" if flatten or verb == "reduce" else "HALTED"
    actor = _actor()

    def hold(as_: TradingState) -> None:
        try:
            set_brake(home, where.text, as_, actor, reason)
        except OSError as error:
            raise UserError(f"The brake in {home} cannot be written ({error.strerror}): nothing is held.") from error

    hold(state)
    try:
        answer = _asked(verb, where.text, reason, flatten)
    except UserError as error:
        if 400 <= getattr(error, "status", 500) < 500:
            hold(before.state if before else "ACTIVE")
            raise
        if flatten:
            hold(state := "HALTED")
        held = "Trading is halted" if state == "HALTED" else "Only orders that reduce may leave"
        but = ", nothing is closed" if flatten else ""
        message = f"{held} for {described(where.text)} at this computer's gateways, by its brake"
        answer = {"message": f"{message}; risk was not told{but}: {_lower(str(error))}", "held": True,
                  "commands": [], "warnings": []}  # fmt: skip
    _tell(answer, as_json, (FLAT_S if flatten else RISK_S) if wait else 0)


def _asked(verb: str, scope: str, reason: str, flatten: bool) -> Row:
    from streams.console.fates import ask

    asked = {"scope": scope, "reason": reason[:300], "flatten": flatten}
    answer: Row = ask("POST", f"/risk/{verb}", json=asked, timeout_s=ANSWER_S)
    return answer


def _command(verb: str, scope: str, reason: str, *, wait_s: float, as_json: bool) -> None:
    from streams.console.fates import ask

    answer = ask("POST", f"/risk/{verb}", json={"scope": scope, "reason": reason})
    if not _tell(answer, as_json, wait_s) and wait_s:
        raise typer.Exit(1)


def _tell(answer: Row, as_json: bool, wait_s: float = 0) -> bool:
    """Prints what was done, and what risk says to it; whether risk did its part, or is at it."""
    if not as_json:
        typer.echo(answer["message"])
        for warning in answer["warnings"]:
            typer.secho(warning, fg="yellow", err=True)
        sys.stdout.flush()
    ended = _ended(answer["commands"], wait_s)
    if as_json:
        typer.echo(json.dumps(answer | {"commands": ended}))
    good = True
    for command in ended if wait_s else ():
        good = good and command["fate"] in ("done", "accepted")
        if not as_json:
            typer.secho(_fate(command), fg=None if command["fate"] == "done" else "yellow")
    return good


def _ended(commands: list[Row], wait_s: float) -> list[Row]:
    """The commands when their fate is known, or after that time, or when the console is gone."""
    if not wait_s:
        return commands
    from infra.errors import UserError
    from streams.console.fates import fates

    try:
        return list(fates(commands, wait_s))
    except UserError:
        return commands


def _fate(command: Row) -> str:
    match command["fate"]:
        case "done":
            return "Risk has done it."
        case "accepted":
            return "Risk is at it; `./portfolio risk` shows how far it is."
        case "requested":
            return f"Risk has not answered yet; `./portfolio algo command {command['id']}` follows it."
    return f"Risk: {command['fate']}" + (f": {command['reason']}" if command["reason"] else "") + "."


def _change(method: str, as_json: bool, **arguments: Any) -> None:
    from streams.console.fates import ask

    answer = ask(method, "/risk/limits", **arguments)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    typer.echo(answer["message"])
    for warning in answer["warnings"]:
        typer.secho(warning, fg="yellow", err=True)


def _show(path: str, query: Row, as_json: bool, screen: str) -> Row:
    from streams.console.fates import ask

    answer: Row = ask("GET", path, params=query)
    if as_json:
        typer.echo(json.dumps(answer))
        return answer
    from rich.console import Console

    from streams.risk import show as screens

    console = Console(highlight=False)
    console.print(getattr(screens, screen)(answer, console.width))
    return answer


def _actor() -> str:
    from streams.console.fates import person

    return person()


def _lower(text: str) -> str:
    """To go on with a sentence; a name at its beginning keeps its capital."""
    return text[:1].lower() + text[1:] if text.startswith(("The ", "It ", "There ")) else text
