"""What a runner is told: the task, in a JSON file that the node's agent writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from infra.errors import UserError
from schemas.codec import from_json
from schemas.fleet import Task
from streams.algo.events import Run


@dataclass(frozen=True, slots=True)
class Given:
    """A task and where the algo's files are."""

    task: Task
    files: Path

    @property
    def run(self) -> Run:
        """In whose name the algo acts."""
        return Run(self.task.run, self.task.task, self.task.trading, self.task.may_command)

    @property
    def group(self) -> str:
        """The consumer group that the run's tasks form."""
        return f"algo.{self.task.run}"


def read_task(path: Path) -> Given:
    """The task that a file describes: the fields of the record Task, and ``files``. UserError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        files = Path(values.pop("files"))
        known = {field.name for field in fields(Task)}
        task = from_json(Task, {name: value for name, value in values.items() if name in known})
    except OSError as error:
        raise UserError(f"The task's file {path} cannot be read: {error.strerror}.") from None
    except KeyError as error:
        raise UserError(f"The task's file {path} does not have {error}.") from None
    except (ValueError, AttributeError) as error:
        raise UserError(f"The task's file {path} describes no task: {error}.") from None
    if not files.is_dir():
        raise UserError(f"The algo's files are not at {files}.")
    return Given(task, files)
