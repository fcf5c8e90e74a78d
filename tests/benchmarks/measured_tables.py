"""What an exploration's rows cost: writing, DuckDB's named queries; and what Prefect's task runs cost."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from rro.tasks.exploration.pairs import extract
from rro.tasks.exploration.rows import walk_rows
from rro.tasks.exploration.strategies import make_strategy
from rro.tasks.settings import PairSettings
from rro.tasks.storage.queries import list_queries, run_query
from rro.tasks.storage.tables import TABLES, table
from rro.tasks.storage.views import connect
from rro.tasks.storage.warehouse import Warehouse
from tests.benchmarks.costs import EXPLORED
from tests.benchmarks.measured import ORIGIN, RUN, SETTINGS, Explored, Figure

SHARDS = 50


def publishing(explored: Explored) -> Iterator[Figure]:
    """Rows made and published, pairs counted: what a finished task costs its client."""
    rows, rule, pairs = explored.rows, make_strategy(SETTINGS).pairs, PairSettings()
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse.open(folder)
        for _ in range(2):  # The first time imports.
            began = time.process_time()
            for walk in explored.walks:
                extract(walk_rows([walk], ORIGIN, SETTINGS), rule, pairs, 0)
            walk_rows(explored.walks, ORIGIN, SETTINGS)
            made = {**rows, "pairs": extract(rows, rule, pairs, 0)}
            tables = {name: table(name, listed) for name, listed in made.items()}
            manifest = warehouse.publish(RUN, "s", tables)
            seconds = time.process_time() - began
    yield "publication, one task", 1e3 * seconds / len(explored.walks), "ms"
    yield "publication, one row", 1e6 * seconds / sum(map(len, rows.values())), "us"
    for part in manifest.parts:
        yield f"{part.table}, one row", part.bytes / part.rows, "bytes"


def asking_sql(explored: Explored, candidates: Sequence[int]) -> Iterator[Figure]:
    """DuckDB's processor seconds for every named query about one run, its rows being copies of the walks'."""
    plain = {name: _without_texts(table(name, explored.rows[name])) for name in EXPLORED}
    for count in candidates:
        with tempfile.TemporaryDirectory() as folder:
            warehouse = Warehouse.open(folder)
            _fill(warehouse, plain, -(-count // plain["candidates"].num_rows))
            began = time.process_time()
            connection = connect(warehouse)
            yield f"{count:,} candidates: connect", time.process_time() - began, "s"
            times = {}
            for named in list_queries():
                began = time.process_time()
                run_query(connection, named.name, RUN)
                times[named.name] = time.process_time() - began
        slowest = max(times, key=times.__getitem__)
        yield f"{count:,} candidates: all {len(times)} queries", sum(times.values()), "s"
        yield f"{count:,} candidates: median query", median(times.values()), "s"
        yield f"{count:,} candidates: slowest ({slowest})", times[slowest], "s"


def _without_texts(rows: pa.Table) -> pa.Table:
    """No query reads what was said, and a column that is not read costs nothing."""
    for place, field in enumerate(rows.schema):
        if field.name in ("actions", "observations", "action", "observation", "first_observation"):
            rows = rows.set_column(place, field, pa.nulls(rows.num_rows, field.type))
    return rows


def _fill(warehouse: Warehouse, plain: dict[str, pa.Table], copies: int) -> None:
    """Publish copies under ids of their own, in `SHARDS` shards."""
    empty = dict.fromkeys(TABLES["runs"].names)
    settings = '{"explore": {"max_candidates": 5, "rollouts": 5}, "gate": {}}'
    warehouse.publish(
        RUN, "run", {"runs": table("runs", [{**empty, "run": RUN, "seed": 0, "settings": settings}])}
    )
    size = -(-copies // SHARDS)
    for shard in range(-(-copies // size)):
        numbers = range(shard * size, min(copies, (shard + 1) * size))
        tables = {
            name: pa.concat_tables([_renamed(rows, number) for number in numbers])
            for name, rows in plain.items()
        }
        warehouse.publish(RUN, f"explore-{shard:05d}", tables)


def _renamed(rows: pa.Table, number: int) -> pa.Table:
    for place, field in enumerate(rows.schema):
        if field.name in ("task", "episode", "step", "candidate", "rollout", "duplicate_of", "chosen") and (
            pa.types.is_string(field.type)
        ):
            renamed = pc.binary_join_element_wise(rows[field.name], pa.scalar(str(number)), "-")
            rows = rows.set_column(place, field, renamed)
    return rows


def scheduling(runs: int = 200) -> Iterator[Figure]:
    """Prefect's wall seconds for one task run that does nothing, and the rows it keeps."""
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.testing.utilities import prefect_test_harness

    @task(cache_policy=NO_CACHE)
    async def nothing() -> None:
        pass

    @flow
    async def many(count: int) -> float:
        began = time.perf_counter()
        await asyncio.gather(*(nothing() for _ in range(count)))
        return time.perf_counter() - began

    with prefect_test_harness(server_startup_timeout=120):
        asyncio.run(many(20))
        yield "Prefect, one task run", 1e3 * asyncio.run(many(runs)) / runs, "ms"
