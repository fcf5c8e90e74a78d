"""Stage sft: the expert demonstrates, the base model imitates. Writes expert episodes and iteration 0's policy."""

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from rro.flows.common import Context, Stage, stage, warehouse_location
from rro.flows.train import publish_policy, trained
from rro.tasks.exploration.explore import choose_tasks
from rro.tasks.exploration.play import Played, demonstrate, played_rows
from rro.tasks.exploration.rows import Origin
from rro.tasks.exploration.seeds import seed_for
from rro.tasks.lineage import experts_key, sft_key
from rro.tasks.settings import Settings
from rro.tasks.storage.tables import table
from rro.tasks.training.base_model import find_base
from rro.tasks.training.datasets import sft_rows

EXPERTS = "experts"


@flow(name="sft", flow_run_name="sft {run}")
async def sft(settings: Settings, run: str, iteration: int = 0, warehouse: str | None = None) -> str:
    """Fine-tune the base model on expert trajectories.

    Args:
        settings: All settings of the run.
        run: Name of the run.
        iteration: Always 0: the SFT policy is what the first exploration starts from.
        warehouse: Folder that everything is written to.

    Returns:
        The policy's name.
    """
    context = Context(settings, run, 0, warehouse_location(warehouse))
    key = sft_key(settings, context.environment)
    name = f"sft-{key}"
    if context.reusable("policy-i0", key) and context.warehouse.policy_path(name).exists():
        Stage(context, "sft", "updates", 1).finish(f"reused {name}")
        return name
    base = "tiny" if settings.policy.base == "tiny" else find_base(settings.policy.base)
    with stage(context, "sft", "updates", 1, key) as running:
        demonstrate_tasks(context)
        played = (
            context.warehouse.read("episodes", run, EXPERTS),
            context.warehouse.read("steps", run, EXPERTS),
        )
        rows = sft_rows(*(rows.to_pylist() for rows in played))
        tiny = settings.policy.tiny.model_dump() if base == "tiny" else None
        log = await trained(context, running, name, "sft", base, rows, settings.sft, tiny)
        publish_policy(context, name, key, "sft", settings.policy.base, EXPERTS, len(rows), log)
        running.finish(f"{name}, loss {_last_loss(log)}")
    return name


@task(name="demonstrate", cache_policy=NO_CACHE)
def demonstrate_tasks(context: Context) -> None:
    """Let the scripted expert play the first tasks of the split that is explored later."""
    settings, environment = context.settings, context.environment
    key = experts_key(settings, environment)
    if context.reusable(EXPERTS, key):
        return
    options = environment.ExpertOptions.model_validate(settings.experts.options)
    tasks = choose_tasks(environment, settings.explore.split, settings.experts.tasks, 0, "experts")
    played: list[Played] = [
        demonstrate(environment, environment.expert(seed_for(settings.seed, "expert", one.id), options), one)
        for one in tasks
    ]
    origin = Origin(context.run, 0, "expert", "expert", environment.name, "")
    rows = played_rows(played, origin, "expert", 0.0)
    tables = {name: table(name, listed) for name, listed in rows.items()}
    context.warehouse.publish(context.run, EXPERTS, tables, {"key": key})


def _last_loss(log: list[dict[str, Any]]) -> str:
    losses = [entry["loss"] for entry in log if "loss" in entry]
    return f"{losses[-1]:.3f}" if losses else "unknown"
