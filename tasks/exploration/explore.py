"""One pool for all tasks: every walk's pending generations go to the engine together.

Walks start in task order and at most `in_flight` run at a time, so earlier shards finish first. There is no
barrier per step, task or shard; only the draws of one step wait for each other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from rro.tasks.environments.base import Environment, Task
from rro.tasks.errors import UserError

Result = TypeVar("Result")


class Pool(Generic[Result]):
    """Runs one coroutine a task and hands the results out shard by shard."""

    def __init__(
        self, work: Callable[[Task], Awaitable[Result]], in_flight: int, done: Callable[[Result], None]
    ) -> None:
        self._work = work
        self._room = asyncio.Semaphore(in_flight)
        self._done = done
        self._running: dict[str, list[asyncio.Task[Result]]] = {}

    def start(self, shards: Mapping[str, Sequence[Task]]) -> None:
        """Start every task of every shard, in order, in one go: the engine then sees the same batches each time."""
        for name, tasks in shards.items():
            self._running[name] = [asyncio.create_task(self._one(task)) for task in tasks]

    async def shard(self, name: str) -> list[Result]:
        """The results of one shard, in task order, and forget them."""
        results = await asyncio.gather(*self._running[name])
        del self._running[name]
        return results

    def cancel(self) -> None:
        """End what still runs."""
        for tasks in self._running.values():
            for task in tasks:
                task.cancel()
        self._running.clear()

    async def _one(self, task: Task) -> Result:
        async with self._room:
            result = await self._work(task)
        self._done(result)
        return result


def choose_tasks(environment: Environment, split: str, count: int, skip: int, setting: str) -> list[Task]:
    """`count` tasks of a split after the first `skip`, going round to its start where it is too short.

    Raises `UserError` for a split that is unknown, empty or smaller than `count`.
    """
    tasks = environment.tasks(split)
    if not tasks:
        raise UserError(f"{setting}.split = {split!r}: this split of {environment.name} holds no tasks")
    if count > len(tasks):
        raise UserError(
            f"{setting}.tasks = {count}: split {split!r} of {environment.name} has only {len(tasks)} tasks"
        )
    start = skip % len(tasks)
    return [*tasks[start:], *tasks[:start]][:count]


def shards_of(tasks: Sequence[Task], size: int, prefix: str) -> dict[str, list[Task]]:
    """Shard name to its tasks, `size` at a time."""
    return {
        f"{prefix}-{number:05d}": list(tasks[first : first + size])
        for number, first in enumerate(range(0, len(tasks), size))
    }
