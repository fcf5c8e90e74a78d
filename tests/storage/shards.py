"""Run `r` with a shard `s` of table `stages`: the smallest thing that can be published."""

import pyarrow as pa

from rro.tasks.storage.tables import table
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import row


def stages(*seconds: float, run: str = "r") -> dict[str, pa.Table]:
    return {"stages": table("stages", [row("stages", run=run, stage="sft", seconds=s) for s in seconds])}


def seconds(warehouse: Warehouse, prefix: str = "") -> list[float]:
    listed: list[float] = warehouse.read("stages", "r", prefix)["seconds"].to_pylist()
    return listed


def listing(warehouse: Warehouse) -> list[str]:
    """Names of the files of shard s."""
    return sorted(path.name for path in (warehouse.root / "runs/r/shards/s").iterdir())
