"""How many tasks walk at the same time follows the engine's load, and nothing else changes with it."""

import asyncio
import threading

import pytest

from rro.tasks.environments.base import Task, Turn
from rro.tasks.exploration.explore import FIRST, Pool, Room
from rro.tasks.exploration.walk import Walker
from rro.tasks.inference.engine import Load
from rro.tasks.settings import ExploreSettings
from tests.exploration.tabular import Scripted, Tabular, TabularEpisode

IDLE = Load(running=10, waiting=0, room=256)
FULL = Load(running=256, waiting=20, room=256)
CROWD = Load(running=256, waiting=600, room=256)
CACHE = Load(running=10, waiting=0, room=256, cache_used=0.95)
ROBBED = Load(running=200, waiting=5, room=256, preempted=3)


def crowded_room(most: int = 0, people: int = 1000) -> Room:
    """A room with many who want in; nobody leaves."""
    room = Room(most)
    enter = room.__aenter__

    async def want() -> None:
        await enter()

    room.tasks = [asyncio.ensure_future(want()) for _ in range(people)]  # type: ignore[attr-defined]
    return room


async def after(room: Room, *loads: Load) -> int:
    for load in loads:
        await asyncio.sleep(0)
        room.adapt(load)
    return room.limit


@pytest.mark.parametrize(
    ("most", "loads", "limit"),
    [
        (0, [], FIRST),
        (0, [IDLE], FIRST + FIRST // 4),
        (0, [FULL], FIRST),
        (0, [CACHE], FIRST),
        (0, [FULL, IDLE], FIRST + 1),
        (0, [CROWD], FIRST - 1),
        (0, [ROBBED], FIRST - FIRST // 4),
        (0, [ROBBED, ROBBED], FIRST - FIRST // 4 + 1),
        (0, [CROWD] * 100, 1),
        (FIRST + 3, [IDLE, IDLE], FIRST + 3),
        (2, [], 2),
        (2, [IDLE], 2),
    ],
)
def test_the_limit_grows_while_the_engine_keeps_up_and_falls_when_it_does_not(
    most: int, loads: list[Load], limit: int
) -> None:
    async def found() -> int:
        return await after(crowded_room(most), *loads)

    assert asyncio.run(found()) == limit


def test_a_limit_that_is_not_reached_does_not_grow() -> None:
    async def found() -> int:
        return await after(crowded_room(people=3), IDLE, IDLE)

    assert asyncio.run(found()) == FIRST


def test_as_many_are_inside_as_the_limit_says_after_any_changes() -> None:
    async def most_inside() -> list[tuple[int, int]]:
        room, inside, seen = Room(), 0, []

        async def visit() -> None:
            nonlocal inside
            async with room:
                inside += 1
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                inside -= 1

        visits = [asyncio.ensure_future(visit()) for _ in range(2000)]
        for load in [IDLE] * 8 + [CROWD] * 40 + [ROBBED] + [IDLE] * 20:
            room.adapt(load)
            for _ in range(8):  # Whoever is inside leaves.
                await asyncio.sleep(0)
            seen.append((inside, room.limit))
        await asyncio.gather(*visits)
        assert room.wanted == 0
        return seen

    seen = asyncio.run(most_inside())
    assert all(inside <= limit for inside, limit in seen)
    assert max(inside for inside, _ in seen) > FIRST


@pytest.mark.parametrize("load", [IDLE, CROWD, ROBBED])
def test_every_task_is_done_in_order_whatever_the_load(load: Load) -> None:
    async def done() -> tuple[list[str], list[str]]:
        async def work(task: Task) -> str:
            await asyncio.sleep(0)
            return task.id

        async def stepped() -> Load:
            await asyncio.sleep(0)
            return load

        finished: list[str] = []
        pool = Pool(work, finished.append, stepped)
        tasks = [Task(str(number), "train", "") for number in range(300)]
        pool.start({"a": tasks[:100], "b": tasks[100:]})
        return await pool.shard("a") + await pool.shard("b"), finished

    results, finished = asyncio.run(done())
    assert results == [str(number) for number in range(300)]
    assert sorted(finished) == sorted(results)
    assert finished[0] == "0"


def test_a_failure_of_one_task_reaches_whoever_waits_for_its_shard() -> None:
    async def fails() -> None:
        async def work(task: Task) -> None:
            raise RuntimeError(task.id)

        async def stepped() -> Load:
            await asyncio.sleep(0)
            return IDLE

        pool = Pool(work, lambda _: None, stepped)
        pool.start({"a": [Task("7", "train", "")]})
        try:
            await pool.shard("a")
        finally:
            pool.cancel()

    with pytest.raises(RuntimeError, match="7"):
        asyncio.run(fails())


def test_steps_of_an_environment_that_waits_are_taken_side_by_side() -> None:
    """Two rollouts meet inside their steps; taken one after the other they would wait for ever."""
    met = threading.Barrier(2, timeout=30)

    class Meeting(TabularEpisode):
        def step(self, action: str) -> Turn:
            met.wait()
            return super().step(action)

        def copy(self) -> "Meeting":
            return Meeting(self.tree, self.observation, self.turns)

    class Outside(Tabular):
        waits = True

        def start(self, task: Task) -> TabularEpisode:
            return Meeting(self.tree)

    environment = Outside({"start": {"a": "L"}, "L": {"a": 1.0}})
    policy = Scripted({"start": ["a"] * 9, "L": ["a"] * 9})
    walker = Walker(environment, policy, policy, ExploreSettings(strategy="rft", trajectories=2), 0)
    walk = asyncio.run(walker.walk(environment.task))
    assert [rollout.outcome for rollout in walk.trajectories] == [1.0, 1.0]
    assert walk.clock.steps == 4
