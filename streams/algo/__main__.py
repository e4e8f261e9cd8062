"""``python -m streams.algo task.json``: runs one task. Only wires.

Exit status: 0 when it was told to stop (SIGTERM, SIGINT) or ended by itself, 1 when the log failed it, 2 for a mistake
in the task or the algo's file, 3 when the algo's errors reached their limit, 4 when a callback hung.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from pathlib import Path

from confluent_kafka import KafkaException

from infra.errors import UserError
from infra.settings import settings
from streams.algo.engine import Engine
from streams.algo.load import Loaded, load
from streams.algo.output import Output
from streams.algo.params import read_settings
from streams.algo.pulse import Pulse
from streams.algo.reader import LogError
from streams.algo.runner import Runner
from streams.algo.task import Given, read_task
from streams.algo.watchdog import Watchdog

IMPORT_S = 30.0


def main(arguments: list[str]) -> int:
    """The exit status."""
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    output, pulse = Output(), Pulse()
    try:
        if len(arguments) != 1:
            raise UserError("Usage: python -m streams.algo task.json")
        given = read_task(Path(arguments[0]))
        return _run(given, _loaded(given, pulse), pulse, output, stop)
    except UserError as error:
        output.say(str(error), error=True)
        return 2
    except LogError as error:
        output.say(str(error), error=True)
    except KafkaException as error:
        output.say(f"Kafka: {error.args[0].str()}", error=True)
    return 1


def _loaded(given: Given, pulse: Pulse) -> Loaded:
    watchdog = Watchdog(pulse, IMPORT_S)
    watchdog.start()
    pulse.begin("the import of the algo's file")
    try:
        return load(given.files)
    finally:
        pulse.end()
        watchdog.stop()


def _run(given: Given, loaded: Loaded, pulse: Pulse, output: Output, stop: threading.Event) -> int:
    definition = loaded.definition
    values = read_settings(definition.parameters, given.task.settings)
    engine = Engine(definition, given.run, values, pulse)
    watchdog = Watchdog(pulse, definition.made.max_seconds)
    runner = Runner(given, definition, settings(), watchdog, engine, output, stop.is_set)
    gc.freeze()  # what start-up made stays
    watchdog.start()
    return runner.run()


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # clients whose log is away would hold the process up
