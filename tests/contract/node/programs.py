"""Algos for the tests' runner, good and bad."""

POLITE = """
import signal, sys, time
def leave(*_):
    print('goodbye')
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print('ready')
number = 0
while True:
    time.sleep(0.1)
    number += 1
    print('tick', number)
"""
SLOW = """
import signal, sys, time
def leave(*_):
    time.sleep(3)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print('ready')
while True: time.sleep(0.1)
"""
LOOP = "print('ready')\nwhile True: pass\n"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready')\nwhile True: time.sleep(1)\n"
)
DAEMON = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    os.setsid()
print('ready')
while True: time.sleep(1)
"""
BOMB = """
import mmap, os, time
count, end = mmap.mmap(-1, 8), time.monotonic() + 20
while time.monotonic() < end:
    made = int.from_bytes(count[:4], 'little')
    if made > 3000: os._exit(9)  # whatever is wrong with the keeper, the computer that runs the test goes on
    count[:4] = (made + 1).to_bytes(4, 'little')
    if os.fork() == 0: ESCAPE
    time.sleep(0.02)
"""


def bomb(escape: str = "pass") -> str:
    """A fork bomb; each of its processes first does this."""
    return BOMB.replace("ESCAPE", escape)


GREEDY = "import time\nall = []\nwhile True:\n    all.append(b'x' * (10 << 20))\n    time.sleep(0.02)\n"
FLOOD = "while True: print('x' * 100)\n"
RAISES = "raise ValueError('the strategy is wrong')\n"
QUITS = "import sys\nsys.exit(1)\n"
MISTAKEN = "import sys\nsys.stderr.write('fast must be below slow\\n')\nsys.exit(2)\n"
DONE = "print('all done')\n"
