"""Starts a program that refuses to run as root, as root: ``python -I -S unrooted.py PROGRAM ARGUMENT...``

It enters a user namespace in which the same user is called ``nobody``, so no file changes hands and no
account is made. Where the system forbids that, it becomes a system account (``postgres``, or ``nobody``), to which
it gives the data folder (the argument after ``-D``). Runs alone, before the program, without other imports of ours.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
ACCOUNTS = ("postgres", "nobody")


def enter_namespace(account: pwd.struct_passwd) -> bool:
    """Whether this process is now, in its own eyes, the account."""
    if ctypes.CDLL(None).unshare(CLONE_NEWUSER):
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{account.pw_uid} 0 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{account.pw_gid} 0 1", encoding="ascii")
    except OSError:
        return False
    return os.geteuid() == account.pw_uid


def become(account: pwd.struct_passwd, program: list[str]) -> None:
    """Gives the data folder to the account, makes the way to it and to the program passable, and drops root."""
    data = Path(program[program.index("-D") + 1])
    data.mkdir(exist_ok=True, mode=0o700)
    for path in (data, *data.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    for folder in {*data.parents, *Path(program[0]).parents}:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)


def main(program: list[str]) -> None:
    """Runs the program in this process's place."""
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    accounts = [known[name] for name in ACCOUNTS if name in known]
    if not accounts:
        sys.exit("neither a postgres nor a nobody account exists; run as an ordinary user")
    child = os.fork()  # a failed attempt to enter leaves a process half changed: try it in another one
    if child == 0:
        os._exit(0 if enter_namespace(accounts[-1]) else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        enter_namespace(accounts[-1])
    else:
        become(accounts[0], program)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
