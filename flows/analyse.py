"""Stage analyse: what the exploration cost and bought, in DuckDB; then the gate before DPO."""

from prefect import flow, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE

from rro.flows.common import Context, stage, warehouse_location
from rro.flows.explore import exploration_shards
from rro.tasks.errors import GateClosed
from rro.tasks.reporting.analysis import (
    Analysis,
    analyse as analyse_run,
    decide,
    markdown as analysis_markdown,
)
from rro.tasks.reporting.summary import markdown as summary_markdown, summarise
from rro.tasks.settings import Settings
from rro.tasks.storage.views import connect
from rro.tasks.storage.warehouse import Warehouse


@flow(name="analyse", flow_run_name="analyse {run} iteration {iteration}")
async def analyse(settings: Settings, run: str, iteration: int = 1, warehouse: str | None = None) -> None:
    """Work out cost and yield of an exploration, publish them, and open or close the gate.

    Args:
        settings: All settings of the run.
        run: Name of the run.
        iteration: The exploration's iteration.
        warehouse: Folder that everything is written to.

    Raises:
        GateClosed: with every reason in plain words.
    """
    context = Context(settings, run, iteration, warehouse_location(warehouse))
    with stage(context, "analyse", "queries", 1) as running:
        found = run_queries(context)
        verdict = decide(found, settings.gate)
        await acreate_markdown_artifact(
            key=f"exploration-{run}".lower(),
            markdown=analysis_markdown(found, verdict),
            description=f"What iteration {iteration} of {run} cost and bought",
        )
        running.finish("gate open" if verdict.open else "gate closed")
    if not verdict.open:
        reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
        raise GateClosed(
            f"run {run}: the gate before DPO stays closed:\n{reasons}\n"
            f"look closer: rro query exploration-cost --run {run}; mend the settings and run again"
        )


@task(name="query", cache_policy=NO_CACHE)
def run_queries(context: Context) -> Analysis:
    """Ask DuckDB."""
    expected = list(exploration_shards(context))
    with connect(context.warehouse) as connection:
        return analyse_run(connection, context.run, context.iteration, expected)


async def publish_summary(warehouse: Warehouse, run: str) -> None:
    """Publish what the whole run bought as an artifact."""
    with connect(warehouse) as connection:
        text = summary_markdown(summarise(connection, run))
    await acreate_markdown_artifact(
        key=f"summary-{run}".lower(), markdown=text, description=f"What {run} bought"
    )
