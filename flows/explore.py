"""Stage explore: the walk over all tasks, shard by shard. Writes episodes, steps, candidates and rollouts."""

import asyncio
import time
from collections.abc import Mapping

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from rro.flows.artifacts import artifact_key, progress_shown
from rro.flows.common import Context, Stage, open_context, stage
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
from rro.tasks.settings import Settings
from rro.tasks.storage.tables import table


@flow(name="explore", flow_run_name="explore {run} iteration {iteration}")
async def explore(
    run: str, settings: Settings | None = None, iteration: int = 1, warehouse: str | None = None
) -> str:
    """Explore the training tasks with the policy of the iteration before.

    Args:
        run: Name of the run.
        settings: All settings; without them, those the run was started with.
        iteration: 1 for the exploration by the SFT policy, and so on.
        warehouse: Folder that everything is written to.

    Returns:
        The key under which the shards were made.
    """
    context = open_context(settings, run, iteration, warehouse)
    settings = context.settings
    name = context.policy(iteration - 1)
    folder = context.policy_folder(name)
    key = explore_key(settings, context.environment, name, iteration)
    shards = exploration_shards(context)
    owed = {shard: tasks for shard, tasks in shards.items() if not context.reusable(shard, key)}
    tasks = sum(len(listed) for listed in shards.values())
    for old in context.warehouse.shards(run, f"explore-i{iteration}-"):
        if old.shard not in shards:
            context.warehouse.discard(run, old.shard)
    if not owed:
        Stage(context, "explore", "tasks", tasks).finish(f"reused {len(shards)} shards")
        return key
    with stage(context, "explore", "tasks", tasks, key) as running:
        policy = await policy_on_engine(name, folder, settings.engine)
        seed = seed_for(settings.seed, "explore", iteration)
        walker = Walker(context.environment, policy, policy, settings.explore, seed, context.expert)
        origin = Origin(run, iteration, settings.explore.strategy, name, context.environment.name, name)
        tally = Tally(running, origin, settings, tasks - sum(len(listed) for listed in owed.values()))
        pool = Pool(walker.walk, settings.explore.in_flight, tally.count)
        try:
            async with progress_shown(
                artifact_key(run, f"i{iteration}-progress"), f"Exploration of {run}, iteration {iteration}"
            ):
                pool.start(owed)
                await asyncio.gather(*(explore_shard(context, pool, shard, origin, key) for shard in owed))
        finally:
            pool.cancel()
        running.finish(f"{tally.pairs} pairs from {tasks} tasks")
    return key


def exploration_shards(context: Context) -> Mapping[str, list[Task]]:
    """Shard name to its tasks; tasks that SFT saw come last where `fresh` is set."""
    settings = context.settings.explore
    skip = context.settings.experts.tasks if settings.fresh else 0
    skip += 0 if settings.same_tasks else (context.iteration - 1) * settings.tasks
    tasks = choose_tasks(context.environment, settings.split, settings.tasks, skip, "explore")
    return shards_of(tasks, settings.shard_tasks, f"explore-i{context.iteration}")


@task(name="explore-shard", task_run_name="{shard}", cache_policy=NO_CACHE)
async def explore_shard(context: Context, pool: Pool[Walk], shard: str, origin: Origin, key: str) -> None:
    """Wait for one shard's walks and publish their rows."""
    walks = await pool.shard(shard)
    rows = walk_rows(walks, origin, context.settings.explore)
    tables = {name: table(name, listed) for name, listed in rows.items()}
    context.warehouse.publish(context.run, shard, tables, {"key": key, "policy": origin.policy})


class Tally:
    """Counts what finished walks brought, for whoever watches."""

    def __init__(self, running: Stage, origin: Origin, settings: Settings, finished: int) -> None:
        self._running = running
        self._origin = origin
        self._settings = settings
        self._rule = make_strategy(settings.explore).pairs
        self._done = finished
        self._began = time.perf_counter()
        self._tokens = 0
        self.pairs = 0

    def count(self, walk: Walk) -> None:
        """One walk more."""
        rows = walk_rows([walk], self._origin, self._settings.explore)
        self.pairs += len(extract(rows, self._rule, self._settings.pairs, self._settings.seed))
        self._tokens += total_usage(walk).generated_tokens
        self._done += 1
        speed = self._tokens / (time.perf_counter() - self._began)
        self._running.progress(self._done, **{"pairs so far": self.pairs, "tokens/s": round(speed)})
