"""A little warehouse whose every figure is worked out by hand in the tests that read it.

Run `late`, iteration 1, width 4, two rollouts a candidate; `*` marks a duplicate, `!` the end of the episode:

    t1  start 0.0 0.5   step 0 from 0.25: 0.25 0.25* 0.75   step 1 from 0.75: 1.0   step 2 from 1.0: 1.0!
    t2  start 0.0 0.0   step 0 from 0.00: 0 0 0 0*          step 1 from 0.00: 0.0! 0.3!
    t3  start 1.0 0.5   step 0 from 0.75: 1.0!

Every candidate has 5 generated, 100 prompt and 60 cached tokens, every rollout 10, 200 and 180; the tasks took
30, 28 and 6 environment steps. Pairs: t1 step 0 (margin 0.5) and t2 step 1 (margin 0.3). Run `early` has
one task with one step.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from rro.tasks.storage.tables import TABLES, table
from rro.tasks.storage.warehouse import Warehouse

START = datetime(2026, 8, 1, tzinfo=UTC)
SETTINGS = (
    '{"explore": {"max_candidates": 4, "rollouts": 2}, "gate": {"min_pairs": 3, "min_margin": 0.1, '
    '"max_rollouts_per_pair": 8.0, "max_generated_tokens": 0}}'
)
Drawn = tuple[float, str]
"""Value of a candidate and its marks."""
WALKS: dict[str, tuple[list[float], list[tuple[float, list[Drawn]]]]] = {
    "t1": (
        [0.0, 0.5],
        [(0.25, [(0.25, ""), (0.25, "*"), (0.75, "")]), (0.75, [(1.0, "")]), (1.0, [(1.0, "!")])],
    ),
    "t2": (
        [0.0, 0.0],
        [(0.0, [(0.0, ""), (0.0, ""), (0.0, ""), (0.0, "*")]), (0.0, [(0.0, "!"), (0.3, "!")])],
    ),
    "t3": ([1.0, 0.5], [(0.75, [(1.0, "!")])]),
}
UNUSED = {"early/t1": 7}
"""Tokens of candidates that were drawn ahead and not used."""
Rows = dict[str, list[dict[str, Any]]]


def row(name: str, **values: Any) -> dict[str, Any]:
    """A row of table `name`, null in every column not given."""
    unknown = values.keys() - set(TABLES[name].names)
    assert not unknown, unknown
    return {column: values.get(column) for column in TABLES[name].names}


def build(root: Path) -> Warehouse:
    """The little warehouse at `root`."""
    warehouse = Warehouse.open(root)
    early: Rows = {}
    _walk(early, "early", "t1", [0.0], [(0.0, [(1.0, "!")])])
    _publish(warehouse, "early", "explore-1-000", early)
    _publish(warehouse, "early", "run", {"runs": [_run("early", START)]})
    for shard, names in {"explore-1-000": ["t1", "t2"], "explore-1-001": ["t3"]}.items():
        rows: Rows = {}
        for name in names:
            _walk(rows, "late", name, *WALKS[name])
        _publish(warehouse, "late", shard, rows)
    _publish(warehouse, "late", "pairs-1", {"pairs": [_pair("t1", 0, 0.75, 0.25), _pair("t2", 1, 0.3, 0.0)]})
    _publish(warehouse, "late", "evaluate-1", evaluation())
    _publish(warehouse, "late", "experts", {"episodes": [_episode("expert", "t9", outcome=0.9, steps=4)]})
    _publish(warehouse, "late", "run", _bookkeeping())
    return warehouse


def _publish(
    warehouse: Warehouse, run: str, shard: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    tables: dict[str, pa.Table] = {name: table(name, listed) for name, listed in rows.items()}
    warehouse.publish(run, shard, tables)


def _run(run: str, started: datetime) -> dict[str, Any]:
    return row("runs", run=run, profile="quickstart", seed=0, settings=SETTINGS, started_at=started)


def _bookkeeping() -> Rows:
    stages = [
        ("sft", 0, 30.0),
        ("explore", 1, 10.0),
        ("explore", 1, 6.0),
        ("dpo", 1, 20.0),
        ("evaluate", 1, 14.0),
    ]
    return {
        "runs": [_run("late", START + timedelta(hours=1))],
        "stages": [
            row(
                "stages",
                run="late",
                iteration=iteration,
                stage=stage,
                seconds=seconds,
                peak_memory_mib=seconds * 10,
                finished_at=START + timedelta(minutes=place),
            )
            for place, (stage, iteration, seconds) in enumerate(stages)
        ],
        "policies": [
            row("policies", run="late", policy="p-sft", iteration=0, stage="sft", created_at=START),
            row("policies", run="late", policy="a-dpo", iteration=1, stage="dpo", parent="p-sft"),
        ],
    }


def _common(run: str, task: str) -> dict[str, Any]:
    return {
        "run": run,
        "iteration": 1,
        "strategy": "rising",
        "policy": "p-sft",
        "environment": "toy",
        "task": task,
        "episode": f"{run}/{task}",
    }


def _walk(
    rows: Rows, run: str, task: str, start: list[float], steps: list[tuple[float, list[Drawn]]]
) -> None:
    common = _common(run, task)
    environment_steps, seconds = {"t1": (30, 0.8), "t2": (28, 0.4), "t3": (6, 0.4)}[task]
    outcome = max(value for value, _ in steps[-1][1])
    rows.setdefault("episodes", []).append(
        row(
            "episodes",
            **common,
            stage="explore",
            start_value=sum(start) / len(start),
            outcome=outcome,
            best=1.0,
            success=outcome == 1.0,
            steps=len(steps),
            environment_steps=environment_steps,
            environment_seconds=seconds,
            seconds=2 * seconds,
        )
    )
    rows.setdefault("rollouts", []).extend(
        _rollout(common, -1, -1, index, value) for index, value in enumerate(start)
    )
    for step_index, (previous, drawn) in enumerate(steps):
        _step(rows, common, step_index, previous, drawn)
    paid = [
        one
        for name in ("candidates", "rollouts")
        for one in rows[name]
        if one["episode"] == common["episode"]
    ]
    for column in ("generated_tokens", "prompt_tokens", "cached_tokens"):
        rows["episodes"][-1][column] = sum(one[column] for one in paid)
    rows["episodes"][-1]["generated_tokens"] += UNUSED.get(f"{run}/{task}", 0)


def _step(rows: Rows, common: dict[str, Any], step_index: int, previous: float, drawn: list[Drawn]) -> None:
    step = f"{common['episode']}/{step_index}"
    highest = max(value for value, _ in drawn)
    for index, (value, marks) in enumerate(drawn):
        rows.setdefault("candidates", []).append(
            row(
                "candidates",
                **common,
                step=step,
                candidate=f"{step}/{index}",
                step_index=step_index,
                candidate_index=index,
                duplicate_of=f"{step}/0" if "*" in marks else None,
                done="!" in marks,
                value=value,
                previous=previous,
                rose=value > previous,
                chosen=value == highest and index == [v for v, _ in drawn].index(highest),
                generated_tokens=5,
                prompt_tokens=100,
                cached_tokens=60,
            )
        )
        if not marks:
            rows["rollouts"] += [_rollout(common, step_index, index, n, value) for n in range(2)]


def _rollout(common: dict[str, Any], step: int, candidate: int, index: int, outcome: float) -> dict[str, Any]:
    failed = (common["task"], step, candidate, index) == ("t2", 0, 2, 1)
    return row(
        "rollouts",
        **common,
        rollout=f"{common['episode']}/{step}/{candidate}/{index}",
        step_index=step,
        candidate_index=candidate,
        rollout_index=index,
        scorer="p",
        actions=["a"],
        reused_actions=0,
        outcome=None if failed else outcome,
        error="the engine aborted it" if failed else None,
        generated_tokens=10,
        prompt_tokens=200,
        cached_tokens=180,
    )


def _pair(task: str, step_index: int, chosen: float, rejected: float) -> dict[str, Any]:
    return row(
        "pairs",
        **_common("late", task),
        pair=f"late/{task}/{step_index}",
        step_index=step_index,
        chosen_value=chosen,
        rejected_value=rejected,
        margin=chosen - rejected,
        rose=True,
    )


REWARDS = {
    ("p-sft", 0.0): {"h1": 0.0, "h2": 0.5, "h3": 1.0, "h4": 0.5},
    ("a-dpo", 0.0): {"h1": 0.5, "h2": 0.5, "h3": 1.0, "h4": 1.0},
    ("p-sft", 1.0): {"h1": 0.0, "h2": 0.5},
    ("a-dpo", 1.0): {"h1": 0.25, "h3": 1.0},
}
"""Held-out outcomes by policy and temperature. Every episode has two actions; h1's second one is invalid."""


def _episode(
    stage: str, task: str, policy: str = "p-sft", temperature: float = 0.0, **values: Any
) -> dict[str, Any]:
    common = _common("late", task) | {
        "policy": policy,
        "episode": f"late/{stage}/{policy}/{temperature}/{task}",
    }
    return row("episodes", **common, stage=stage, temperature=temperature, **values)


def evaluation() -> Rows:
    """Held-out episodes of both policies with their steps."""
    episodes = [
        _episode("evaluate", task, policy, temperature, outcome=outcome, success=outcome == 1.0, steps=2)
        for (policy, temperature), rewards in REWARDS.items()
        for task, outcome in rewards.items()
    ]
    steps = [
        row(
            "steps",
            **{name: episode[name] for name in _common("late", "h1")},
            stage="evaluate",
            step=f"{episode['episode']}/{index}",
            step_index=index,
            valid=not (episode["task"] == "h1" and index == 1),
        )
        for episode in episodes
        for index in range(2)
    ]
    return {"episodes": episodes, "steps": steps}
