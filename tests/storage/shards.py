"""Run `r` with a shard `s` of table `stages`: the smallest thing that can be published."""

import re

import pyarrow as pa

from rro.tasks.storage.tables import table
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import row


def stages(*seconds: float, run: str = "r") -> dict[str, pa.Table]:
    return {"stages": table("stages", [row("stages", run=run, stage="sft", seconds=s) for s in seconds])}


def seconds(warehouse: Warehouse, prefix: str = "") -> list[float]:
    listed: list[float] = warehouse.read("stages", "r", prefix)["seconds"].to_pylist()
    return listed


SHARD = "runs/r/shards/s"


def listing(warehouse: Warehouse) -> list[str]:
    """Names of the files of shard s, parts without what makes their names nobody else's."""
    names = warehouse._store.files(SHARD)
    return sorted(re.sub(r"-[0-9a-f]{8}\.parquet$", ".parquet", name) for name in names)


def part_key(warehouse: Warehouse) -> str:
    """The key of the one part of table `stages` in shard s."""
    (name,) = (name for name in warehouse._store.files(SHARD) if name.startswith("stages-"))
    return f"{SHARD}/{name}"
