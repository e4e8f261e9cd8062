"""What the tests' keepers start in place of ``streams.algo``: the package's ``main.py`` as a script."""

import json
import runpy
import sys
from pathlib import Path

task = json.loads(Path(sys.argv[1]).read_text())
sys.argv = ["main.py", *(f"{name}={value}" for name, value in task["settings"].items())]
runpy.run_path(f"{task['files']}/main.py", run_name="__main__")
