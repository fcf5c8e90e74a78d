"""What rows are, and the columns that say where they come from."""

from dataclasses import asdict, dataclass
from typing import Any

from rro.tasks.environments.base import Task

Row = dict[str, Any]
Rows = dict[str, list[Row]]

EXPERT = "expert"
"""As scorer of a rollout or drawer of a candidate: the scripted expert, not a policy."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from: the columns that every row carries, but for the task."""

    run: str
    iteration: int
    strategy: str
    policy: str
    environment: str
    scorer: str

    def common(self, task: Task) -> Row:
        """The `COMMON` columns of `tables.py`."""
        values = asdict(self)
        del values["scorer"]
        return {**values, "task": task.id}
