"""Every named query against answers worked out by hand from `little.py`."""

import json
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from rro.tasks.errors import UserError
from rro.tasks.storage.queries import list_queries, parse_query, run_query
from rro.tasks.storage.tables import table
from rro.tasks.storage.views import connect
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import START, build, row

WHO = {"iteration": 1, "strategy": "rising"}
# SciPy's Wilson intervals for 2 of 3, 2 of 2 and 0 of 1.
W23, W22, W01 = (
    [float(bound) for bound in binomtest(k, n).proportion_ci(method="wilson")]
    for k, n in [(2, 3), (2, 2), (0, 1)]
)

ANSWERS: dict[str, list[dict[str, Any]]] = {
    "exploration-cost": [
        {
            **WHO,
            "tasks": 3,
            "steps": 6,
            "candidates": 12,
            "rollouts": 6 + 12,
            "failed_rollouts": 1,
            "generated_tokens": 12 * 5 + 18 * 10,
            "prompt_tokens": 12 * 100 + 18 * 200,
            "cached_tokens": 12 * 60 + 18 * 180,
            "unused_tokens": 0,
            "environment_steps": 30 + 28 + 6,
            "environment_seconds": 1.6,
            "seconds": 16.0,
        }
    ],
    "candidates-per-step": [{**WHO, "steps": 6, "mean": 2.0, "p50": 1.5, "p95": 3.75, "max": 4}],
    "cost-per-pair": [
        {
            **WHO,
            "pairs": 2,
            "mean_margin": 0.4,
            "candidates_per_pair": 6.0,
            "rollouts_per_pair": 9.0,
            "generated_tokens_per_pair": 120.0,
            "prompt_tokens_per_pair": 2400.0,
            "environment_steps_per_pair": 32.0,
            "seconds_per_pair": 8.0,
        }
    ],
    "rising-by-third": [
        {**WHO, "third": 1, "steps": 3, "rising_share": 2 / 3, "low": W23[0], "high": W23[1]},
        {**WHO, "third": 2, "steps": 2, "rising_share": 1.0, "low": W22[0], "high": W22[1]},
        {**WHO, "third": 3, "steps": 1, "rising_share": 0.0, "low": W01[0], "high": W01[1]},
    ],
    "rising-by-step": [
        {
            **WHO,
            "step_index": i,
            "steps": n,
            "mean_candidates": c,
            "rising_share": r,
            "low": w[0],
            "high": w[1],
        }
        for i, n, c, r, w in [(0, 3, 8 / 3, 2 / 3, W23), (1, 2, 1.5, 1.0, W22), (2, 1, 1.0, 0.0, W01)]
    ],
    "rollouts-saved": [
        {
            **WHO,
            "fixed_width": 4,
            "candidates": 12,
            "fixed_candidates": 24,
            "rollouts": 18,
            # Rollouts a candidate at each step: 4/3, 2, 0, 6/4, 0, 0.
            "fixed_rollouts": 58 / 3,
            "rollouts_saved": 4 / 3,
            "saved_share": 2 / 29,
        }
    ],
    "stuck-steps": [
        {
            **WHO,
            "steps": 6,
            "stuck": 2,
            "stuck_share": 1 / 3,
            "stuck_at_best": 1,
            "mean_candidates_when_stuck": 2.5,
        }
    ],
    "duplicate-actions": [
        {**WHO, "step_index": 0, "candidates": 8, "duplicates": 2, "duplicate_share": 0.25},
        {**WHO, "step_index": 1, "candidates": 3, "duplicates": 0, "duplicate_share": 0.0},
        {**WHO, "step_index": 2, "candidates": 1, "duplicates": 0, "duplicate_share": 0.0},
    ],
    "prefix-cache": [
        {**WHO, "source": "candidates", "prompt_tokens": 1200, "cached_tokens": 720, "hit_rate": 0.6},
        {**WHO, "source": "rollouts", "prompt_tokens": 3600, "cached_tokens": 3240, "hit_rate": 0.9},
    ],
    "margin-histogram": [
        {
            **WHO,
            "low": tenth / 10,
            "high": (tenth + 1) / 10,
            "pairs": int(tenth in (3, 5)),
            "share": 0.5 * (tenth in (3, 5)),
        }
        for tenth in range(10)
    ],
    "policy-comparison": [
        {
            "temperature": temperature,
            "before": "p-sft",
            "after": "a-dpo",
            "tasks": tasks,
            "reward_before": before,
            "reward_after": after,
            "difference": after - before,
            "better": better,
            "equal": equal,
            "worse": 0,
        }
        for temperature, tasks, before, after, better, equal in [
            (0.0, 4, 0.5, 0.75, 2, 2),
            (1.0, 1, 0.0, 0.25, 1, 0),
        ]
    ],
    "gain-over-seeds": [
        {
            "temperature": 0.0,
            "seed": seed,
            "tasks": 4,
            "reward_before": 0.5,
            "reward_after": 0.75,
            # Gains 0.5, 0, 0, 0.5: deviation sqrt(1 / 12), over sqrt(4) tasks.
            "gain": 0.25,
            "gain_low": 0.25 - 1.96 * (1 / 48) ** 0.5,
            "gain_high": 0.25 + 1.96 * (1 / 48) ** 0.5,
        }
        for seed in ("0", "all")
    ]
    + [
        {
            "temperature": 1.0,
            "seed": seed,
            "tasks": 1,
            "reward_before": 0.0,
            "reward_after": 0.25,
            "gain": 0.25,
            "gain_low": None,
            "gain_high": None,
        }
        for seed in ("0", "all")
    ],
    "stage-times": [
        {"iteration": i, "stage": s, "seconds": t, "share": t / 80, "peak_memory_mib": m}
        for i, s, t, m in [
            (0, "sft", 30.0, 300.0),
            (1, "explore", 16.0, 100.0),
            (1, "dpo", 20.0, 200.0),
            (1, "evaluate", 14.0, 140.0),
        ]
    ],
    "environment-share": [
        {
            **WHO,
            "environment_steps": 64,
            "environment_seconds": 1.6,
            "milliseconds_per_step": 25.0,
            "stage_seconds": 16.0,
            "environment_share": 0.1,
        }
    ],
    "gate": [
        {
            **WHO,
            "pairs": 2,
            "min_pairs": 3,
            "mean_margin": 0.4,
            "min_margin": 0.1,
            "rollouts_per_pair": 9.0,
            "max_rollouts_per_pair": 8.0,
            "generated_tokens": 240,
            "max_generated_tokens": 0,
        }
    ],
}


def test_every_named_query_has_an_answer_here() -> None:
    assert [named.name for named in list_queries()] == sorted(ANSWERS)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_named_query_answers_for_the_latest_run(little: Warehouse, name: str) -> None:
    answer = run_query(connect(little), name).to_pylist()
    assert len(answer) == len(ANSWERS[name])
    for got, expected in zip(answer, ANSWERS[name], strict=True):
        assert got == pytest.approx(expected, abs=1e-6)
        assert {k: type(v) for k, v in got.items()} == {k: type(v) for k, v in expected.items()}


def test_named_query_answers_for_the_run_that_is_asked_for(little: Warehouse) -> None:
    (row,) = run_query(connect(little), "exploration-cost", run="early").to_pylist()
    assert (row["tasks"], row["candidates"], row["rollouts"], row["seconds"]) == (1, 1, 1, None)


def test_gain_over_seeds_counts_a_task_once_and_leaves_other_settings_out(tmp_path: Path) -> None:
    warehouse = build(tmp_path)
    for run, seed, rewards in [("one", 1, (0.0, 1.0)), ("two", 2, (0.5, 1.0)), ("other", 3, (0.0, 0.0))]:
        settings = {"seed": seed, "explore": {"rollouts": 9 if run == "other" else 2}}
        started = {"settings": json.dumps(settings), "seed": seed, "run": run}
        record = row("runs", profile="p", started_at=START, **started)
        episodes = [
            row("episodes", run=run, stage="evaluate", policy=policy, temperature=0.0, task="h", episode=policy,
                outcome=reward, success=False, steps=1)
            for policy, reward in zip(("p-sft", "a-dpo"), rewards, strict=True)
        ]  # fmt: skip
        tables = {"runs": table("runs", [record]), "episodes": table("episodes", episodes)}
        warehouse.publish(run, "all", tables)
    gains = run_query(connect(warehouse), "gain-over-seeds", "one").to_pylist()
    assert [(one["seed"], one["tasks"], one["gain"]) for one in gains] == [
        ("1", 1, 1.0),
        ("2", 1, 0.5),
        ("all", 1, 0.75),
    ]


def test_cost_per_pair_is_empty_where_no_pair_was_kept(little: Warehouse) -> None:
    (row,) = run_query(connect(little), "cost-per-pair", run="early").to_pylist()
    assert (row["pairs"], row["rollouts_per_pair"], row["mean_margin"]) == (0, None, None)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_named_query_answers_nothing_in_an_empty_warehouse(tmp_path: Path, name: str) -> None:
    assert run_query(connect(Warehouse.open(tmp_path)), name).num_rows == 0


def test_unknown_query_offers_the_closest_names_first(little: Warehouse) -> None:
    with pytest.raises(UserError, match=r"'cost-per-pairs'.*closest first: cost-per-pair, "):
        run_query(connect(little), "cost-per-pairs")


def test_unknown_run_offers_the_closest_names_first(little: Warehouse) -> None:
    with pytest.raises(
        UserError, match="run 'earl': there is no such run; known, closest first: early, late"
    ):
        run_query(connect(little), "gate", run="earl")


def test_every_query_says_what_it_is_about() -> None:
    for named in list_queries():
        assert named.title
        assert named.description.endswith(".")
        assert len(named.title) < 60


def test_a_query_without_title_and_description_is_refused() -> None:
    with pytest.raises(ValueError, match="query bare"):
        parse_query("bare", "-- only a title\nSELECT 1")
