"""Stage analyse: what the exploration cost and bought, in DuckDB; then the gate before DPO."""

from dataclasses import dataclass
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from rro.flows.artifacts import artifact_key, publish_markdown, publish_table
from rro.flows.common import Context, open_context, stage
from rro.flows.shards import exploration_shards
from rro.tasks.errors import GateClosed
from rro.tasks.exploration.strategies import make_strategy
from rro.tasks.reporting import analysis, summary
from rro.tasks.reporting.charts import candidates_chart, margin_chart, reward_chart
from rro.tasks.settings import Settings
from rro.tasks.storage.queries import run_query
from rro.tasks.storage.views import connect
from rro.tasks.storage.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Findings:
    """What the queries gave."""

    analysis: analysis.Analysis
    cost: list[dict[str, Any]]
    charts: dict[str, bytes]


@flow(name="analyse", flow_run_name="analyse {run} iteration {iteration}")
async def analyse(
    run: str, settings: Settings | None = None, iteration: int = 1, warehouse: str | None = None
) -> None:
    """Work out cost and yield of an exploration, publish them, and open or close the gate.

    Args:
        run: Name of the run.
        settings: All settings; without them, those the run was started with.
        iteration: The exploration's iteration.
        warehouse: Folder that everything is written to.

    Raises:
        GateClosed: with every reason in plain words.
    """
    context = open_context(settings, run, iteration, warehouse)
    settings = context.settings
    with stage(context, "analyse", "queries", 1) as running:
        found = ask(context)
        needs_pairs = make_strategy(settings.explore).trains == "dpo"
        verdict = analysis.decide(found.analysis, settings.gate, needs_pairs)
        text = analysis.markdown(found.analysis, verdict)
        what = f"iteration {iteration} of {run}"
        key = artifact_key(run, f"i{iteration}")
        await publish_markdown(f"{key}-exploration", text, found.charts, f"What {what} cost and bought")
        await publish_table(f"{key}-cost", found.cost, f"Exploration cost of {what}")
        running.finish("gate open" if verdict.open else "gate closed")
    if not verdict.open:
        reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
        raise GateClosed(
            f"run {run}: the gate before DPO stays closed:\n{reasons}\n"
            f"look closer: rro query exploration-cost --run {run}; mend the settings and run again"
        )


@task(name="ask-duckdb", cache_policy=NO_CACHE)
def ask(context: Context) -> Findings:
    """Put the questions to DuckDB."""
    expected = list(exploration_shards(context))
    with connect(context.warehouse) as connection:
        return Findings(
            analysis.analyse(connection, context.run, context.iteration, expected),
            run_query(connection, "exploration-cost", context.run).to_pylist(),
            {
                "Candidates per step": candidates_chart(connection, context.run),
                "Margins of the pairs": margin_chart(connection, context.run),
            },
        )


async def publish_summary(warehouse: Warehouse, run: str) -> None:
    """Publish what the whole run bought: the summary with its chart, and the stages' times."""
    with connect(warehouse) as connection:
        found = summary.summarise(connection, run)
        times = run_query(connection, "stage-times", run).to_pylist()
    charts = {"Reward before and after": reward_chart(found)}
    await publish_markdown(
        artifact_key(run, "summary"), summary.markdown(found), charts, f"What {run} bought"
    )
    await publish_table(artifact_key(run, "stage-times"), times, f"Where the time of {run} went")
