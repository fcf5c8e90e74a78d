"""Stage dpo: preference training on an iteration's pairs. Writes the iteration's policy.

The strategy `rft` yields successful trajectories and no pairs; its policy is another SFT, on them and the expert's.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from prefect import flow

from rro.flows.common import Context, Stage, open_context, stage
from rro.flows.sft import base_model, demonstrations
from rro.flows.train import publish_policy, trained
from rro.tasks.errors import UserError
from rro.tasks.exploration.pairs import EXPLORED, explored_tasks
from rro.tasks.exploration.strategies import make_strategy
from rro.tasks.lineage import dpo_key, rft_key
from rro.tasks.settings import Settings


@flow(name="dpo", flow_run_name="dpo {run} iteration {iteration}")
async def dpo(
    run: str, settings: Settings | None = None, iteration: int = 1, warehouse: str | None = None
) -> str:
    """Train on the pairs; reference and starting point are the policy that explored.

    Args:
        run: Name of the run.
        settings: All settings; without them, those the run was started with.
        iteration: The iteration whose pairs are taken.
        warehouse: Folder that everything is written to.

    Returns:
        The new policy's name.
    """
    context = open_context(settings, run, iteration, warehouse)
    settings = context.settings
    parent = context.policy(iteration - 1)
    shard = f"pairs-i{iteration}"
    manifest = context.warehouse.finished(run, shard)
    if manifest is None:
        raise UserError(
            f"run {run}: no pairs of iteration {iteration}; "
            f"extract them first: rro stage pairs --run {run} --iteration {iteration}"
        )
    if make_strategy(settings.explore).trains == "sft":
        return await imitate_successes(context, str(manifest.facts["key"]))
    key = dpo_key(settings, str(manifest.facts["key"]), parent)
    name = f"dpo-{key}"
    if context.reusable(f"policy-i{iteration}", key) and context.warehouse.has_policy(name):
        Stage(context, "dpo", "updates", 1).finish(f"reused {name}")
        return name
    with stage(context, "dpo", "updates", 1, key) as running:
        pairs = pairs_of(context, shard, parent)
        rows = pairs.select(["pair", "prompt", "chosen", "rejected"]).to_pylist()
        if not rows:
            raise UserError(f"run {run}: iteration {iteration} has no pairs, so there is nothing to train on")
        base = str(context.policy_folder(parent))
        log = await trained(context, running, name, "dpo", base, rows, settings.dpo)
        publish_policy(context, name, key, "dpo", parent, shard, len(rows), log)
        running.finish(f"{name} on {len(rows)} pairs")
    return name


async def imitate_successes(context: Context, explored: str) -> str:
    """SFT from the base model on the demonstrations and on the exploration's successful trajectories."""
    key = rft_key(context.settings, context.environment, explored)
    name = f"rft-{key}"
    if context.reusable(f"policy-i{context.iteration}", key) and context.warehouse.has_policy(name):
        Stage(context, "rft", "updates", 1).finish(f"reused {name}")
        return name
    rows = demonstrations(context)
    base, parent = await base_model(context, rows)
    with stage(context, "rft", "updates", 1, key) as running:
        found = success_rows(context)
        log = await trained(context, running, name, "sft", base, [*rows, *found], context.settings.sft)
        shard = f"explore-i{context.iteration}"
        publish_policy(context, name, key, "rft", parent, shard, len(rows) + len(found), log)
        running.finish(f"{name} on {len(rows)} demonstrations and {len(found)} successes")
    return name


def success_rows(context: Context) -> list[dict[str, Any]]:
    """The exploration's successful trajectories as SFT reads them."""
    prefix = f"explore-i{context.iteration}-"
    tables = {name: context.warehouse.read(name, context.run, prefix).to_pylist() for name in EXPLORED}
    strategy = make_strategy(context.settings.explore)
    return [
        {"task": explored.episode["task"], "messages": dialogue}
        for explored in explored_tasks(tables)
        for dialogue in strategy.dialogues(explored)
    ]


def pairs_of(context: Context, shard: str, policy: str) -> pa.Table:
    """The iteration's pairs; `UserError` where another policy than the one to train drew them."""
    rows = context.warehouse.read("pairs", context.run, shard)
    rows = rows.filter(pc.equal(rows["iteration"], context.iteration))
    if set(rows["policy"].to_pylist()) - {policy}:
        raise UserError(
            f"run {context.run}: the pairs of iteration {context.iteration} are another policy's than {policy}; "
            f"make them anew: rro stage explore, then rro stage pairs, --run {context.run}"
        )
    return rows
