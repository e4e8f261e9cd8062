"""Scopes: whom a limit, a state or a breach is about. The forms are in ``schemas.risk``.

The run of a person's own orders is ``""``, of those placed by hand at the broker ``EXTERNAL``; as scopes they are
``algo:-`` and ``algo:EXTERNAL``: a scope never ends in a colon.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from infra.errors import UserError
from schemas.orders import ACCOUNTS, EXTERNAL

Kind = Literal["platform", "account", "algo", "instrument", "algo/instrument"]
FORMS: dict[Kind, str] = {
    "platform": "platform",
    "account": "account:NAME",
    "algo": "algo:RUN",
    "instrument": "instrument:EXCHANGE:SYMBOL",
    "algo/instrument": "algo:RUN/instrument:EXCHANGE:SYMBOL",
}
PLATFORM = "platform"
EACH = "*"  # instead of a name: each one by itself
PERSON = "-"  # instead of the empty run
RUN = re.compile(r"[a-z][a-z0-9-]{0,39}")
INSTRUMENT = re.compile(r"[A-Z][A-Z0-9]*:\S(?:[^/:]{0,58}\S)?")


class Scope(NamedTuple):
    """A scope in its parts; a part that it does not have is None."""

    text: str
    kind: Kind
    account: str | None = None
    run: str | None = None
    instrument: str | None = None


class Catalogue(Protocol):
    """Where instruments are known."""

    def instrument(self, name: str) -> object | None:
        """The instrument, or None."""
        ...

    def similar(self, name: str) -> str:
        """Names like this one for a sentence; empty when there are none."""
        ...


def algo_scope(run: str) -> str:
    """The scope of a run."""
    return f"algo:{run or PERSON}"


def scopes_of(account: str, run: str, instrument: str) -> tuple[str, str, str, str, str]:
    """The scopes that a holding or an order is in: platform, account, algo, instrument, algo × instrument."""
    algo = algo_scope(run)
    return PLATFORM, f"account:{account}", algo, f"instrument:{instrument}", f"{algo}/instrument:{instrument}"


@lru_cache(maxsize=65536)
def parse_scope(text: str) -> Scope:
    """A scope as it is in records. ValueError when it is none."""
    if text == PLATFORM:
        return Scope(text, "platform")
    word, _, name = text.partition(":")
    if word == "algo" and "/" in name:
        run, _, rest = name.partition("/")
        other, _, instrument = rest.partition(":")
        if other == "instrument" and run and instrument:
            return Scope(text, "algo/instrument", run=_run(run), instrument=instrument)
    elif name and word == "account":
        return Scope(text, "account", account=name)
    elif name and word == "algo":
        return Scope(text, "algo", run=_run(name))
    elif name and word == "instrument":
        return Scope(text, "instrument", instrument=name)
    raise ValueError(f"{text!r} is no scope")


def check_scope(text: str, runs: Collection[str] | None = None, catalogue: Catalogue | None = None) -> Scope:
    """A scope as somebody wrote it. UserError, one sentence, when it is none.

    Names are only looked up where ``runs`` or a ``catalogue`` is given; ``*`` is always allowed.
    """
    bare = "/".join(part.strip() for part in text.strip().split("/"))
    head, colon, name = bare.partition(":")
    bare = f"{head.strip().lower()}{colon}{name.strip()}"
    try:
        scope = parse_scope(bare)
    except ValueError:
        raise UserError(_no_scope(text.strip())) from None
    if scope.account not in (None, EACH, *ACCOUNTS):
        raise UserError(f"There is no account {scope.account}; there are {' and '.join(ACCOUNTS)}.")
    if scope.run not in (None, EACH, "", EXTERNAL):
        _check_run(str(scope.run), runs)
    if scope.instrument not in (None, EACH):
        _check_instrument(str(scope.instrument), catalogue)
    return scope


def described(text: str) -> str:
    """Whom a scope is about, for people: ``algo crossover in NSE:INFY``, ``each account``."""
    scope = parse_scope(text)
    who = {"": "orders by hand", EXTERNAL: "orders placed at the broker", EACH: "each algo"}
    algo = "" if scope.run is None else who.get(scope.run, f"algo {scope.run}")
    instrument = "" if scope.instrument is None else _each("instrument", scope.instrument)
    match scope.kind:
        case "platform":
            return "the platform"
        case "account":
            return _each("account", str(scope.account))
        case "algo":
            return algo
        case "instrument":
            return instrument
    return f"{algo} in {instrument}"


def _each(what: str, name: str) -> str:
    if name == EACH:
        return f"each {what}"
    return name if what == "instrument" else f"{what} {name}"


def _run(name: str) -> str:
    return "" if name == PERSON else name


def _no_scope(text: str) -> str:
    forms = ", ".join(FORMS.values())
    if re.fullmatch(r"[A-Z]+:[^:]+", text):
        return f"{text!r} is no scope; did you mean instrument:{text}?"
    if RUN.fullmatch(text) and not get_close_matches(text, FORMS, 1, 0.6):
        return f"{text!r} is no scope; did you mean algo:{text}? (There are {forms}.)"
    word = text.partition(":")[0].lower()
    close = get_close_matches(word, ("platform", "account", "algo", "instrument"), 1, 0.6)
    if close:
        meant = " or ".join(form for kind, form in FORMS.items() if kind.startswith(close[0]))
        return f"{text!r} is no scope; did you mean {meant}?"
    return f"{text!r} is no scope; there are {forms}."


def _check_run(run: str, runs: Collection[str] | None) -> None:
    if not RUN.fullmatch(run):
        raise UserError(f"{run!r} can be no algo's run: they are small letters, digits and dashes, as algo:crossover.")
    if runs is not None and run not in runs:
        close = get_close_matches(run, runs, 2, 0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(runs)) or 'none yet'}."
        raise UserError(f"There is no run {run}; {hint}")


def _check_instrument(name: str, catalogue: Catalogue | None) -> None:
    if not INSTRUMENT.fullmatch(name):
        hint = f"; did you mean {name.upper()}?" if INSTRUMENT.fullmatch(name.upper()) else "."
        raise UserError(f"{name!r} can be no instrument: they are EXCHANGE:SYMBOL, as NSE:INFY{hint}")
    if catalogue is not None and catalogue.instrument(name) is None:
        close = catalogue.similar(name)
        hint = f"; did you mean {close}?" if close else "."
        raise UserError(f"There is no instrument {name}{hint}")
