"""The figures of an exploration against the little warehouse, and the gate's reasons word for word."""

import dataclasses
from typing import Any

import duckdb
import pytest

from rro.tasks.reporting.analysis import Analysis, Verdict, analyse, decide, markdown
from rro.tasks.settings import GateSettings

SHARDS = ["explore-1-000", "explore-1-001"]


@pytest.fixture(scope="module")
def found(little: duckdb.DuckDBPyConnection) -> Analysis:
    return analyse(little, "late", 1, SHARDS)


def test_every_figure_is_as_worked_out_by_hand(found: Analysis) -> None:
    assert dataclasses.asdict(found) == {
        "run": "late",
        "iteration": 1,
        "tasks": 3,
        "steps": 6,
        "candidates": 12,
        "candidates_mean": 2.0,
        "candidates_p50": 1.5,
        "candidates_p95": 3.75,
        "candidates_max": 4,
        "rollouts": 18,
        "failed_rollouts": 1,
        "generated_tokens": 240,
        "prompt_tokens": 4800,
        "environment_steps": 64,
        "seconds": 16.0,
        "pairs": 2,
        "mean_margin": pytest.approx(0.4),
        "rising_share": pytest.approx(4 / 6),
        "rising_first_third": pytest.approx(2 / 3),
        "rising_second_third": 1.0,
        "rising_last_third": 0.0,
        "stuck_share": pytest.approx(2 / 6),
        "duplicate_share": pytest.approx(2 / 12),
        "prefix_cache_hit_rate": pytest.approx(3960 / 4800),
        "environment_share": pytest.approx(0.1),
        "expected_shards": 2,
        "missing_shards": (),
    }


def test_costs_are_also_told_for_one_kept_pair(found: Analysis) -> None:
    assert [found.per_pair(cost) for cost in (found.candidates, found.rollouts, found.seconds, None)] == [
        6.0,
        9.0,
        8.0,
        None,
    ]
    assert dataclasses.replace(found, pairs=0).per_pair(found.rollouts) is None


def test_an_iteration_that_was_not_explored_has_zeros_and_gaps(little: duckdb.DuckDBPyConnection) -> None:
    nothing = analyse(little, "late", 7, ["explore-7-000"])
    assert (nothing.tasks, nothing.pairs, nothing.rollouts) == (0, 0, 0)
    assert (nothing.candidates_mean, nothing.seconds, nothing.rising_share) == (None, None, None)
    assert nothing.missing_shards == ("explore-7-000",)
    assert not decide(nothing, GateSettings(min_pairs=0)).open


def test_a_shard_of_another_run_does_not_stand_in(little: duckdb.DuckDBPyConnection) -> None:
    assert analyse(little, "early", 1, SHARDS).missing_shards == ("explore-1-001",)


LIMITS = GateSettings(min_pairs=2, min_margin=0.35, max_rollouts_per_pair=9.0, max_generated_tokens=240)


def test_the_gate_opens_on_its_very_limits(found: Analysis) -> None:
    assert decide(found, LIMITS) == Verdict(True, [])


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ({"min_pairs": 50}, "only 2 pairs, at least 50 are asked for (gate.min_pairs)"),
        ({"min_margin": 0.45}, "mean margin 0.4, at least 0.45 is asked for (gate.min_margin)"),
        (
            {"max_rollouts_per_pair": 8.5},
            "9.0 rollouts for each kept pair, at most 8.5 are allowed (gate.max_rollouts_per_pair)",
        ),
        (
            {"max_generated_tokens": 239},
            "240 generated tokens, at most 239 are allowed (gate.max_generated_tokens)",
        ),
    ],
)
def test_each_limit_closes_the_gate_with_its_own_reason(
    found: Analysis, gate: dict[str, Any], reason: str
) -> None:
    assert decide(found, LIMITS.model_copy(update=gate)) == Verdict(False, [reason])


def test_a_missing_shard_closes_the_gate(little: duckdb.DuckDBPyConnection) -> None:
    verdict = decide(analyse(little, "late", 1, [*SHARDS, "explore-1-002"]), LIMITS)
    assert verdict == Verdict(False, ["1 of 3 shards are missing: explore-1-002"])


def test_no_pair_closes_the_gate_whatever_the_settings(little: duckdb.DuckDBPyConnection) -> None:
    verdict = decide(analyse(little, "early", 1, []), GateSettings(min_pairs=0))
    assert verdict == Verdict(False, ["no pair was kept, so there is nothing to train on"])


def test_all_reasons_are_told_at_once(found: Analysis) -> None:
    gate = GateSettings(min_pairs=3, min_margin=0.9, max_rollouts_per_pair=1, max_generated_tokens=1)
    assert len(decide(found, gate).reasons) == 4


def test_one_pair_reads_as_one_pair(found: Analysis) -> None:
    (reason,) = decide(dataclasses.replace(found, pairs=1), GateSettings(min_pairs=2)).reasons
    assert reason.startswith("only 1 pair, ")


def test_markdown_tells_the_verdict_and_the_figures(found: Analysis) -> None:
    text = markdown(found, decide(found, GateSettings(min_pairs=3)))
    assert "**The gate stays closed:**" in text
    assert "- only 2 pairs, at least 3 are asked for (gate.min\\_pairs)" in text
    assert "| rollouts per kept pair | 9.0 |" in text
    assert "**The gate is open" in markdown(found, decide(found, LIMITS))
