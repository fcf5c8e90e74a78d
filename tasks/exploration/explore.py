"""One pool for all tasks: every walk's pending generations go to the engine together.

Walks start in task order, so earlier shards finish first. There is no barrier per step, task or shard; only the draws
of one step wait for each other. How many walk at the same time follows from what the engine says of its load: more
while nothing waits, fewer once it takes room away from what it had begun.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from rro.tasks.environments.base import Environment, Task
from rro.tasks.errors import UserError
from rro.tasks.inference.engine import Load

Result = TypeVar("Result")

FIRST = 32
"""Tasks that start at once; the number then doubles within a few steps of the engine."""


class Pool(Generic[Result]):
    """Runs one coroutine a task and hands the results out shard by shard."""

    def __init__(
        self,
        work: Callable[[Task], Awaitable[Result]],
        done: Callable[[Result], None],
        stepped: Callable[[], Awaitable[Load]],
        most: int = 0,
    ) -> None:
        """`stepped` waits for the engine's next step; at most `most` tasks run together, 0 setting no limit."""
        self._work = work
        self._done = done
        self._stepped = stepped
        self._room = Room(most)
        self._running: dict[str, list[asyncio.Task[Result]]] = {}
        self._steering: asyncio.Task[None] | None = None

    def start(self, shards: Mapping[str, Sequence[Task]]) -> None:
        """Start every task of every shard, in order, in one go: the engine then sees the same batches each time."""
        for name, tasks in shards.items():
            self._running[name] = [asyncio.create_task(self._one(task)) for task in tasks]
        if sum(map(len, self._running.values())) > self._room.limit:
            self._steering = asyncio.create_task(self._steer())

    async def shard(self, name: str) -> list[Result]:
        """The results of one shard, in task order, and forget them."""
        results = await asyncio.gather(*self._running[name])
        del self._running[name]
        return results

    def cancel(self) -> None:
        """End what still runs."""
        if self._steering is not None:
            self._steering.cancel()
        for tasks in self._running.values():
            for task in tasks:
                task.cancel()
        self._running.clear()

    async def _one(self, task: Task) -> Result:
        async with self._room:
            result = await self._work(task)
        self._done(result)
        return result

    async def _steer(self) -> None:
        while self._room.wanted:
            self._room.adapt(await self._stepped())


class Room:
    """How many may be inside at the same time: a semaphore whose number follows the engine's load.

    As TCP does: quickly more until the engine is full for the first time, then one by one; a quarter fewer when it
    had to take room away from a request, one fewer while more wait than run.
    """

    def __init__(self, most: int = 0) -> None:
        self.limit = min(FIRST, most) if most else FIRST
        self.wanted = 0
        """How many wait to be let in."""
        self._most = most
        self._free = asyncio.Semaphore(self.limit)
        self._owed = 0
        self._quickly = True
        self._preempted = 0

    async def __aenter__(self) -> None:
        self.wanted += 1
        try:
            await self._free.acquire()
        finally:
            self.wanted -= 1

    async def __aexit__(self, *error: object) -> None:
        self._open(1)

    def adapt(self, load: Load) -> None:
        """Let more in, or fewer, after one step of the engine."""
        change = max(self._change(load), 1 - self.limit)
        if self._most:
            change = min(change, self._most - self.limit)
        self._quickly &= not load.full and load.preempted <= self._preempted
        self._preempted = load.preempted
        self.limit += change
        if change > 0:
            self._open(change)
        self._owed -= min(change, 0)

    def _change(self, load: Load) -> int:
        if load.preempted > self._preempted:
            return -max(1, self.limit // 4)
        if load.full:
            return -1 if load.waiting > load.running else 0
        if not self._free.locked():
            return 0
        return max(1, self.limit // 4) if self._quickly else 1

    def _open(self, places: int) -> None:
        for _ in range(places):
            if self._owed:
                self._owed -= 1  # A place that was given up while somebody was in it.
            else:
                self._free.release()


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
