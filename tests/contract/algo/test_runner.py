"""The runner on real Kafka: history then live without gap or overlap, kills, sharing, mistakes, hanging."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.kafka import produce_all, producer
from infra.settings import Settings
from schemas.fleet import Signal
from schemas.orders import OrderIntent
from schemas.risk import RiskState
from schemas.topics import ORDER_INTENTS, ORDER_VERDICTS, RISK_STATES
from streams.algo.engine import Engine
from streams.algo.events import Event, Minute, Run, Ticks
from streams.algo.load import load
from tests.contract.algo.process import (
    Desk,
    Sender,
    batches,
    candles,
    intents,
    read,
    signals,
    subscribe,
    task,
    unsubscribe_all,
)
from tests.unit.streams.algo.orders import verdict
from tests.unit.streams.candles.ticks import MINUTE, OPENING
from tests.wait import until

WATCH = """
from streams.algo import Algo, state

class Watch(Algo):
    "Says each event; what it says of one does not depend on the others' order."
    candles = ("1m", "5m")
    history = 4
    heard: int = state(0)
    sum: float = state(0.0)

    def on_start(self):
        self.log("history", closes=self.window().close.tolist())

    def on_tick(self, tick):
        self.sum += tick.price
        self.signal("tick", tick.price, sum=self.sum)
        if int(tick.price) % 3 == 0:
            self.buy(1, price=tick.price)

    def on_candle(self, candle):
        closes = {i: self.window(i).close.tolist() for i in ("1m", "5m")}
        self.signal("candle-" + candle.interval, candle.close, closes=closes)
"""


@pytest.fixture(autouse=True, scope="module")
def nothing_left(servers: Settings) -> Iterator[None]:
    """What was written by hand would count where others share instruments evenly."""
    yield
    unsubscribe_all()


def until_signals(settings: Settings, run: str, count: int) -> None:
    """Waits until a run has made so many."""
    until(f"{count} signals", lambda: len(signals(settings, run)) >= count, every_s=0.02)


def expected(settings: Settings, folder: Path, run: str, name: str, live_from: int) -> dict[str, Signal]:
    """What an engine that was never interrupted makes of the same records."""
    engine = Engine(load(folder).definition, Run(run, f"{run}@n1"), {})
    history = [Minute(*at) for at in candles(settings, name)]
    live = [m for m in history if m.candle.start_us >= OPENING + live_from * MINUTE]
    events: list[Event] = [*live, *(Ticks(*at) for at in batches(settings, name))]
    unit = engine.add((name,), upto={live[0].source: live[0].offset})
    unit.look_back({live[0].source: 0})
    for minute in history:
        engine.recall(minute)
    unit.start(0)
    made = [record for event in events for outcome in engine.feed(event) for record in outcome.records]
    return {record.id: record for record in made if isinstance(record, Signal)}


def test_history_then_live_and_kills_in_between_change_nothing(servers: Settings, tmp_path: Path) -> None:
    name, run, sender, rng = "NSE:KILLED", "killed", Sender(servers), random.Random(5)
    subscribe({name: 3})
    for number in range(10):
        sender.candle(name, number)

    def live(first: int, last: int) -> None:
        for number in range(first, last):
            for second in range(8):
                sender.ticks(3, [(name, float(number * 10 + second)), ("NSE:OTHER", 1.0)], number * 60 + second)
            sender.candle(name, number)

    with task(tmp_path, WATCH, [name], run) as start:
        running = start()
        running.until_says("started")
        assert "closes=[6.0, 7.0, 8.0, 9.0]" in running.out
        for stage in range(1, 5):
            sending = threading.Thread(target=live, args=(stage * 10, stage * 10 + 10))
            before = len(signals(servers, run))
            sending.start()
            until_signals(servers, run, before + rng.randint(3, 60))
            running.process.kill()
            running.process.wait()
            sending.join()  # what comes while it is dead is worked through too
            running = start()
            running.until_says("started", 1 + stage)
        want = expected(servers, tmp_path / f"{run}@n1" / "files", run, name, 10)
        until("all signals", lambda: {s.id for s in signals(servers, run)} >= set(want))
        memory_mb = psutil.Process(running.process.pid).memory_info().rss / 2**20
        assert running.terminate() == 0
    said = signals(servers, run)
    assert {s.id: s for s in said} == want
    assert {s.name for s in said} == {"tick", "candle-1m", "candle-5m"}
    assert len(intents(servers, run)) == sum(s.value % 3 == 0 for s in want.values() if s.name == "tick")
    assert memory_mb < 80


def test_two_tasks_of_a_run_share_the_instruments_and_one_takes_over(servers: Settings, tmp_path: Path) -> None:
    names = {f"NSE:SHARED{n}": n for n in range(servers.partitions)}
    run, sender = "shared", Sender(servers)
    subscribe(names)
    with task(tmp_path, WATCH, list(names), run, "n1") as one, task(tmp_path, WATCH, list(names), run, "n2") as two:
        first = one()
        first.until_says("started")
        second = two()
        second.until_says("started")
        until("a share", lambda: first.out.count("goes to another task") >= len(names) // 2 - 1)
        for name, partition in names.items():
            sender.ticks(partition, [(name, 1.0)], 1)
        until("all first", lambda: len(signals(servers, run)) == len(names))
        tasks = [s.task for s in signals(servers, run)]
        assert min(tasks.count(f"{run}@n1"), tasks.count(f"{run}@n2")) >= len(names) // 2 - 1
        second.process.kill()
        for name, partition in names.items():
            sender.ticks(partition, [(name, 2.0)], 2)
        until("all second", lambda: len({s.id for s in signals(servers, run)}) == 2 * len(names), 90)
        assert first.terminate() == 0
    for name in names:
        said = {s.id: s for s in signals(servers, run) if s.instrument == name}  # a killed task's last may come twice
        assert sorted(s.data["sum"] for s in said.values()) == ["1.0", "3.0"]


def test_an_instrument_that_is_not_subscribed_is_waited_for(servers: Settings, tmp_path: Path) -> None:
    name, run, sender = "NSE:LATER", "later", Sender(servers)
    with task(tmp_path, WATCH, [name], run) as start:
        running = start()
        running.until_says(f"{name} is not subscribed at the feed, it is waited for: `./portfolio feed add {name}`")
        subscribe({name: 2})
        running.until_says(f"started {name}")
        sender.ticks(2, [(name, 7.0)], 1)
        until("its signal", lambda: [s.value for s in signals(servers, run)] == [7.0])
        assert running.terminate() == 0


def test_a_burst_is_worked_through_whatever_its_size(servers: Settings, tmp_path: Path) -> None:
    name, run, sender = "NSE:BURST", "burst", Sender(servers)
    subscribe({name: 2})
    with task(tmp_path, WATCH, [name], run) as start:
        running = start()
        running.until_says("started")
        for second in range(20):
            sender.ticks(2, [(name, 1.0)] * (1 if second else 5000), second)
        until("all signals", lambda: len(signals(servers, run)) == 5019, every_s=0.5)
        assert running.terminate() == 0
    assert max(float(s.data["sum"]) for s in signals(servers, run)) == 5019


ORDERLY = """
from streams.algo import Algo

class Orderly(Algo):
    "Buys with each tick and tells what it has."
    catch_up = 300.0

    def on_start(self):
        self.tell("start", self.risk_state)

    def on_tick(self, tick):
        self.buy(10)

    def on_order(self, order):
        self.tell(order.status, order.code or order.filled)

    def tell(self, what, more):
        self.log(f"{what} {more}: {self.position()} of which {self.filled()} in {len(self.orders())}.")
"""


def test_orders_are_followed_through_refusals_fills_and_kills(servers: Settings, tmp_path: Path) -> None:
    name, run = "NSE:ORDERLY", "orderly"
    subscribe({name: 1})
    desk, sender = Desk(servers, "test-risk"), Sender(servers)
    under_way = producer(servers, {"transactional.id": "test-under-way", "delivery.timeout.ms": 30_000})
    under_way.init_transactions(30)
    with task(tmp_path, ORDERLY, [name], run) as start:
        running = start()
        running.until_says("start ACTIVE: 0 of which 0 in 0.")
        for second in (1, 2):
            sender.ticks(1, [(name, 1.0)], second)
        until("two orders", lambda: len(intents(servers, run)) == 2)
        (place, first), (_, second_) = [r for r in read(servers, ORDER_INTENTS, OrderIntent) if r[1].run == run]
        cause = f"ticks/1/{batches(servers, name)[0][1]}"
        assert (place.partition(), first.account, first.cause) == (0, "paper", cause)
        desk.judge(verdict(first))
        running.until_says("refused LIMIT_QUANTITY: 10 of which 0 in 1.")
        desk.judge(verdict(second_, approved=True))
        desk.report(second_, "open", 4)
        running.until_says("open 4: 10 of which 4 in 1.")

        running.process.kill()
        running.process.wait()
        desk.report(second_, "open", 6)
        produce_all([(RISK_STATES, 0, f"algo:{run}", RiskState(f"algo:{run}", "REDUCING", "asha", OPENING))])
        running = start()
        running.until_says("start REDUCING: 10 of which 6 in 1.")  # it is known at the start, and told afterwards
        running.until_says("open 6: 10 of which 6 in 1.")

        running.process.kill()
        running.process.wait()
        desk.report(second_, "cancelled", 7)
        file = tmp_path / f"{run}@n1" / "files" / "algo.py"
        file.write_text(ORDERLY.replace("300.0", "0.0"), encoding="utf-8")
        under_way.begin_transaction()
        under_way.produce(ORDER_VERDICTS.name, b"not committed", partition=0)
        under_way.flush(30)
        running = start()
        running.until_says("start REDUCING: 7 of which 7 in 0.")  # nobody waits for what is not committed
        running.until_says("started", 3)
        under_way.abort_transaction(30)
        assert "cancelled 7" not in running.out  # it was away for too long to be told
        sender.ticks(1, [(name, 1.0)], 9)
        until("a third order", lambda: len(intents(servers, run)) == 3 or running.process.poll() is not None)
        assert running.process.poll() is None, running.err
        assert running.terminate() == 0
    produce_all([(RISK_STATES, 0, f"algo:{run}", RiskState(f"algo:{run}", "ACTIVE", "asha", OPENING))])


TALK = """
from streams.algo import Algo, param

class Talk(Algo):
    signals = "word:*"
    timer = 5
    who: str = param("")

    def on_timer(self):
        self.command("stop", "other-run", "it is time")

    def on_signal(self, signal):
        self.signal("answer", signal.value + 1, said=signal.run)

    def on_stop(self):
        self.signal("farewell", 0)
"""
SPEAK = """
from streams.algo import Algo

class Speak(Algo):
    def on_tick(self, tick):
        self.signal("word", tick.price)
"""


def test_algos_talk_and_command_and_say_farewell(servers: Settings, tmp_path: Path) -> None:
    from schemas.fleet import AlgoRequest
    from schemas.topics import ALGO_REQUESTS

    subscribe({"NSE:SPEAKER": 1, "NSE:TALKER": 2})
    sender = Sender(servers)
    with (
        task(tmp_path, SPEAK, ["NSE:SPEAKER"], "speak") as speak,
        task(tmp_path, TALK, ["NSE:TALKER"], "talk", may_command=True) as talk,
    ):
        speaker, talker = speak(), talk()
        speaker.until_says("started")
        talker.until_says("started")
        sender.ticks(1, [("NSE:SPEAKER", 41.0)], 1)
        until("an answer", lambda: [s.value for s in signals(servers, "talk")] == [42.0])
        sender.ticks(2, [], 1)
        sender.ticks(2, [], 6)
        requests = until("a request", lambda: [r for _, r in read(servers, ALGO_REQUESTS, AlgoRequest)])
        assert [(r.task, r.verb, r.run, r.reason) for r in requests] == [("talk@n1", "stop", "other-run", "it is time")]
        assert talker.terminate() == 0
        assert "farewell" in {s.name for s in signals(servers, "talk")}


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("def on_tick(self, tick): 1 / 0", 3, "raised 3 times in a row, last ZeroDivisionError: division by zero"),
        ("def on_tick(self, tick):\n        while True: pass", 4, "on_tick of NSE:BAD at ticks/0/"),
        ("def on_tick(self, tick): self.end('enough')", 0, ""),
        ("def on_start(self): raise ValueError('a is less than b')", 2, "NSE:BAD could not start: a is less than b"),
    ],
    ids=["errors", "hangs", "ends", "mistake"],
)
def test_each_end_has_its_status_and_says_why(
    servers: Settings, tmp_path: Path, code: str, status: int, says: str
) -> None:
    text = f"from streams.algo import Algo\nclass Bad(Algo):\n    max_errors = 3\n    max_seconds = 1.0\n    {code}\n"
    if "on_tick" not in code:
        text += "    def on_tick(self, tick): pass\n"
    subscribe({"NSE:BAD": 0})
    with task(tmp_path, text, ["NSE:BAD"], f"bad-{status}") as start:
        running = start()
        if status != 2:
            running.until_says("started NSE:BAD")
        for second in range(5):
            Sender(servers).ticks(0, [("NSE:BAD", 1.0)], second)
        assert running.end() == status, running.err
        assert says in running.err
        assert "Traceback" not in running.err or status == 3
        if status == 4:
            assert "algo.py" in running.err
            assert "while True: pass" in running.err
