"""Starts an algo's process: its own session, limits, a clean environment."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal

TYPE_CHECKING = False  # importing typing costs a megabyte
if TYPE_CHECKING:
    from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
NICENESS = 5  # the agent, the keepers and the servers come first
FIRST_TO_GO = "500"  # when memory runs out on the whole computer the kernel takes algos first
CANNOT_START = 127
MOST_NEW_THREADS = 2048  # of the agent's user, all algos together, since this one's start; root has no such limit
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """From now on this process is the parent of every orphan among its descendants."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this system has no subreapers")


def come_first() -> None:
    """Where the system allows it (to root), this process gets the processor whenever it wants it, its children not:
    a fork bomb must not keep its keeper from ending it."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def start(spec: dict[str, Any], out: int, err: int) -> tuple[int, int]:
    """Starts ``spec["argv"]`` with its output on two descriptors; the process id, and a descriptor.

    The process waits for a byte there, so that it does nothing that its keeper does not watch; without one it exits.
    It exits with ``CANNOT_START`` and one line on standard error when it cannot become the algo's.
    """
    keeper = os.getpid()
    gate, opens = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(gate)
        return pid, opens
    try:
        os.close(opens)
        if os.read(gate, 1):
            _become(spec, keeper, out, err)
    except BaseException as error:  # noqa: BLE001 - whatever it is, this copy of the keeper must not go on
        with contextlib.suppress(OSError):
            os.write(err, f"it cannot be started: {error}\n".encode())
    os._exit(CANNOT_START)


def _become(spec: dict[str, Any], keeper: int, out: int, err: int) -> None:
    os.setsid()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # an algo without a keeper must not trade on
    if os.getppid() != keeper:
        os._exit(CANNOT_START)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _limit(spec["memory_mb"], spec["files"])
    os.nice(NICENESS)
    os.umask(0o077)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write(FIRST_TO_GO)
    os.chdir(spec["cwd"])
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target, inheritable=True)
    os.execve(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606 - without a shell is meant


def _limit(memory_mb: int, files: int) -> None:
    """The kernel's own limits of each process.

    The address space says little about memory (numpy and librdkafka reserve gigabytes that they never touch), so the
    keeper watches what the tree uses. RLIMIT_DATA only catches who asks for far more at once, between two looks.
    """
    at_once = (2 * memory_mb + 1024) << 20
    for what, wanted in (
        (resource.RLIMIT_NPROC, _threads_of_user() + MOST_NEW_THREADS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, files),
        (resource.RLIMIT_DATA, at_once),
    ):
        _, hard = resource.getrlimit(what)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(what, (most, most))


def _threads_of_user() -> int:
    """How many threads this user has on the computer."""
    found, user = 0, os.getuid()
    for name in os.listdir("/proc"):  # noqa: PTH208
        with contextlib.suppress(OSError, IndexError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:  # noqa: PTH116
                found += len(os.listdir(f"/proc/{name}/task"))  # noqa: PTH208
    return found
