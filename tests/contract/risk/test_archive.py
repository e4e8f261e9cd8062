"""Risk by day goes through Cassandra: any order and repetition of points leaves the same days."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

from infra.cassandra import connect
from infra.settings import Settings
from schemas.calendar import MINUTE_US, calendar_of
from schemas.risk import RiskPoint
from streams.archive.risk import RiskReader, RiskWriter

DAY = date(2026, 11, 27)
OPENING = calendar_of("NSE").session(DAY).open_us  # type: ignore[union-attr]


def point(scope: str, n: int) -> RiskPoint:
    """The ``n``-th of a day, twenty seconds apart; what is at risk grows, the drawdown is largest in the middle."""
    return RiskPoint(
        scope, OPENING + n * 20_000_000, DAY.isoformat(), "ACTIVE", 1000.0 - n, 1000.0, OPENING, 750.0,
        10.0 * n, -0.5, 2.25, float(min(n, 9 - n)), 50.0, 3e5, 4, n,
    )  # fmt: skip


def test_days_and_minutes_whatever_the_order(servers: Settings) -> None:
    session = connect(servers)
    writer, reader = RiskWriter(session), RiskReader(session)
    points = [point("algo:x", n) for n in range(10)]
    mixed = [*points, *points[:7]]
    random.Random(5).shuffle(mixed)
    for start in range(0, len(mixed), 4):  # as a process that was killed in between would write them
        (writer if start % 8 else RiskWriter(session)).write(mixed[start : start + 4])
    (day,) = reader.days("algo:x", 5)
    last = points[-1]
    assert (day.scope, day.day, day.at_us, day.orders) == ("algo:x", DAY.isoformat(), last.at_us, 9)
    assert (day.day_max, day.day_max_us, day.previous_max, day.change) == (1000.0, OPENING, 750.0, 250.0)
    assert (day.realised, day.open, day.charges, day.profit) == (90.0, -0.5, 2.25, 87.25)
    assert day.drawdown_max == 4.0  # at the fifth and the sixth
    assert day.drawdown_max_us in (points[4].at_us, points[5].at_us)
    assert (day.drawdown, day.peak, day.state, day.open_positions) == (0.0, 87.25, "ACTIVE", 4)
    minutes = reader.points("algo:x", DAY)
    assert [minute.at_us for minute in minutes] == [points[n].at_us for n in (2, 5, 8, 9)]
    assert [minute.money_at_risk for minute in minutes] == [998.0, 995.0, 992.0, 991.0]
    session.cluster.shutdown()


def test_the_last_days_are_read_in_order(servers: Settings) -> None:
    session = connect(servers)
    writer, reader = RiskWriter(session), RiskReader(session)
    days = [date(2025, 12, 30), date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 2)]
    first = point("algo:days", 0)
    writer.write(
        replace(first, day=day.isoformat(), at_us=first.at_us + n * 1440 * MINUTE_US) for n, day in enumerate(days)
    )
    assert [day.day for day in reader.days("algo:days", 3)] == [day.isoformat() for day in days[1:]]
    assert [day.day for day in reader.days("algo:days", 9, until=days[1])] == [day.isoformat() for day in days[:2]]
    assert "algo:days" in reader.scopes()
    assert reader.days("account:none", 3) == []
    assert reader.points("algo:days", date(2024, 1, 1)) == []
    session.cluster.shutdown()
