"""The simulation against bounds that are known without it, and the tables of `docs/scaling.md` against the code."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.batching import Setup
from tests.benchmarks.costs import cost_table, rate
from tests.benchmarks.simulation import simulate, stopping
from tests.benchmarks.workloads import SHOP, SMALL, SQL, Model, Workload

DOCUMENT = Path(__file__).parents[2] / "docs/scaling.md"
LIGHT = Model("steady", 0.0, 0)
"""Every step takes the same time."""
STEP = LIGHT.step(1000, 1e6)
SHORT = Workload("two draws", (0.0, 1.0), 2.0, generated=10, opening=20, observation=5, most=2)
"""Every trajectory has two actions, every step two candidates: 24 requests a task."""

BRIEF = replace(SQL, generated=4)


def test_one_sequence_at_a_time_takes_the_sum_of_all_actions() -> None:
    setup = Setup(engines=1, tasks=7, sequences=1, vary=False)
    found = simulate(setup, SHORT, LIGHT)
    assert SHORT.requests == pytest.approx(24)
    assert found.requests == 7 * 24
    assert found.seconds == pytest.approx(7 * 24 * 10 * STEP)


@pytest.mark.parametrize("sequences", [2, 5, 16, 64, 1000])
def test_a_full_engine_keeps_within_brents_bounds(sequences: int) -> None:
    """Work / places <= time <= work / places + longest chain: so is every schedule that leaves no place idle."""
    setup = Setup(engines=1, tasks=40, sequences=sequences, vary=False)
    work = 40 * 24 * 10 * STEP
    chain = (2 + 2 * (1 + 1) + 2) * 10 * STEP
    seconds = simulate(setup, SHORT, LIGHT).seconds
    assert work / sequences <= seconds * (1 + 1e-9)
    assert seconds <= work / sequences + chain


def test_alone_a_task_takes_its_longest_chain() -> None:
    seconds = simulate(Setup(engines=1, tasks=1, vary=False), SHORT, LIGHT).seconds
    assert seconds == pytest.approx((2 + 2 * (1 + 1) + 2) * 10 * STEP)


@pytest.mark.parametrize("work", [SHOP, SQL, replace(SHOP, scored=0.5)])
def test_a_walk_asks_on_average_what_the_formulas_say(work: Workload) -> None:
    quick = replace(work, generated=2)
    found = simulate(Setup(engines=4, tasks=400), quick, SMALL)
    assert found.requests / 400 == pytest.approx(quick.requests, rel=0.08)
    assert found.computed / 400 == pytest.approx(quick.computed_tokens, rel=0.08)
    assert found.generated == pytest.approx(2 * found.requests, rel=0.02)


def test_the_formulas_give_what_the_quickstart_measured() -> None:
    """docs/results.md, shop, rising: 99 actions and 32 rollouts a task at 3.43 candidates and 4.3 actions."""
    shop = replace(SHOP, lengths=(0, 0, 0, 0.7, 0.3), candidates=3.43, scored=0.52)
    assert shop.requests == pytest.approx(19_851 / 200, rel=0.05)
    assert shop.rolled == pytest.approx(6_333 / 200, rel=0.1)


def test_equal_seeds_give_equal_explorations() -> None:
    setup = Setup(engines=2, tasks=20, clients=2, own=True, shard_tasks=5, request_s=1e-3, shard_s=0.1)
    assert simulate(setup, BRIEF, SMALL, 1) == simulate(setup, BRIEF, SMALL, 1)
    assert simulate(setup, BRIEF, SMALL, 1) != simulate(setup, BRIEF, SMALL, 2)


def test_engines_without_end_leave_one_client_its_python() -> None:
    setup = Setup(engines=32, tasks=40, request_s=5e-3)
    found = simulate(setup, BRIEF, SMALL)
    assert found.python == pytest.approx(found.requests * 5e-3)
    assert found.python <= found.seconds < 1.25 * found.python


def test_python_between_steps_adds_to_an_engine_of_ones_own() -> None:
    setup = Setup(engines=1, tasks=20, own=True, sequences=1, vary=False, request_s=3 * STEP)
    assert simulate(setup, SHORT, LIGHT).seconds == pytest.approx(20 * 24 * (10 + 3) * STEP)


def test_every_task_of_every_shard_is_walked() -> None:
    setup = Setup(engines=3, tasks=50, clients=3, own=True, shard_tasks=8, shard_s=1.0, vary=False)
    assert simulate(setup, SHORT, LIGHT).requests == 50 * 24


def test_a_full_engine_is_as_fast_as_the_formula_says() -> None:
    work = replace(SQL, lengths=(0, 0, 1.0))
    found = simulate(Setup(engines=1, tasks=400), work, SMALL)
    assert 0.75 * rate(work, SMALL) < found.requests / found.seconds < 1.05 * rate(work, SMALL)


@pytest.mark.parametrize(("mean", "most"), [(1.86, 5), (1.64, 5), (3.43, 5), (1.0, 3), (2.0, 2)])
def test_the_chance_to_stop_gives_the_mean_number_of_draws(mean: float, most: int) -> None:
    go_on = 1 - stopping(mean, most)
    assert sum(go_on**drawn for drawn in range(most)) == pytest.approx(mean, abs=1e-6)


def test_the_document_holds_the_table_that_the_code_makes() -> None:
    assert cost_table() in DOCUMENT.read_text(encoding="utf-8")
