"""Why risk refuses an intent: every code of ``OrderVerdict.code``, with what it means."""

from __future__ import annotations

from typing import get_args

from schemas.risk import LimitName

_SETTINGS = ("adverse-move", "capital")  # these limit nothing


def limit_code(name: str) -> str:
    """The code of a refusal by a limit: ``LIMIT_MONEY_AT_RISK``."""
    return f"LIMIT_{name.upper().replace('-', '_')}"


_FORM = {
    "NOT_A_RECORD": "The message in order-intents cannot be read as an OrderIntent.",
    "TOO_LARGE": "The intent's texts and labels are more than 16 KB; the verdict has them cut short.",
    "BAD_ID": "An intent's id is 1 to 20 letters and digits, and that of no order there is.",
    "BAD_ACCOUNT": "There is no such account, or `account` and `trading` are not the same.",
    "BAD_RUN": "This can be no algo's run; `EXTERNAL` is for cancelling and reducing only.",
    "BAD_ACTION": "An action is place, modify or cancel.",
    "BAD_SIDE": "A side is buy or sell.",
    "BAD_KIND": "There is no such kind of order, or it has a price or trigger too much or lacks one.",
    "BAD_QUANTITY": "A quantity is a whole number of shares from 1 to 1,00,00,00,000.",
    "BAD_PRICE": "A price is a number of rupees from 0 to 1,00,00,000.",
    "BAD_TRIGGER": "A trigger is a number of rupees from 0 to 1,00,00,000, and a stop-limit's lies before its limit.",
    "BAD_VALIDITY": "Validity is DAY or IOC (no stop is IOC), `valid_s` above 0 and at most a day.",
    "PRODUCT": "Shares are traded as CNC or MIS, derivatives as NRML or MIS.",
    "MARKET_PROTECTION": "Market and stop orders need one: -1 (the broker's) or above 0 to 100 %; others have none.",
    "TOO_LATE": "The intent is older than its `valid_s`.",
    "TOO_EARLY": "The intent's time is in the future: the clock of its computer is wrong.",
}
_MARKET = {
    "UNKNOWN_INSTRUMENT": "No instrument is called so.",
    "NOT_TRADABLE": "An index cannot be traded.",
    "EXPIRED": "The contract has expired.",
    "LOT_SIZE": "The quantity is no multiple of the lot size.",
    "TICK_SIZE": "The price or trigger is no multiple of the tick size.",
    "FREEZE_QUANTITY": "The exchange takes no single order as large as this.",
    "SESSION_CLOSED": "The exchange is closed.",
    "NO_PRICE": "There is no price of it, so its risk cannot be reckoned.",
    "STALE_PRICE": "Its last price is too old to reckon its risk with.",
    "TRIGGER_SIDE": "The trigger is on the wrong side of the last price: it would go off at once.",
}
_ORDER = {
    "NO_ORDER": "No such order is known in this account.",
    "ORDER_DONE": "The order is done: nothing of it can be cancelled or changed.",
    "NOT_ITS_OWNER": "The order is another run's; only a person may touch all.",
    "MODIFY_OTHER": "A modify changes quantity, price and trigger, nothing else.",
    "MODIFY_NOTHING": "The order is already as the modify wants it.",
    "MODIFY_FILLED": "As much as the new quantity is filled already.",
    "MODIFY_PENDING": "An earlier modify of the order has not been answered yet.",
    "MODIFY_TOO_OFTEN": "The order was changed as often as the broker allows.",
}
_STATE = {
    "HALTED": "Trading is halted in this scope: only cancels leave.",
    "REDUCING": "Only orders that reduce a position may leave in this scope.",
    "DIFFERENCE": "The broker's positions differ from ours: the account takes nothing new until a person accepts it.",
    "NO_CAPITAL": "A limit is a percentage of capital, and no capital is set.",
}
_LIMITS = {
    limit_code(name): f"It would pass the limit `{name}`." for name in get_args(LimitName) if name not in _SETTINGS
}
_LIMITS |= {
    limit_code(name): f"The limit `{name}` is broken: only orders that reduce may leave."
    for name in ("drawdown", "drawdown-all-time", "daily-loss")
}
REFUSALS: dict[str, str] = _FORM | _MARKET | _ORDER | _STATE | _LIMITS
