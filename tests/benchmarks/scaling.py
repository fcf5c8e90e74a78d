"""What an exploration costs at 10,000 and 1,000,000 tasks, and on how many engines it stops getting faster.

    python -m tests.benchmarks.scaling [--parts machine,walk,rows,http,sql,prefect] [--engines 1,2,4,8,16,32,64]
                                       [--tasks 60] [--chart FILE]

Measures what can be measured without a GPU (`measured.py`, `measured_tables.py`), prints the table of
`docs/scaling.md` from the constants of `costs.py` and `workloads.py`, then simulates 1 to 64 engines
(`simulation.py`) with `--tasks` tasks for each of them, writes build/scaling.parquet, and draws a chart if asked for
by `--chart` (docs/scaling.png). Nothing here is timed on a GPU.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks.batching import Outcome, Setup
from tests.benchmarks.costs import (
    HAND_OVER_S,
    HTTP_S,
    RAY_S,
    ROW_S,
    WALK_S,
    cost_table,
    rows,
)
from tests.benchmarks.simulation import simulate
from tests.benchmarks.workloads import MODELS, SHOP, SMALL, Model

Row = dict[str, Any]
OUT = Path("build/scaling.parquet")
TASK_S = ROW_S * sum(rows(SHOP).values())
ONE = Setup(1, 0, request_s=WALK_S + HTTP_S, task_s=TASK_S)
OWN = Setup(1, 0, own=True, request_s=WALK_S + HAND_OVER_S, task_s=TASK_S, shard_s=RAY_S)
ENOUGH = 4
"""Engines whose tasks tell how fast one client is: with more it is no faster, so more tasks would only take longer."""
WAYS: dict[str, Callable[[int, int], Setup]] = {
    "no Python": lambda engines, tasks: Setup(engines, engines * tasks),
    "one client": lambda engines, tasks: replace(ONE, engines=engines, tasks=min(engines, ENOUGH) * tasks),
    "a client an engine": lambda engines, tasks: replace(
        ONE, engines=engines, clients=engines, tasks=engines * tasks
    ),
    "Ray, an engine a worker": lambda engines, tasks: replace(
        OWN, engines=engines, clients=engines, tasks=engines * tasks
    ),
}


def limit(setup: Setup, outcome: Outcome) -> str:
    """What keeps the engines from being faster."""
    if outcome.python > 0.9 * outcome.seconds:
        return "the client's Python"
    if setup.own and outcome.python > 0.05 * outcome.seconds:
        return "Python between steps"
    return "the engines"


def line(setup: Setup, model: Model, way: str, best: float) -> Row:
    """One simulated exploration; `best` is what one engine answers a second where nothing holds it up, if known."""
    out = simulate(setup, SHOP, model)
    speed = out.requests / out.seconds
    return {
        "model": model.name,
        "way": way,
        "engines": setup.engines,
        "clients": setup.clients,
        "shard_tasks": setup.shard_tasks,
        "requests_a_second": speed,
        "efficiency": speed / setup.engines / (best or speed / setup.engines),
        "client_busy": out.python / out.seconds,
        "engine_busy": out.busy / out.seconds,
        "batch": out.batch,
        "limit": limit(setup, out),
    }


def engines(counts: list[int], tasks: int) -> Iterator[Row]:
    """More engines, each with so many tasks of its own."""
    for model in MODELS:
        best = line(WAYS["no Python"](1, tasks), model, "no Python", 0.0)
        yield best
        for way in list(WAYS)[1:]:
            for count in counts:
                yield line(WAYS[way](count, tasks), model, way, best["requests_a_second"])


def clients(tasks: int) -> Iterator[Row]:
    """More clients of the same 8 endpoints."""
    best = line(WAYS["no Python"](1, tasks), SMALL, "no Python", 0.0)["requests_a_second"]
    for count in (1, 2, 4, 8, 16):
        yield line(
            replace(ONE, engines=8, clients=count, tasks=8 * tasks), SMALL, "clients of 8 engines", best
        )


def shards() -> Iterator[Row]:
    """Larger shards on two Ray workers with an engine each."""
    each = replace(OWN, engines=2, clients=2, tasks=1200)
    best = line(replace(each, shard_tasks=600), SMALL, "", 0.0)["requests_a_second"] / 2
    for size in (25, 50, 100, 200, 400, 600):
        yield line(replace(each, shard_tasks=size), SMALL, "shards of two Ray workers", best)


def show(found: Iterator[Row]) -> list[Row]:
    """Print as they come; all of them."""
    kept = []
    for row in found:
        kept.append(row)
        print(
            f"{row['model']}  {row['way']:<26}{row['engines']:4} engines {row['clients']:3} clients "
            f"{row['shard_tasks']:5} a shard {row['requests_a_second']:9.0f} requests/s "
            f"{row['efficiency']:6.2f}  batch {row['batch']:4.0f}  {row['limit']}",
            flush=True,
        )
    return kept


def measure(parts: list[str]) -> None:
    """Print what is measured here; without parts, nothing."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    from rro.tasks.process import prepare_environment

    prepare_environment("tiny")
    from tests.benchmarks import measured, measured_tables

    explored = measured.Explored()
    known = {
        "machine": measured.machine,
        "walk": lambda: measured.walking(explored),
        "rows": lambda: measured_tables.publishing(explored),
        "http": lambda: (figure for tokens in (438, 1153) for figure in measured.asking(tokens)),
        "sql": lambda: measured_tables.asking_sql(explored, (100_000, 1_000_000)),
        "prefect": measured_tables.scheduling,
    }
    for part in parts:
        for name, value, unit in known[part]():
            print(f"{name:<48}{value:12.3f} {unit}", flush=True)


def chart(found: list[Row], file: Path) -> None:
    """Requests a second against engines, a panel a model."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9.6, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(drawing)
    panels = drawing.subplots(1, len(MODELS), sharey=True)
    for axes, model in zip(panels, MODELS, strict=True):
        own = [row for row in found if row["model"] == model.name]
        best, counts = own[0]["requests_a_second"], sorted({row["engines"] for row in own})
        axes.plot(
            counts, [best * count for count in counts], "--", color="grey", label="if nothing held engines up"
        )
        for way in list(WAYS)[1:]:
            listed = [row for row in own if row["way"] == way]
            speeds = [row["requests_a_second"] for row in listed]
            axes.plot([row["engines"] for row in listed], speeds, marker="o", label=way)
        most = 1 / (WALK_S + HTTP_S)
        axes.axhline(most, color="C0", linewidth=0.8, linestyle=":")
        axes.text(
            64, most * 0.9, f"the client's Python: {most:.0f} requests/s", ha="right", va="top", fontsize=8
        )
        axes.set(xscale="log", yscale="log", title=f"{model.name} model", xlabel="engines (one GPU each)")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
    panels[0].set_ylabel("requests answered a second")
    panels[0].legend(fontsize=8)
    drawing.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="machine,walk,rows,http,sql")
    parser.add_argument("--engines", default="1,4,16")
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--chart", type=Path)
    given = parser.parse_args()
    measure([part for part in given.parts.split(",") if part])
    print(cost_table())
    found = show(engines([int(count) for count in given.engines.split(",")], given.tasks))
    found += show(clients(given.tasks)) + show(shards())
    import pyarrow as pa
    import pyarrow.parquet as pq

    OUT.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(found), OUT)
    if given.chart:
        chart(found, given.chart)


if __name__ == "__main__":
    main()
