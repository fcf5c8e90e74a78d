"""What it takes to explore shards, in whichever process does it: the flow's own, or a worker of a Ray cluster."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

from prefect import task
from prefect.cache_policies import NO_CACHE

from rro.flows.common import Context
from rro.flows.engines import policy_on_engine
from rro.tasks.environments.base import Task
from rro.tasks.exploration.explore import Pool, choose_tasks, shards_of
from rro.tasks.exploration.origin import Origin
from rro.tasks.exploration.pairs import extract
from rro.tasks.exploration.rows import total_usage, walk_rows
from rro.tasks.exploration.seeds import seed_for
from rro.tasks.exploration.strategies import make_strategy
from rro.tasks.exploration.walk import Walk, Walker
from rro.tasks.lineage import explore_key
from rro.tasks.storage.tables import table


class Found(NamedTuple):
    """What finished walks brought, for whoever watches."""

    tasks: int
    pairs: int
    tokens: int

    @classmethod
    def sum(cls, found: Iterable["Found"]) -> Self:
        """All of them together."""
        return cls(*map(sum, zip((0, 0, 0), *found, strict=True)))


Count = Callable[[Found], None]


@dataclass(frozen=True)
class Exploration:
    """One iteration's exploration: the policy that acts, and the key its shards are published under."""

    context: Context
    policy: str
    key: str

    @classmethod
    def of(cls, context: Context) -> Self:
        """The exploration of a context. `UserError` where its policy is not trained yet, or gone."""
        policy = context.policy(context.iteration - 1)
        context.policy_folder(policy)
        return cls(
            context, policy, explore_key(context.settings, context.environment, policy, context.iteration)
        )

    @property
    def origin(self) -> Origin:
        """What every row says of where it comes from."""
        run, iteration, strategy = (
            self.context.run,
            self.context.iteration,
            self.context.settings.explore.strategy,
        )
        return Origin(run, iteration, strategy, self.policy, self.context.environment.name, self.policy)

    @cached_property
    def shards(self) -> Mapping[str, list[Task]]:
        """Shard name to its tasks."""
        return exploration_shards(self.context)

    async def walker(self) -> Walker:
        """Whoever walks a task, with the policy on this process's engine."""
        context, settings = self.context, self.context.settings
        policy = await policy_on_engine(self.policy, context.policy_folder(self.policy), settings.engine)
        seed = seed_for(settings.seed, "explore", context.iteration)
        return Walker(context.environment, policy, policy, settings.explore, seed, context.expert)

    def found(self, walk: Walk) -> Found:
        """What one walk brought."""
        settings = self.context.settings
        rows = walk_rows([walk], self.origin, settings.explore)
        pairs = extract(rows, make_strategy(settings.explore).pairs, settings.pairs, settings.seed)
        return Found(1, len(pairs), total_usage(walk).generated_tokens)

    def publish(self, shard: str, walks: Sequence[Walk]) -> None:
        """Write a shard's rows, in place of any it had before."""
        rows = walk_rows(walks, self.origin, self.context.settings.explore)
        tables = {name: table(name, listed) for name, listed in rows.items()}
        facts = {"key": self.key, "policy": self.policy}
        self.context.warehouse.publish(self.context.run, shard, tables, facts)


def exploration_shards(context: Context) -> Mapping[str, list[Task]]:
    """Shard name to its tasks; tasks that SFT saw come last where `fresh` is set."""
    settings = context.settings.explore
    skip = context.settings.experts.tasks if settings.fresh else 0
    skip += 0 if settings.same_tasks else (context.iteration - 1) * settings.tasks
    tasks = choose_tasks(context.environment, settings.split, settings.tasks, skip, "explore")
    return shards_of(tasks, settings.shard_tasks, f"explore-i{context.iteration}")


@asynccontextmanager
async def walking(
    exploration: Exploration, shards: Mapping[str, list[Task]], count: Count
) -> AsyncIterator[Pool[Walk]]:
    """Walk the tasks of all `shards` in one pool while the block runs."""
    walker = await exploration.walker()
    most = exploration.context.settings.explore.in_flight
    pool = Pool(walker.walk, lambda walk: count(exploration.found(walk)), walker.stepped, most)
    try:
        pool.start(shards)
        yield pool
    finally:
        pool.cancel()


async def explore_in_this_process(
    exploration: Exploration, shards: Mapping[str, list[Task]], count: Count
) -> None:
    """Explore all `shards` at once; each is published as soon as its walks have ended."""
    async with walking(exploration, shards, count) as pool:
        await asyncio.gather(*(explore_shard(exploration, pool, shard) for shard in shards))


@task(name="explore-shard", task_run_name="{shard}", cache_policy=NO_CACHE)
async def explore_shard(exploration: Exploration, pool: Pool[Walk], shard: str) -> None:
    """Wait for one shard's walks and publish their rows."""
    exploration.publish(shard, await pool.shard(shard))
