"""Comparisons: several strategies, or RRO with one knob turned at a time, from the same SFT policy.

Every arm and seed is a run of its own in the same warehouse, so all questions can be asked of it, and a comparison
that was killed redoes only what is missing. `comparisons` says which run is which arm.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow.parquet as pq
from prefect import flow

from rro.flows.artifacts import artifact_key, publish_markdown
from rro.flows.common import refresh_views, start_run
from rro.flows.dpo import dpo
from rro.flows.engines import close_engine
from rro.flows.evaluate import evaluate
from rro.flows.explore import explore
from rro.flows.pairs import pairs
from rro.flows.pipeline import RunRecord
from rro.flows.sft import sft
from rro.tasks.arms import BASELINE, Arm, ablations, comparison_name, parse_arms
from rro.tasks.environments.base import environment_class
from rro.tasks.errors import UserError
from rro.tasks.exploration.strategies import make_strategy
from rro.tasks.preflight import check_run
from rro.tasks.process import warehouse_root
from rro.tasks.progress import Progress, part, report
from rro.tasks.reporting.charts import comparison_chart
from rro.tasks.reporting.comparison import REFERENCE, ROLLOUTS, TASKS, Comparison, compared
from rro.tasks.reporting.comparison_tables import flat, markdown
from rro.tasks.settings import Settings, load_settings, merge, parse_settings
from rro.tasks.storage.tables import table
from rro.tasks.storage.views import connect, query
from rro.tasks.storage.warehouse import Warehouse

STRATEGIES = ("sft", "rft", "eto", "ipr", "fixed-3", "fixed-5", "rising")
SPENT = "SELECT task, rollouts FROM task_summary WHERE run = $run AND iteration = 1"


@flow(name="compare", flow_run_name="compare {profile}")
async def compare(
    profile: str = "quickstart",
    settings: Settings | None = None,
    strategies: list[str] | None = None,
    seeds: int = 3,
    equal_rollouts: bool = True,
    after_tasks: int = 100,
    name: str | None = None,
    warehouse: str | None = None,
) -> str:
    """Compare strategies: equal tasks, and an equal rollout budget.

    Args:
        profile: The profile that the settings come from.
        settings: What all arms share; without them, the profile's.
        strategies: Arms such as `rising`, `fixed-5`, `rising+early`; without them, the paper's.
        seeds: How many, from the settings' seed on.
        equal_rollouts: Whether to make the second table too.
        after_tasks: Tasks on which each arm's policy is explored again, for the share of rising steps; 0 for none.
        name: Name of a comparison to go on with; without one, settings and arms name it.
        warehouse: Folder that everything is written to.

    Returns:
        The comparison's name.
    """
    settings = settings or load_settings(profile)
    arms = parse_arms(strategies or STRATEGIES)
    return await _compare(
        "compare", profile, settings, arms, seeds, equal_rollouts, after_tasks, name, warehouse
    )


@flow(name="ablate", flow_run_name="ablate {profile}")
async def ablate(
    profile: str = "quickstart",
    settings: Settings | None = None,
    knobs: list[str] | None = None,
    seeds: int = 1,
    name: str | None = None,
    warehouse: str | None = None,
) -> str:
    """Turn one knob of RRO at a time.

    Args:
        profile: The profile that the settings come from.
        settings: What all arms share; without them, the profile's.
        knobs: Which knobs; without them, all.
        seeds: How many, from the settings' seed on.
        name: Name of a comparison to go on with; without one, settings and knobs name it.
        warehouse: Folder that everything is written to.

    Returns:
        The comparison's name.
    """
    settings = settings or load_settings(profile)
    return await _compare(
        "ablate", profile, settings, ablations(knobs or [], settings), seeds, False, 0, name, warehouse
    )


async def _compare(
    kind: str,
    profile: str,
    settings: Settings,
    arms: list[Arm],
    seeds: int,
    equal_rollouts: bool,
    after_tasks: int,
    name: str | None,
    warehouse: str | None,
) -> str:
    if seeds < 1:
        raise UserError(f"seeds = {seeds}: at least 1 is needed")
    check_run(settings)
    name = name or comparison_name(kind, profile, settings, arms, seeds)
    store = Warehouse.open(warehouse_root(warehouse))
    work = Work(store, name, profile, settings, arms, seeds, after_tasks)
    with recorded(store, name, profile, settings):
        try:
            await work.equal_tasks()
            if equal_rollouts:
                await work.equal_rollouts()
        finally:
            close_engine()
            refresh_views(store)
        await publish(store, name)
    return name


@contextmanager
def recorded(store: Warehouse, run: str, profile: str, settings: Settings) -> Iterator[None]:
    """Hold a run's lock and keep its row in `runs` while the block works on it."""
    with store.lock(run):
        start_run(store, run, profile, settings)
        record = RunRecord(store, run, profile, settings)
        record.status("running")
        try:
            yield
        except Exception as error:
            record.status("failed", f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            record.status("interrupted")
            raise
        record.status("finished")


class Work:
    """What a comparison has to do, and the rows that say what was done."""

    def __init__(
        self,
        store: Warehouse,
        name: str,
        profile: str,
        settings: Settings,
        arms: list[Arm],
        seeds: int,
        after_tasks: int,
    ) -> None:
        self._store = store
        self._name = name
        self._profile = profile
        self._shared = settings
        self._arms = [Arm(BASELINE, {}), *(arm for arm in arms if arm.explores)]
        self._seeds = range(settings.seed, settings.seed + seeds)
        self._after_tasks = after_tasks
        self._rows: dict[str, list[dict[str, object]]] = {TASKS: [], ROLLOUTS: []}

    async def equal_tasks(self) -> None:
        """Every arm on the same tasks."""
        jobs = [(seed, arm) for seed in self._seeds for arm in self._arms]
        for done, (seed, arm) in enumerate(jobs):
            report(Progress("compare", 0, done, len(jobs), "arms", {"seed": seed, "arm": arm.name}))
            settings = arm.settings(self._shared, seed)
            await self._arm(TASKS, arm, seed, f"{self._name}-{run_part(arm)}-s{seed}", settings)
        report(Progress("compare", 0, len(jobs), len(jobs), "arms", finished=True, note="equal tasks"))

    async def equal_rollouts(self) -> None:
        """Every arm again, on as many tasks as what the reference rolled out pays for."""
        arms = [arm for arm in self._arms if arm.explores and arm.name != REFERENCE]
        jobs = [(seed, arm) for seed in self._seeds for arm in arms]
        for done, (seed, arm) in enumerate(jobs):
            report(Progress("budget", 0, done, len(jobs), "arms", {"seed": seed, "arm": arm.name}))
            settings = arm.settings(self._shared, seed)
            budget = sum(self._spent(REFERENCE, seed) or self._spent(arms[0].name, seed))
            tasks = affordable(self._spent(arm.name, seed), budget, self._available(settings))
            fewer = parse_settings(merge(settings.model_dump(), {"explore": {"tasks": tasks}}))
            await self._arm(ROLLOUTS, arm, seed, f"{self._name}-{run_part(arm)}-b-s{seed}", fewer)
        report(Progress("budget", 0, len(jobs), len(jobs), "arms", finished=True, note="equal rollouts"))

    async def _arm(self, budget: str, arm: Arm, seed: int, run: str, settings: Settings) -> None:
        """One arm's run, and its line in `comparisons` once it is whole."""
        again = " again" if budget == ROLLOUTS else ""
        with part(f"{arm.name}{again}, seed {seed}"), recorded(self._store, run, self._profile, settings):
            await self._stages(budget, arm, run, settings)
        self._rows[budget].append(
            {
                "run": self._name,
                "budget": budget,
                "arm": arm.name,
                "place": self._arms.index(arm),
                "seed": seed,
                "arm_run": run,
                "settings": settings.model_dump_json(),
            }
        )
        rows = table("comparisons", self._rows[budget])
        self._store.publish(self._name, f"arms-{budget}", {"comparisons": rows})

    async def _stages(self, budget: str, arm: Arm, run: str, settings: Settings) -> None:
        root = self._store.url
        await sft(run, settings, 0, root)
        if not arm.explores:
            await evaluate(run, settings, 0, root)
            return
        await explore(run, settings, 1, root)
        await pairs(run, settings, 1, root)
        if (
            make_strategy(settings.explore).trains == "dpo"
            and not self._store.read("pairs", run, "pairs-i1").num_rows
        ):
            return  # Nothing to learn from: the SFT policy stays as it is.
        close_engine()
        await dpo(run, settings, 1, root)
        await evaluate(run, settings, 1, root)
        if budget == TASKS and self._after_tasks:
            await explore(run, self._again(settings), 2, root)

    def _again(self, settings: Settings) -> Settings:
        """Settings under which a trained policy is explored: RRO's walk on the first of the same tasks."""
        tasks = min(self._after_tasks, settings.explore.tasks)
        plain = self._shared.explore.model_dump() | {"strategy": "rising", "tasks": tasks, "same_tasks": True}
        return parse_settings(merge(settings.model_dump(), {"explore": plain}))

    def _spent(self, arm: str, seed: int) -> list[int]:
        """Rollouts of each explored task of an arm, in the order of exploring."""
        run = next((r["arm_run"] for r in self._rows[TASKS] if (r["arm"], r["seed"]) == (arm, seed)), None)
        if run is None:
            return []
        with connect(self._store) as connection:
            by_task = {
                row["task"]: row["rollouts"] for row in query(connection, SPENT, {"run": run}).to_pylist()
            }
        order = self._store.read("episodes", str(run), "explore-i1-")["task"].to_pylist()
        return [by_task[task] for task in order]

    def _available(self, settings: Settings) -> int:
        """Tasks that an arm may explore without meeting demonstrated ones."""
        kind = environment_class(settings.environment.name)
        environment = kind(kind.Options.model_validate(settings.environment.options))
        tasks = len(environment.tasks(settings.explore.split))
        return tasks - settings.experts.tasks if settings.explore.fresh else tasks


def affordable(spent: Sequence[int], budget: int, available: int) -> int:
    """How many tasks a budget of rollouts pays for: the first ones whose sum it covers, further ones at their mean.

    At least one, at most those that are there.
    """
    total = 0
    for tasks, rollouts in enumerate(spent):
        total += rollouts
        if total > budget:
            return max(1, tasks)
    mean = total / len(spent) if spent else 0.0
    further = int((budget - total) / mean) if mean else 0
    return max(1, min(len(spent) + further, max(available, len(spent))))


def run_part(arm: Arm) -> str:
    """An arm's name as part of a run's name."""
    return arm.name.replace("+", "_")


async def publish(store: Warehouse, name: str) -> Comparison:
    """Work out the tables, and leave them as Markdown, Parquet, chart and artifact."""
    with connect(store) as connection:
        found = compared(connection, name)
    chart = comparison_chart(found)
    text = markdown(found)
    rows = io.BytesIO()
    pq.write_table(flat(found), rows, compression="zstd")
    for name_of, content in (("md", text.encode()), ("png", chart), ("parquet", rows.getvalue())):
        store.save_file(name, f"comparison.{name_of}", content)
    await publish_markdown(artifact_key(name), text, {"Reward against cost": chart}, f"What {name} found")
    return found
