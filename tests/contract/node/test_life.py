"""A task's life on a real node: started, watched, stopped, started again; nothing of it is lost with the agent."""

from __future__ import annotations

from tests.contract.node.computer import Computer
from tests.wait import until

PATIENT = "import time\nprint('ready')\nwhile True: time.sleep(0.1)\n"
POLITE = """
import signal, sys, time
def leave(*_):
    print('goodbye')
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print('ready')
while True: time.sleep(0.05)
"""
SHOW = """
import json, os, resource, sys
print(json.dumps({'env': dict(os.environ), 'cwd': os.getcwd(), 'sid': os.getsid(0) == os.getpid(),
    'core': resource.getrlimit(resource.RLIMIT_CORE), 'argv': sys.argv, 'nice': os.nice(0),
    'stdin': os.readlink('/proc/self/fd/0'), 'fds': sorted(map(int, os.listdir('/proc/self/fd')))}))
"""


def test_a_task_is_started_told_of_and_stopped(computer: Computer) -> None:
    task, start = computer.run("calm", POLITE)
    assert computer.fate(start, "accepted").reason == ""
    started = computer.wait(task, "started")
    assert started.command == start.id
    assert [p.pid for p in computer.processes(task)] == [started.pid]
    computer.fate(start, "done")
    assert computer.beat(lambda b: b.tasks.get(task.task) == "running").cores > 0
    stop = computer.tell("stop", task)
    stopped = computer.wait(task, "stopped")
    assert (stopped.exit_code, stopped.command, stopped.reason) == (0, stop.id, "")
    computer.fate(stop, "done")
    assert not computer.processes(task)
    until("the last line", lambda: [line.text for line in computer.lines(task)] == ["ready", "goodbye"], 15)
    assert computer.kinds(task) == ["accepted", "started", "done", "accepted", "stopped", "done"]
    assert computer.stop() == 0
