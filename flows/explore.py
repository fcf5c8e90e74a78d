"""Stage explore: the walk over all tasks, shard by shard. Writes episodes, steps, candidates and rollouts."""

import time

from prefect import flow

from rro.flows.artifacts import artifact_key, progress_shown
from rro.flows.cluster import check_cluster, explore_on_cluster
from rro.flows.common import Stage, open_context, stage
from rro.flows.shards import Exploration, Found, explore_in_this_process
from rro.tasks.settings import Settings


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
    check_cluster(context.settings)
    exploration = Exploration.of(context)
    shards, key = exploration.shards, exploration.key
    owed = {shard: tasks for shard, tasks in shards.items() if not context.reusable(shard, key)}
    tasks = sum(len(listed) for listed in shards.values())
    for old in context.warehouse.shards(run, f"explore-i{iteration}-"):
        if old.shard not in shards:
            context.warehouse.discard(run, old.shard)
    if not owed:
        Stage(context, "explore", "tasks", tasks).finish(f"reused {len(shards)} shards")
        return key
    explore_shards = explore_on_cluster if context.settings.explore.ray else explore_in_this_process
    with stage(context, "explore", "tasks", tasks, key) as running:
        tally = Tally(running, tasks - sum(len(listed) for listed in owed.values()))
        async with progress_shown(
            artifact_key(run, f"i{iteration}-progress"), f"Exploration of {run}, iteration {iteration}"
        ):
            await explore_shards(exploration, owed, tally.count)
        running.finish(f"{tally.pairs} pairs from {tasks} tasks")
    return key


class Tally:
    """Counts what finished walks brought, for whoever watches."""

    def __init__(self, running: Stage, finished: int) -> None:
        self._running = running
        self._done = finished
        self._began = time.perf_counter()
        self._tokens = 0
        self.pairs = 0

    def count(self, found: Found) -> None:
        """Some walks more."""
        self.pairs += found.pairs
        self._tokens += found.tokens
        self._done += found.tasks
        speed = self._tokens / (time.perf_counter() - self._began)
        self._running.progress(self._done, **{"pairs so far": self.pairs, "tokens/s": round(speed)})
