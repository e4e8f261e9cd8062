"""A scope's days as a picture: money at risk and its change from day to day, profit and loss, drawdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.errors import UserError
from schemas.rupees import grouped

Row = dict[str, Any]
SIZE = (11.0, 7.5)  # inches
MOST_TICKS = 16
FEWEST = 8


def save_png(said: Row, path: Path) -> None:
    """Writes the picture of a history as the API says it. UserError when there is nothing to show, or no room."""
    days: Sequence[Row] = said["days"]
    if not days:
        raise UserError(f"Nothing is stored of {said['scope']} yet: there is no picture to make.")
    import matplotlib as mpl

    mpl.use("Agg")  # a file, no window
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=SIZE, layout="constrained")
    risk, change, profit = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1.4, 2))
    at = list(range(len(days)))
    risk.bar(at, [day["day_max"] for day in days], color="#2a7fba", width=0.7)
    risk.set_title(f"{said['scope']}: the day's largest money at risk", loc="left")
    changes = [day["change"] if day["previous_max"] else 0.0 for day in days]
    change.bar(at, changes, color=["#c9822b" if value > 0 else "#3c9a5f" for value in changes], width=0.7)
    change.set_title("its change against the day before", loc="left")
    profit.plot(at, [day["profit"] for day in days], color="#3c9a5f", marker="o", label="profit and loss of the day")
    profit.bar(at, [-day["drawdown_max"] for day in days], color="#d9534f", alpha=0.45, width=0.7,
               label="largest drawdown of the day")  # fmt: skip
    profit.legend(loc="best", fontsize="small")
    rupees = FuncFormatter(lambda value, _: f"₹{grouped(value, 0)}".replace("₹-", "-₹"))
    for plot in (risk, change, profit):
        plot.yaxis.set_major_formatter(rupees)
        plot.axhline(0, color="black", linewidth=0.6)
        plot.grid(axis="y", alpha=0.3)
        plot.set_axisbelow(True)
    profit.set_xlim(-0.6, max(len(days), FEWEST) - 0.4)  # a few days do not become broad walls
    every = -(-len(days) // MOST_TICKS)
    profit.set_xticks(at[::every], [day["day"] for day in days[::every]], rotation=45, ha="right")
    try:
        figure.savefig(path, format="png", dpi=110)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
