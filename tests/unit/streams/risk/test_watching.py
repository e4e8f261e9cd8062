"""What a broken limit leads to, begun once and, if need be, once more after a restart; jobs until they are done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from schemas.risk import Breach, LimitAction, RiskState
from schemas.topics import ALGO_EVENTS, BREACHES, ORDER_INTENTS, RISK_POINTS, RISK_STATES
from streams.risk.book import Book
from streams.risk.clerk import Answer
from streams.risk.watching import JOBS_S, MARK_S, Told, Watching
from tests.unit.streams.risk.build import NOW, Desk, S, limit


class Stops:
    """A clerk that notes what is asked, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.waiting: list[Answer] = []

    def stop_runs(self, id_: str, runs: Sequence[str]) -> None:
        self.asked.append((id_, tuple(runs)))

    def answer(self, *, ok: bool = True) -> None:
        self.waiting += [Answer(id_, ok, f"stopped: {', '.join(runs)}") for id_, runs in self.asked]

    def answers(self) -> Iterator[Answer]:
        while self.waiting:
            yield self.waiting.pop(0)


class Post:
    """A watched book whose monotonic clock the test sets."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.desk, self.now_s = Desk(), 1000.0
        patch.setattr("streams.risk.watching.time.monotonic", lambda: self.now_s)
        self.restart()

    def restart(self) -> None:
        """As after a kill: the book comes from its tables."""
        book = self.desk.book
        tables: dict[str, dict[str, bytes]] = {}
        for table, key, value in book.take_changes():
            self.kept[table, key] = value
        for (table, key), value in self.kept.items():
            if value is not None:
                tables.setdefault(table, {})[key] = value
        self.desk.book, self.clerk = Book.restore(tables), Stops()
        self.watching = Watching(self.desk.book, self.desk.market, lambda: self.desk.now_us, 1.0, self.clerk)

    kept: dict[tuple[str, str], bytes | None]

    def look(self, seconds: float = MARK_S, *, filled: bool = False) -> Told:
        """What is told when so much time has passed."""
        self.now_s += seconds
        self.desk.now_us += int(seconds * 1e6)
        told: Told = []
        self.watching.look(told, {}, filled=filled)
        return told

    def breached(self, action: LimitAction) -> Told:
        """Holds 10 at 100 and loses a tenth, with a limit on the day's loss."""
        self.desk.book.take(limit("algo:crossover", "daily-loss", 50.0, action=action))
        self.desk.hold(10)
        assert not of(self.look(), BREACHES)
        self.desk.market.set("NSE:INFY", 90.0)
        return self.look()


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    Post.kept = {}
    return Post(monkeypatch)


def of(told: Told, topic: Any) -> list[Any]:
    """The records of a topic."""
    return [record for where, _, record in told if where is topic]


def states(told: Told) -> list[tuple[str, str]]:
    return [(record.scope, record.state) for record in of(told, RISK_STATES)]


def test_marks_are_made_twice_a_second_and_after_fills(post: Post) -> None:
    assert {point.scope for point in of(post.look(), RISK_POINTS)} >= {"platform", "account:paper", "account:live"}
    post.desk.hold(10)
    assert not post.look(0.1)
    assert of(post.look(0.9), RISK_POINTS)
    post.desk.market.set("NSE:INFY", 99.0)
    post.look(1.0)
    assert post.watching.points["algo:crossover"].open == -10.0
    post.desk.market.set("NSE:INFY", 98.0)
    post.look(0.04)
    assert post.watching.points["algo:crossover"].open == -10.0
    post.look(1.0, filled=True)
    assert post.watching.points["algo:crossover"].open == -20.0


@pytest.mark.parametrize("action", ["warn", "block"])
def test_a_warning_is_told_and_nothing_else(post: Post, action: LimitAction) -> None:
    (breach,) = of(post.breached(action), BREACHES)
    assert (breach.state, breach.scope, breach.limit) == ("broken", "algo:crossover", "daily-loss")
    post.restart()
    assert not of(post.look(), BREACHES)
    assert not post.desk.book.states
    assert not post.clerk.asked


def last_breach(post: Post) -> Breach:
    (breach,) = post.desk.book.breaches.values()
    return breach


def test_a_stop_reduces_at_once_and_is_done_when_the_runs_are_told(post: Post) -> None:
    told = post.breached("stop")
    assert states(told) == [("algo:crossover", "REDUCING")]
    (breach,) = of(told, BREACHES)
    assert post.clerk.asked == [(breach.id, ("crossover",))]
    assert not of(post.look(), BREACHES)
    post.clerk.answer()
    (done,) = of(post.look(0.01), BREACHES)
    assert (done.id, done.state, done.detail) == (
        breach.id, "done", "algo:crossover is REDUCING; stopped: crossover",
    )  # fmt: skip
    assert last_breach(post) == done
    post.restart()
    told = post.look()
    assert not of(told, BREACHES)
    assert not states(told)
    assert not post.clerk.asked, "what is noted as done is not done again"


def test_what_was_begun_before_a_kill_is_done_after_it(post: Post) -> None:
    (close,) = of(post.breached("flatten"), ORDER_INTENTS)
    assert (close.side, close.quantity) == ("sell", 10)
    (job,) = post.desk.book.jobs.values()
    assert job.id == last_breach(post).id
    post.restart()
    told = post.look()
    assert len(post.clerk.asked) == 1, "once more"
    assert not states(told), "it is so already"
    assert list(post.desk.book.jobs) == [job.id], "and the job is under way"
    assert not of(told, ORDER_INTENTS), "and has asked for that already"
    post.clerk.answer()
    post.desk.now_us = NOW + S
    assert post.desk.ask(close).approved
    assert not of(post.look(JOBS_S), ORDER_INTENTS)
    assert last_breach(post).state == "broken", "the runs are stopped, but it is not flat"
    post.desk.fill(close.id, 10, 90.0)
    told = post.look(JOBS_S)
    (done,) = of(told, BREACHES)
    assert (done.state, done.detail) == ("done", "stopped: crossover; algo crossover is flat")
    assert states(told) == [("algo:crossover", "REDUCING")]
    assert not post.desk.book.jobs
    assert not of(told, ALGO_EVENTS), "nobody had commanded it"


def test_a_halt_halts(post: Post) -> None:
    assert states(post.breached("halt")) == [("algo:crossover", "HALTED")]


def test_a_run_that_cannot_be_stopped_is_told(post: Post) -> None:
    post.breached("stop")
    post.clerk.answer(ok=False)
    (told,) = of(post.look(0.01), BREACHES)
    assert told.state == "failed"


def test_a_limit_without_an_algo_needs_no_clerk(post: Post) -> None:
    post.desk.hold(10, run="")
    post.desk.book.take(limit("account:paper", "notional", 500.0, action="halt"))
    told = post.look()
    assert [(b.state, b.detail) for b in of(told, BREACHES)] == [
        ("broken", ""), ("done", "account:paper is HALTED"),
    ]  # fmt: skip
    assert not post.clerk.asked


def test_a_persons_job_ends_with_the_fate_of_the_command(post: Post) -> None:
    post.desk.hold(10)
    post.desk.book.take(RiskState("platform", "REDUCING", "asha", 1))
    post.desk.book.put_job("c1", post.watching.job("c1", "platform", "asha", "HALTED", "home"))
    (close,) = of(post.look(JOBS_S), ORDER_INTENTS)
    assert post.desk.ask(close).approved
    post.desk.fill(close.id, 10)
    told = post.look(JOBS_S)
    assert states(told) == [("platform", "HALTED")]
    (fate,) = of(told, ALGO_EVENTS)
    assert (fate.command, fate.kind, fate.reason) == ("c1", "done", "the platform is flat")
    assert of(told, RISK_STATES)[0].command == "c1"
    assert not post.desk.book.jobs
