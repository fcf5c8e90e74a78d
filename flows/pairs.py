"""Stage pairs: preference pairs from the explored tables. A pure function, repeatable without inference."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from rro.flows.common import Context, Stage, open_context, stage
from rro.flows.shards import exploration_shards
from rro.tasks.errors import UserError
from rro.tasks.exploration.pairs import EXPLORED, extract
from rro.tasks.exploration.strategies import make_strategy
from rro.tasks.lineage import explore_key, pairs_key
from rro.tasks.settings import Settings
from rro.tasks.storage.tables import table


@flow(name="pairs", flow_run_name="pairs {run} iteration {iteration}")
async def pairs(
    run: str, settings: Settings | None = None, iteration: int = 1, warehouse: str | None = None
) -> str:
    """Extract preference pairs from an iteration's exploration.

    Args:
        run: Name of the run.
        settings: All settings; without them, those the run was started with.
        iteration: The exploration's iteration.
        warehouse: Folder that everything is written to.

    Returns:
        The key of the pairs.
    """
    context = open_context(settings, run, iteration, warehouse)
    settings = context.settings
    explored = explore_key(settings, context.environment, context.policy(iteration - 1), iteration)
    key, shard = pairs_key(settings, explored), f"pairs-i{iteration}"
    shards = exploration_shards(context)
    missing = [name for name in shards if not context.reusable(name, explored)]
    if missing:
        raise UserError(
            f"run {run}: {len(missing)} of {len(shards)} shards of iteration {iteration} are not explored yet "
            f"({missing[0]}, ...); finish them first: rro stage explore --run {run} --iteration {iteration}"
        )
    if context.reusable(shard, key):
        Stage(context, "pairs", "shards", len(shards)).finish("reused")
        return key
    with stage(context, "pairs", "shards", len(shards), key) as running:
        count = extract_pairs(context, shard, key)
        running.finish(f"{count} pairs")
    return key


@task(name="extract-pairs", cache_policy=NO_CACHE)
def extract_pairs(context: Context, shard: str, key: str) -> int:
    """Read the explored rows, extract, publish; how many pairs there are."""
    prefix = f"explore-i{context.iteration}-"
    explored = {name: context.warehouse.read(name, context.run, prefix).to_pylist() for name in EXPLORED}
    rule = make_strategy(context.settings.explore).pairs
    rows = extract(explored, rule, context.settings.pairs, context.settings.seed)
    context.warehouse.publish(context.run, shard, {"pairs": table("pairs", rows)}, {"key": key})
    return len(rows)
