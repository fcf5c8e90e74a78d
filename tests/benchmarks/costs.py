"""What one exploration costs: the measured constants that `docs/scaling.md` names, and its table."""

from math import ceil

from tests.benchmarks.workloads import MODELS, SEQUENCES, WORKLOADS, Model, Workload

# Measured by `python -m tests.benchmarks.scaling` on 2 cores with other work; 2,000,000 sums of squares took 0.21 s.
WALK_S = 0.22e-3
"""Python of the walk and its environment for one request."""
HTTP_S = 5.0e-3
"""Python of one request of 1,153 tokens to an endpoint."""
HAND_OVER_S = 1.3e-3
"""Python of one request to vLLM in the same process: 2.6 s for 20 tasks of 99 (docs/log.md, 2026-11-22, profiled)."""
ROW_S = 75e-6
"""Python of one row: made, looked through for pairs, written."""
BYTES = {"episodes": 359, "steps": 199, "candidates": 147, "rollouts": 345, "pairs": 557}
"""Of one row in Parquet, with thoughts of a ReAct policy's length."""
QUERIES_S = {100_000: 4.1, 1_000_000: 14.0}
"""Processor seconds of all named queries, by candidates."""
RECORDED = 35
"""Task runs that Prefect's server records a second."""
SHARDS = 200
"""Shards of a run: Prefect is at ease with a few hundred task runs."""
RAY_S = 1.0
"""Of Ray and Prefect for one shard (docs/scaling.md)."""


def rows(work: Workload) -> dict[str, float]:
    """Rows of one task, by table."""
    return {
        "episodes": 1,
        "steps": work.length,
        "candidates": work.drawn,
        "rollouts": work.rolled,
        "pairs": work.pairs,
    }


def full_step(work: Workload, model: Model, sequences: int = SEQUENCES) -> float:
    """Seconds of a step of an engine that always decodes so many sequences."""
    computed = sequences * (1 + work.computed_tokens / work.generated_tokens)
    context = sequences * (work.prompt_tokens / work.requests + work.generated / 2)
    return model.step(computed, context)


def rate(work: Workload, model: Model, sequences: int = SEQUENCES) -> float:
    """Requests a second of such an engine."""
    return sequences / full_step(work, model, sequences) / work.generated


def query_seconds(candidates: float) -> float:
    """All named queries over so many candidates: the straight line through what was measured."""
    (few, quick), (many, slow) = QUERIES_S.items()
    return quick + (candidates - few) * (slow - quick) / (many - few)


def cost(work: Workload, tasks: int) -> dict[str, str]:
    """One column of the table of `docs/scaling.md`."""
    each = rows(work)
    size = sum(each[name] * BYTES[name] for name in each)
    python = work.requests * (WALK_S + HTTP_S) + sum(each.values()) * ROW_S
    return {
        "requests": short(tasks * work.requests),
        "prompt tokens": short(tasks * work.prompt_tokens),
        "- of them computed, the rest cached": short(tasks * work.computed_tokens),
        "generated tokens": short(tasks * work.generated_tokens),
        **{
            f"**H100 hours, {model.name}**, estimated": short(
                tasks * work.requests / rate(work, model) / 3600
            )
            for model in MODELS
        },
        "hours of a client's Python (`endpoints`)": short(tasks * python / 3600),
        "tasks a shard": f"{ceil(tasks / SHARDS):,}",
        "Prefect task runs, seconds to record them": f"{SHARDS}, {SHARDS / RECORDED:.0f}",
        "Parquet files": f"{SHARDS * len(EXPLORED) + 1:,}",
        "Parquet": f"{short(tasks * size / 1e9)} GB",
        **{f"rows of `{name}`": short(tasks * each[name]) for name in each},
        "all 15 named queries once, processor seconds": short(query_seconds(tasks * each["candidates"])),
    }


EXPLORED = ("episodes", "steps", "candidates", "rollouts")


def short(number: float) -> str:
    """Three digits that count."""
    for unit, size in ((" G", 1e9), (" M", 1e6)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}" if number < 10 else f"{number:.0f}"


def cost_table() -> str:
    """The table of `docs/scaling.md`, as Markdown."""
    columns = {
        f"{work.name}, {tasks:,} tasks": cost(work, tasks)
        for work in WORKLOADS
        for tasks in (10_000, 1_000_000)
    }
    lines = [f"| | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for name in next(iter(columns.values())):
        lines.append(f"| {name} | {' | '.join(column[name] for column in columns.values())} |")
    return "\n".join(lines)
