"""The pipeline: sft -> evaluate -> (explore -> pairs -> analyse -> gate -> dpo -> evaluate) x iterations.

Each stage is a subflow that reuses what it finished before, so running the same pipeline again, after a kill at
any moment, goes on from the finished shards and the newest checkpoint.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from prefect import flow

from rro.flows.analyse import analyse, publish_summary
from rro.flows.cluster import check_cluster
from rro.flows.common import refresh_views, start_run
from rro.flows.dpo import dpo
from rro.flows.engines import close_engine
from rro.flows.evaluate import evaluate
from rro.flows.explore import explore
from rro.flows.pairs import pairs
from rro.flows.sft import sft
from rro.tasks.errors import GateClosed
from rro.tasks.lineage import code_version, run_name
from rro.tasks.preflight import check_run
from rro.tasks.process import warehouse_root
from rro.tasks.settings import Settings, load_settings
from rro.tasks.storage.tables import table
from rro.tasks.storage.warehouse import Warehouse


@flow(name="pipeline", flow_run_name="pipeline {run}")
async def pipeline(
    profile: str = "quickstart",
    settings: Settings | None = None,
    run: str | None = None,
    warehouse: str | None = None,
) -> str:
    """Reward Rising Optimization from expert trajectories to a better policy.

    Args:
        profile: The profile that the settings come from; it names the run.
        settings: All settings; without them, the profile's.
        run: Name of a run to go on with; without one, the settings name it.
        warehouse: Folder that everything is written to.

    Returns:
        The run's name.
    """
    settings = settings or load_settings(profile)
    check_run(settings)
    check_cluster(settings)
    name = run or run_name(profile, settings)
    root = warehouse_root(warehouse)
    store = Warehouse.open(root)
    with store.lock(name):
        store.sweep(name)
        start_run(store, name, profile, settings)
        record = RunRecord(store, name, profile, settings)
        record.status("running")
        try:
            await stages(settings, name, root)
        except GateClosed as closed:
            record.status("gate closed", str(closed))
            raise
        except (KeyboardInterrupt, asyncio.CancelledError):
            record.status("interrupted")
            raise
        except Exception as error:
            record.status("failed", f"{type(error).__name__}: {error}")
            raise
        else:
            record.status("finished")
        finally:
            close_engine()
            refresh_views(store)
        await publish_summary(store, name)
    return name


async def stages(settings: Settings, run: str, root: str) -> None:
    """All stages in order. The engine's memory goes back before each training."""
    await sft(run, settings, 0, root)
    await evaluate(run, settings, 0, root)
    for iteration in range(1, settings.iterations + 1):
        await explore(run, settings, iteration, root)
        await pairs(run, settings, iteration, root)
        await analyse(run, settings, iteration, root)
        close_engine()
        await dpo(run, settings, iteration, root)
        await evaluate(run, settings, iteration, root)


class RunRecord:
    """The run's row in `runs`, written again whenever its status changes."""

    def __init__(self, warehouse: Warehouse, run: str, profile: str, settings: Settings) -> None:
        self._warehouse = warehouse
        self._row: dict[str, Any] = {
            "run": run,
            "profile": profile,
            "seed": settings.seed,
            "settings": settings.model_dump_json(),
            "settings_digest": settings.digest(),
            "code_version": code_version(),
            "status": "running",
            "reason": None,
            "started_at": datetime.now(UTC),
            "finished_at": None,
        }

    def status(self, status: str, reason: str | None = None) -> None:
        """`running`, `finished`, `gate closed`, `interrupted` or `failed`."""
        ended = None if status == "running" else datetime.now(UTC)
        self._row |= {"status": status, "reason": reason, "finished_at": ended}
        self._warehouse.publish(self._row["run"], "run", {"runs": table("runs", [self._row])})
