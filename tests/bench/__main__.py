"""Runs the benchmarks, shows a table, writes one flat JSON object."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.measure import Line

BENCHMARKS = (
    "decode",
    "candles",
    "feed",
    "latency",
    "fleet",
    "orders",
    "flat",
    "whole",
)  # modules of this package with run(quick)


def main() -> int:
    """Exit status 1 when a figure misses its mark."""
    parser = argparse.ArgumentParser(prog="portfolio bench", description=sys.modules[__package__].__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="one benchmark; may be given again")
    parser.add_argument("--quick", action="store_true", help="shorter rounds, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write one flat JSON object")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers and processes are stopped too
    console = Console(stderr=True)
    lines: list[Line] = []
    started = time.monotonic()
    for name in chosen.only or BENCHMARKS:
        with console.status(f"measuring {name} ..."):
            lines += importlib.import_module(f"tests.bench.{name}").run(chosen.quick)
        console.print(f"measured {name} after {time.monotonic() - started:.0f} s")
    Console(width=None if sys.stdout.isatty() else 120).print(_table(lines))
    if chosen.json:
        chosen.json.write_text(json.dumps(_flat(lines), indent=1) + "\n", encoding="utf-8")
    return int(any(line.passed is False for line in lines))


def _table(lines: list[Line]) -> Table:
    title = f"Benchmark on {os.cpu_count()} cores, Python {platform.python_version()}: medians of rounds taken in turn"
    table = Table(title=title)
    table.add_column("figure", no_wrap=True)
    for heading in ("measured", "required", "", "ours", "the plain way", "least to most"):
        table.add_column(heading, justify="right")
    for line in lines:
        required = "" if line.required is None else f"{'≤' if line.at_most else '≥'} {line.required:g}"
        mark = {True: "[green]yes", False: "[bold red]no", None: ""}[line.passed]
        spread = f"{line.spread[0]:.3g} to {line.spread[1]:.3g}" if line.spread else ""
        table.add_row(line.name, f"{line.value:,.4g}", required, mark, line.ours, line.plain, spread)
    return table


def _flat(lines: list[Line]) -> dict[str, object]:
    flat: dict[str, object] = {line.name: round(line.value, 4) for line in lines}
    for line in lines:
        if line.spread:
            flat |= {f"{line.name}_min": round(line.spread[0], 4), f"{line.name}_max": round(line.spread[1], 4)}
    marks = [line.passed for line in lines if line.passed is not None]
    return flat | {"passed": all(marks), "cores": os.cpu_count() or 1, "python": platform.python_version()}


if __name__ == "__main__":
    sys.exit(main())
