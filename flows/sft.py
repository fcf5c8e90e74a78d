"""Stage sft: the expert demonstrates, the base model imitates. Writes expert episodes and iteration 0's policy."""

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from rro.flows.common import Context, Stage, open_context, stage
from rro.flows.train import publish_policy, trained
from rro.tasks.exploration.explore import choose_tasks
from rro.tasks.exploration.origin import Origin
from rro.tasks.exploration.play import demonstrate
from rro.tasks.exploration.play_rows import played_rows
from rro.tasks.lineage import base_key, experts_key, sft_key
from rro.tasks.settings import Settings
from rro.tasks.storage.tables import table
from rro.tasks.training.base_model import find_base
from rro.tasks.training.datasets import sft_rows

EXPERTS = "experts"


@flow(name="sft", flow_run_name="sft {run}")
async def sft(
    run: str, settings: Settings | None = None, iteration: int = 0, warehouse: str | None = None
) -> str:
    """Fine-tune the base model on expert trajectories.

    Args:
        run: Name of the run.
        settings: All settings; without them, those the run was started with.
        iteration: Always 0: the SFT policy is what the first exploration starts from.
        warehouse: Folder that everything is written to.

    Returns:
        The policy's name.
    """
    context = open_context(settings, run, 0, warehouse)
    settings = context.settings
    key = sft_key(settings, context.environment)
    name = f"sft-{key}"
    if context.reusable("policy-i0", key) and context.warehouse.has_policy(name):
        Stage(context, "sft", "updates", 1).finish(f"reused {name}")
        return name
    rows = demonstrations(context)
    base, parent = await base_model(context, rows)
    with stage(context, "sft", "updates", 1, key) as running:
        log = await trained(context, running, name, "sft", base, rows, settings.sft)
        publish_policy(context, name, key, "sft", parent, EXPERTS, len(rows), log)
        running.finish(f"{name}, loss {_last_loss(log)}")
    return name


async def base_model(context: Context, rows: list[dict[str, Any]]) -> tuple[str, str]:
    """Folder or hub name of the model to start from, and its name; the tiny one is built and reads first."""
    policy = context.settings.policy
    if policy.base != "tiny":
        return find_base(policy.base), policy.base
    key = base_key(context.settings, context.environment)
    name = f"base-{key}"
    if context.reusable("policy-base", key) and context.warehouse.has_policy(name):
        Stage(context, "base", "updates", 1).finish(f"reused {name}")
        return str(context.policy_folder(name)), name
    with stage(context, "base", "updates", 1, key) as running:
        tiny = policy.tiny.model_dump()
        log = await trained(context, running, name, "base", "tiny", rows, policy.pretraining, tiny)
        publish_policy(context, name, key, "base", "", EXPERTS, len(rows), log)
        running.finish(f"{name}, loss {_last_loss(log)}")
    return str(context.policy_folder(name)), name


def demonstrations(context: Context) -> list[dict[str, Any]]:
    """The dialogues that are imitated."""
    demonstrate_tasks(context)
    episodes, steps = (
        context.warehouse.read(name, context.run, EXPERTS).to_pylist() for name in ("episodes", "steps")
    )
    return sft_rows(episodes, steps)


@task(name="demonstrate", cache_policy=NO_CACHE)
def demonstrate_tasks(context: Context) -> None:
    """Let the scripted expert play the first tasks of the split that is explored later."""
    settings, environment = context.settings, context.environment
    key = experts_key(settings, environment)
    if context.reusable(EXPERTS, key):
        return
    tasks = choose_tasks(environment, settings.explore.split, settings.experts.tasks, 0, "experts")
    played = [demonstrate(environment, context.expert(one), one) for one in tasks]
    origin = Origin(context.run, 0, "expert", "expert", environment.name, "")
    rows = played_rows(played, origin, "expert", 0.0)
    tables = {name: table(name, listed) for name, listed in rows.items()}
    context.warehouse.publish(context.run, EXPERTS, tables, {"key": key})


def _last_loss(log: list[dict[str, Any]]) -> str:
    losses = [entry["loss"] for entry in log if "loss" in entry]
    return f"{losses[-1]:.3f}" if losses else "unknown"
