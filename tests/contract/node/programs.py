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
BOMB = "import os, time\nwhile True:\n    os.fork()\n    time.sleep(0.05)\n"
GREEDY = "import time\nall = []\nwhile True:\n    all.append(b'x' * (10 << 20))\n    time.sleep(0.02)\n"
FLOOD = "while True: print('x' * 100)\n"
RAISES = "raise ValueError('the strategy is wrong')\n"
QUITS = "import sys\nsys.exit(1)\n"
MISTAKEN = "import sys\nsys.stderr.write('fast must be below slow\\n')\nsys.exit(2)\n"
DONE = "print('all done')\n"
