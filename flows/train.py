"""What the stages sft and dpo share: the Prefect task that trains, and the rows a finished policy leaves."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from rro.flows.common import Context, Stage
from rro.tasks.files import file_digest
from rro.tasks.lineage import code_version
from rro.tasks.settings import TrainingSettings
from rro.tasks.storage.tables import table
from rro.tasks.training.datasets import write_dataset
from rro.tasks.training.job import Job, run_job

PLAIN = {"step", "steps", "epoch", "loss", "learning_rate", "grad_norm"}


@task(name="train", task_run_name="train {name}", cache_policy=NO_CACHE)
async def trained(
    context: Context,
    running: Stage,
    name: str,
    kind: str,
    base: str,
    rows: list[dict[str, Any]],
    settings: TrainingSettings,
    tiny: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Train the policy `name` in a process of its own, from its newest checkpoint if there is one."""
    folder = context.warehouse.fetch_policy(name) or context.warehouse.policy_path(name)
    job = Job(
        stage=kind,
        base=base,
        dataset=str(folder.parent / f"{name}.parquet"),
        folder=str(folder),
        settings=settings.model_dump(),
        seed=context.settings.seed,
        tiny=tiny,
    )
    write_dataset(rows, Path(job.dataset))

    def logged(entry: dict[str, Any]) -> None:
        running.total = entry["steps"]
        facts = {key: round(entry[key], 3) for key in ("loss", "rewards/accuracies") if key in entry}
        running.progress(entry["step"], **facts)

    entries = await run_job(job, settings.launcher, logged)
    await asyncio.to_thread(context.warehouse.upload_policy, name)
    return entries


def publish_policy(
    context: Context,
    name: str,
    key: str,
    kind: str,
    parent: str,
    dataset: str,
    dataset_rows: int,
    log: list[dict[str, Any]],
) -> None:
    """Write a finished policy's rows: where it comes from, and how its training went."""
    weights = context.policy_folder(name) / "model.safetensors"
    lineage = {
        "policy": name,
        "run": context.run,
        "iteration": context.iteration,
        "stage": kind,
        "parent": parent,
        "dataset": dataset,
        "dataset_rows": dataset_rows,
        "settings": context.settings.model_dump_json(),
        "seed": context.settings.seed,
        "code_version": code_version(),
        "path": context.warehouse.policy_address(name),
        "weights_digest": file_digest(weights),
        "created_at": datetime.now(UTC),
    }
    entries = [_log_row(context, name, kind, entry) for entry in log if "loss" in entry]
    tables = {"policies": table("policies", [lineage]), "training_log": table("training_log", entries)}
    shard = "policy-base" if kind == "base" else f"policy-i{context.iteration}"
    context.warehouse.publish(context.run, shard, tables, {"key": key})


def _log_row(context: Context, name: str, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: float(value) for key, value in entry.items() if isinstance(value, int | float)}
    return {
        "run": context.run,
        "iteration": context.iteration,
        "stage": kind,
        "policy": name,
        "step": entry["step"],
        **{key: numbers.get(key) for key in ("epoch", "loss", "learning_rate", "grad_norm")},
        "metrics": [(key, value) for key, value in numbers.items() if key not in PLAIN],
    }
