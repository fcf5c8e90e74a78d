"""What every stage needs: where it runs, what is finished already, how it reports, and the one engine.

A stage asks `Context.reusable` first, works, and publishes shards with the key they were made under. The rows of
`stages` say how long it took.
"""

import logging
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rro.tasks.environments.base import Environment, Expert, Task, environment_class
from rro.tasks.errors import UserError
from rro.tasks.exploration.seeds import seed_for
from rro.tasks.lineage import code_version
from rro.tasks.process import warehouse_root
from rro.tasks.progress import Progress, report
from rro.tasks.settings import Settings, parse_settings
from rro.tasks.storage.tables import table
from rro.tasks.storage.views import rebuild
from rro.tasks.storage.warehouse import Warehouse

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """One stage of one run."""

    settings: Settings
    run: str
    iteration: int
    root: str

    @cached_property
    def warehouse(self) -> Warehouse:
        """Where the run keeps its rows."""
        return Warehouse.open(self.root)

    @cached_property
    def environment(self) -> Environment:
        """Where the agent acts."""
        kind = environment_class(self.settings.environment.name)
        return kind(kind.Options.model_validate(self.settings.environment.options))

    def expert(self, task: Task) -> Expert:
        """The scripted expert for a task, the same wherever the task is demonstrated."""
        options = self.environment.ExpertOptions.model_validate(self.settings.experts.options)
        return self.environment.expert(seed_for(self.settings.seed, "expert", task.id), options)

    def reusable(self, shard: str, key: str) -> bool:
        """Whether the shard is published and was made under the same key."""
        manifest = self.warehouse.finished(self.run, shard)
        return manifest is not None and manifest.facts.get("key") == key

    def policy(self, iteration: int) -> str:
        """The policy that this iteration made; `UserError` where it has not been trained yet."""
        policies = self.warehouse.read("policies", self.run, "policy-i").to_pylist()
        rows = [row for row in policies if row["iteration"] == iteration]
        if not rows:
            stage = "dpo" if iteration else "sft"
            raise UserError(
                f"run {self.run}: it has no policy of iteration {iteration} yet; "
                f"train it first: rro stage {stage} --run {self.run}"
                + (f" --iteration {iteration}" if iteration else "")
            )
        return str(rows[0]["policy"])

    def policy_folder(self, policy: str) -> Path:
        """The local folder of a policy, downloaded if need be; `UserError` where it was deleted."""
        folder = self.warehouse.fetch_policy(policy)
        if folder is None or not (folder / "config.json").is_file():
            raise UserError(
                f"policy {policy}: {self.warehouse.policy_address(policy)} is gone; "
                "run the pipeline again to train it anew"
            )
        return folder


def open_context(settings: Settings | None, run: str, iteration: int, warehouse: str | None) -> Context:
    """The context of one stage. Without settings, those that the run was started with."""
    root = warehouse_root(warehouse)
    store = Warehouse.open(root)
    if settings is None:
        settings = parse_settings(store.load_settings(run)["settings"])
    elif run not in store.runs():
        start_run(store, run, "", settings)
    return Context(settings, run, iteration, root)


def start_run(store: Warehouse, run: str, profile: str, settings: Settings) -> None:
    """Remember what a run was started with, so that it can be gone on with by its name."""
    store.save_settings(run, {"profile": profile, "settings": settings.model_dump(mode="json")})


def refresh_views(store: Warehouse) -> None:
    """Write `analytics.duckdb` anew. Another run's damaged part must not take this run's result, so it is logged."""
    try:
        rebuild(store)
    except UserError as error:
        log.warning("analytics.duckdb was not rebuilt: %s", error)


@dataclass
class Stage:
    """A stage under way: reports its progress and, at the end, its row in `stages`."""

    context: Context
    name: str
    unit: str
    total: float
    began: float = field(default_factory=time.perf_counter)

    def progress(self, done: float, **facts: float | str) -> None:
        """Say how far it is."""
        named = {name.replace("_", " "): value for name, value in facts.items()}
        report(Progress(self.name, self.context.iteration, done, self.total, self.unit, named))

    def finish(self, note: str) -> None:
        """Say what came of it."""
        report(
            Progress(
                self.name,
                self.context.iteration,
                self.total,
                self.total,
                self.unit,
                finished=True,
                note=note,
            )
        )

    def row(self) -> dict[str, Any]:
        """Its row in `stages`."""
        return {
            "run": self.context.run,
            "iteration": self.context.iteration,
            "stage": self.name,
            "seconds": time.perf_counter() - self.began,
            "peak_memory_mib": _peak_memory_mib(),
            "finished_at": datetime.now(UTC),
        }


@contextmanager
def stage(context: Context, name: str, unit: str, total: float, key: str = "") -> Iterator[Stage]:
    """Run a stage: report its start and, unless the process is killed, leave its row in `stages`.

    A stage that is taken up again has a row a session; rows of sessions under another key go.
    """
    running = Stage(context, name, unit, total)
    prefix = f"stage-{name}-i{context.iteration}-"
    number = 1
    for manifest in context.warehouse.shards(context.run, prefix):
        if manifest.facts.get("key") == key:
            number = 1 + int(manifest.shard.rpartition("-")[2])
        else:
            context.warehouse.discard(context.run, manifest.shard)
    running.progress(0)
    try:
        yield running
    finally:
        context.warehouse.publish(
            context.run,
            f"{prefix}{number:03d}",
            {"stages": table("stages", [running.row()])},
            {"key": key, "code_version": code_version()},
        )
        refresh_views(context.warehouse)


def _peak_memory_mib() -> float:
    """Most memory this process or any one child that has ended ever held, in MiB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(own, children) / 1024
