"""A task's life on a real node: started, stopped, started again; nothing of it is lost with the agent."""

from __future__ import annotations

import itertools
import os
import signal

from tests.contract.node.computer import Computer
from tests.contract.node.programs import DONE, MISTAKEN, POLITE, QUITS, RAISES, SLOW
from tests.wait import until


def texts(computer: Computer, task: object) -> list[str]:
    return [line.text for line in computer.lines(task)]  # type: ignore[arg-type]


def test_a_task_is_started_told_of_stopped_and_removed(computer: Computer) -> None:
    task, start = computer.run("calm", POLITE)
    started = computer.wait(task, "started")
    assert started.command == start.id
    assert [p.pid for p in computer.processes(task)] == [started.pid]
    computer.fate(start, "done")
    beat = computer.beat(lambda b: b.tasks.get(task.task) == "running")
    assert beat.interval_s == 5.0
    assert beat.cores > 0
    assert beat.memory_total > beat.memory_used > 0
    assert beat.agent_memory < 80 << 20
    until("some lines", lambda: len(texts(computer, task)) > 5)
    stop = computer.tell("stop", task)
    stopped = computer.wait(task, "stopped")
    assert (stopped.exit_code, stopped.command, stopped.reason) == (0, stop.id, "")
    computer.fate(stop, "done")
    assert not computer.processes(task)
    until("the last line", lambda: texts(computer, task)[-1] == "goodbye", 15)
    assert texts(computer, task)[:2] == ["ready", "tick 1"]
    assert computer.kinds(task) == ["accepted", "started", "done", "accepted", "stopped", "done"]
    computer.fate(computer.tell("remove", task), "done")
    until("an empty folder", lambda: not computer.folder(task.task).exists(), 15)
    assert not list((computer.home / "node" / "packages").iterdir())
    assert computer.stop() == 0


def test_a_restart_takes_what_the_command_says(computer: Computer) -> None:
    task, _ = computer.run("twice", "import sys, time\nprint(sys.argv[1:])\ntime.sleep(600)", settings={"fast": "3"})
    computer.wait(task, "started")
    refused = computer.fate(computer.tell("start", task), "refused")
    assert refused.reason == f"{task.task} runs already"
    changed = computer.task("twice", task.package, settings={"fast": "$(touch /tmp/x); `id`"})
    again = computer.tell("restart", changed)
    assert computer.wait(task, "started", 2).command == again.id
    computer.fate(again, "done")
    until("both settings", lambda: texts(computer, task) == ["['fast=3']", "['fast=$(touch /tmp/x); `id`']"])
    assert len(computer.processes(task)) == 1


def test_a_failure_is_started_again_ever_later_until_it_is_a_crash_loop(computer: Computer) -> None:
    task, start = computer.run("raises", RAISES)
    loop = computer.wait(task, "crash-loop", timeout_s=60)
    computer.fate(start, "done")
    assert "5 times" in loop.reason
    assert loop.reason.endswith("ValueError: the strategy is wrong")
    until("it on standard error", lambda: loop.reason[-33:] in [line.text for line in computer.lines(task, "err")])
    exits = computer.events(task, "exited")
    assert [e.restarts for e in exits] == [0, 1, 2, 3, 4]
    waits = [(b.at_us - a.at_us) / 1e6 for a, b in itertools.pairwise(exits)]
    assert all(expected <= wait < expected + 3 for expected, wait in zip((1, 2, 4, 8), waits, strict=True))
    assert computer.health()["tasks"] == {task.task: "crash-loop"}
    computer.fate(computer.tell("start", task), "done")


def test_an_end_and_a_users_mistake_are_not_started_again_an_error_is(computer: Computer) -> None:
    done, _ = computer.run("done", DONE)
    mistaken, _ = computer.run("mistaken", MISTAKEN)
    assert computer.wait(done, "exited").reason == "it ended by itself"
    assert computer.wait(mistaken, "exited").reason == (
        "a mistake in its settings or its code: fast must be below slow"
    )
    quits, _ = computer.run("quits", QUITS)
    assert computer.wait(quits, "exited").reason == "exit code 1; it is started again in 1 s"
    assert computer.beat(lambda b: (b.tasks[done.task], b.tasks[mistaken.task]) == ("finished", "failed"))


def test_a_killed_agent_adopts_what_lives_learns_what_ended_and_starts_nothing_twice(computer: Computer) -> None:
    lives, _ = computer.run("lives", POLITE)
    ends, _ = computer.run("ends", "import sys, time\nprint('ready')\ntime.sleep(600)\n")
    first = computer.wait(lives, "started")
    ending = computer.wait(ends, "started")
    until("lines", lambda: len(texts(computer, lives)) > 5)
    computer.kill()
    os.kill(ending.pid, signal.SIGTERM)
    until("its end", lambda: computer.status(ends)["ended_us"])
    computer.start()
    assert computer.wait(lives, "adopted").pid == first.pid
    told = computer.wait(ends, "exited")
    assert (told.exit_code, told.pid) == (-signal.SIGTERM, ending.pid)
    assert told.at_us == computer.status(ends)["ended_us"]
    assert computer.wait(ends, "started", 2).restarts == 1
    assert [p.pid for p in computer.processes(lives)] == [first.pid]
    seen = len(texts(computer, lives))
    until("more lines", lambda: len(texts(computer, lives)) > seen + 20)
    found = texts(computer, lives)
    assert list(dict.fromkeys(found)) == ["ready", *(f"tick {n}" for n in range(1, len(set(found))))]
    stop = computer.tell("stop", lives)
    assert computer.wait(lives, "stopped").command == stop.id
    assert computer.kinds(lives) == ["accepted", "started", "done", "adopted", "accepted", "stopped", "done"]


def test_kills_at_any_moment_neither_lose_nor_repeat_a_command(computer: Computer) -> None:
    tasks = []
    for number in range(4):
        tasks.append(computer.run(f"run{number}", POLITE))
        if number % 2:
            computer.fate(tasks[-1][1], "accepted")
        computer.kill()
        computer.start()
    for task, start in tasks:
        computer.fate(start, "done")
        assert len(computer.processes(task)) == 1
    for task, start in tasks:
        kinds = [e.kind for e in computer.events(task) if e.command == start.id]
        assert kinds == ["accepted", "started", "done"]
    stops = [computer.tell("stop", task) for task, _ in tasks]
    computer.kill()
    computer.start()
    for stop in stops:
        computer.fate(stop, "done")
    assert not any(computer.processes(task) for task, _ in tasks)


def test_an_agent_that_is_told_to_stop_takes_its_algos_along_and_brings_them_back(computer: Computer) -> None:
    back, _ = computer.run("back", POLITE)
    gone, _ = computer.run("gone", POLITE)
    computer.wait(back, "started")
    computer.wait(gone, "started")
    assert computer.stop() == 0
    assert not computer.processes(back)
    assert computer.wait(back, "stopped").reason == "the node's agent was stopped"
    stop = computer.tell("stop", gone)  # while nobody listens
    computer.start()
    computer.fate(stop, "done")
    assert computer.wait(back, "started", 2)
    assert computer.health()["tasks"] == {back.task: "running", gone.task: "stopped"}
    assert computer.kinds(gone).count("started") == 1


def test_an_agent_that_is_told_to_stop_starts_nothing_while_it_waits_for_the_last(computer: Computer) -> None:
    quick, _ = computer.run("quick", POLITE)
    slow, _ = computer.run("slow", SLOW)
    computer.wait(quick, "started")
    computer.wait(slow, "started")
    until("it leaves slowly", lambda: "ready" in texts(computer, slow))
    assert computer.stop() == 0
    assert not computer.processes(quick)
    assert not computer.processes(slow)
    assert (computer.kinds(quick).count("started"), computer.kinds(slow).count("started")) == (1, 1)
    computer.start()
    assert computer.wait(quick, "started", 2)
    assert computer.wait(slow, "started", 2)


def test_no_heartbeat_contradicts_what_was_told_of_the_time_before_it(computer: Computer) -> None:
    runs = [computer.run(f"leaves{n}", SLOW.replace("sleep(3)", f"sleep({0.25 + n / 20})")) for n in range(8)]
    for task, start in runs:
        computer.fate(start, "done")
        until("it leaves slowly", lambda task=task: "ready" in texts(computer, task))
    stops = [computer.tell("stop", task) for task, _ in runs]
    for stop in stops:
        computer.fate(stop, "done")
    assert computer.beat(lambda b: all(b.tasks[task.task] == "stopped" for task, _ in runs))
    for task, _ in runs:
        (started,), (stopped,) = computer.events(task, "started"), computer.events(task, "stopped")
        beats = [(b.at_us, b.tasks[task.task]) for b in computer.beats_heard.records if task.task in b.tasks]
        assert {said for at_us, said in beats if at_us > stopped.at_us} == {"stopped"}
        assert "starting" not in {said for at_us, said in beats if at_us > started.at_us}


def test_what_a_killed_keeper_left_is_ended_and_the_algo_starts_again(computer: Computer) -> None:
    task, _ = computer.run("orphan", "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(600)")
    computer.wait(task, "started")
    until("both processes", lambda: len(computer.processes(task)) == 2)
    before = set(computer.processes(task))
    os.kill(computer.status(task)["keeper"], signal.SIGKILL)
    assert "vanished with its keeper" in computer.wait(task, "exited").reason
    computer.wait(task, "started", 2)
    assert not before & set(computer.processes(task))


def test_two_agents_of_one_home_are_refused(computer: Computer) -> None:
    computer.beat()
    first = computer.process
    computer.start()
    assert computer.process is not None
    assert computer.process.wait(20) == 1
    assert "Another node agent runs" in computer.printed
    assert "Traceback" not in computer.printed
    computer.process = first
    computer.beat()
