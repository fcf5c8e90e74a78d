"""Arms of a comparison: what their names change, which names are refused, and what a budget pays for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rro.flows.compare import affordable
from rro.tasks.arms import KNOBS, ablations, comparison_name, parse_arm, parse_arms
from rro.tasks.errors import UserError
from rro.tasks.exploration.strategies import STRATEGIES
from rro.tasks.settings import load_settings


@pytest.mark.parametrize(
    ("name", "explore"),
    [
        ("rising", {"strategy": "rising"}),
        ("rising-3", {"strategy": "rising", "max_candidates": 3}),
        ("fixed-5", {"strategy": "fixed", "max_candidates": 5}),
        ("eto-4", {"strategy": "eto", "trajectories": 4}),
        ("rft", {"strategy": "rft"}),
        ("fixed-5+again", {"strategy": "fixed", "max_candidates": 5, "duplicates": "again"}),
        ("rising+early+skip", {"strategy": "rising", "early_stop": True, "leave": "maximum"}),
        ("rising+reuse", {"strategy": "rising", "reuse": True}),
    ],
)
def test_a_name_says_what_an_arm_changes(name: str, explore: dict[str, Any]) -> None:
    assert parse_arm(name).changes == {"explore": explore}
    found = parse_arm(name).settings(load_settings("quickstart"), seed=7)
    assert {key: getattr(found.explore, key) for key in explore} == explore
    assert found.seed == 7


def test_ipr_is_compared_as_published() -> None:
    assert parse_arm("ipr").changes["pairs"] == {"span": "suffix"}


def test_an_option_of_the_pairs_may_follow_too() -> None:
    assert parse_arm("rising+reuse+ties").changes == {
        "explore": {"strategy": "rising", "reuse": True},
        "pairs": {"ties": 1.0},
    }


def test_every_strategy_can_be_an_arm() -> None:
    assert [arm.name for arm in parse_arms(["sft", *STRATEGIES])] == ["sft", *STRATEGIES]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["risng"], r"'risng': no such strategy; known: sft, rising, fixed, ipr, eto, rft"),
        (["fixed-0"], r"'fixed-0': the number behind fixed must be at least 1"),
        (["eto-0"], r"'eto-0'"),
        (["ipr-3"], r"ipr takes none"),
        (["rising+fast"], r"no option 'fast'; known: again, reuse, early"),
        (["rising", "rising"], r"'rising' is named twice"),
        (["../rising"], r"no such strategy"),
        ([" "], "name at least one"),
        ([], "name at least one"),
    ],
)
def test_other_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_arms(names)


def test_without_names_every_knob_that_changes_the_settings_is_turned() -> None:
    plain = load_settings("quickstart")
    names = [arm.name for arm in ablations([], plain)]
    assert names[:2] == ["sft", "rising"]
    assert set(KNOBS) - set(names) == {"no-contrast", "no-reuse"}  # The quickstart has it so already.
    assert all(arm.settings(plain, 0) != plain for arm in ablations([], plain)[2:])


@pytest.mark.parametrize(
    ("knob", "message"),
    [
        ("beta", r"knob 'beta': no such knob; known: comparator, epsilon"),
        ("no-reuse", r"knob 'no-reuse': the settings have it so already"),
    ],
)
def test_knobs_that_turn_nothing_are_refused(knob: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ablations([knob], load_settings("quickstart"))


def test_a_comparison_is_named_by_settings_arms_and_seeds() -> None:
    plain, other = load_settings("quickstart"), load_settings("quickstart", {"dpo": {"beta": 0.2}})
    arms = parse_arms(["rising", "fixed-3"])
    names = {
        comparison_name("compare", "quickstart", plain, arms, 3),
        comparison_name("compare", "quickstart", other, arms, 3),
        comparison_name("compare", "quickstart", plain, arms[:1], 3),
        comparison_name("compare", "quickstart", plain, arms, 2),
    }
    assert len(names) == 4
    assert comparison_name("compare", "quickstart", plain, arms, 3) in names


@pytest.mark.parametrize(
    ("spent", "budget", "available", "tasks"),
    [
        ([5, 5, 5], 10, 99, 2),
        ([5, 5, 5], 15, 99, 3),
        ([5, 5, 5], 30, 99, 6),
        ([5, 5, 5], 30, 4, 4),
        ([5, 5, 5], 3, 99, 1),
        ([0, 0], 10, 99, 2),
        ([], 10, 99, 1),
    ],
)
def test_a_budget_pays_for_the_first_tasks_and_for_more_at_their_mean(
    spent: list[int], budget: int, available: int, tasks: int
) -> None:
    assert affordable(spent, budget, available) == tasks


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 500))
def test_the_first_tasks_never_cost_more_than_the_budget_unless_it_is_one(
    spent: list[int], budget: int
) -> None:
    tasks = affordable(spent, budget, available=10**6)
    assert tasks == 1 or sum(spent[:tasks]) <= budget
