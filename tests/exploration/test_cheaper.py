"""What makes exploration cheaper: the lossless options change no decision, the lossy one errs as rarely as promised,
and values stay unbiased where draws are used again."""

import asyncio
import math
import random
import statistics
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rro.tasks.errors import UserError
from rro.tasks.exploration.origin import Origin, Rows
from rro.tasks.exploration.pairs import extract
from rro.tasks.exploration.rows import total_usage, walk_rows
from rro.tasks.exploration.scoring import decided, finish_choice, likely, score
from rro.tasks.exploration.strategies import make_strategy
from rro.tasks.exploration.values import SAME, Rollout, rises
from rro.tasks.exploration.walk import Walk, Walker
from rro.tasks.settings import ExploreSettings, PairSettings, parse_settings

from .tabular import FAILS, Scripted, Seeded, Tabular, Tree

outcomes = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
leaves = st.dictionaries(st.sampled_from("abcd"), outcomes, min_size=1, max_size=4)
TREES = st.builds(
    lambda root, left, right, deep: {
        "start": {**root, "x": "L", "y": "R"},
        "L": {**left, "z": "D", "w": "R"},
        "R": right,
        "D": deep,
    },
    leaves,
    leaves,
    leaves,
    leaves,
)
SEEDS = st.integers(0, 2**32)
KNOBS = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(["rising", "fixed"]),
        "max_candidates": st.integers(1, 5),
        "rollouts": st.integers(1, 6),
        "epsilon": st.sampled_from([0.0, 0.1]),
        "comparator": st.sampled_from([">", ">="]),
        "first_reference": st.sampled_from(["rollouts", "zero"]),
        "contrast": st.booleans(),
        "common": st.booleans(),
        "leave": st.sampled_from(["never", "maximum", "agreed"]),
    }
)


async def walked(tree: Tree, seed: int, explore: ExploreSettings, pay_again: bool = False) -> Walk:
    environment, policy = Tabular(tree), Seeded(tree)
    walker = Walker(environment, policy, policy, explore, seed, pay_again=pay_again)
    return await walker.walk(environment.task)


def explored(tree: Tree, seed: int, pay_again: bool = False, **knobs: Any) -> tuple[Walk, Rows]:
    explore = ExploreSettings(**knobs)
    walk = asyncio.run(walked(tree, seed, explore, pay_again))
    return walk, walk_rows([walk], Origin("r", 1, explore.strategy, "p", "tabular", "p"), explore)


def decisions(rows: Rows, **knobs: Any) -> Any:
    made = extract(rows, make_strategy(ExploreSettings(**knobs)).pairs, PairSettings(), seed=0)
    drawn = [(row["action"], row["rose"], row["chosen"], row["duplicate_of"]) for row in rows["candidates"]]
    stopped = [(row["stop_reason"], row["value"], row["rose"]) for row in rows["steps"]]
    return drawn, stopped, made


@settings(max_examples=300, deadline=None)
@given(TREES, KNOBS, SEEDS)
def test_stopping_early_changes_no_decision_and_never_costs_more(tree: Any, knobs: Any, seed: int) -> None:
    plain, plain_rows = explored(tree, seed, **knobs)
    early, rows = explored(tree, seed, **knobs, early_stop=True)
    assert decisions(rows, **knobs) == decisions(plain_rows, **knobs)
    assert total_usage(early).generated_tokens <= total_usage(plain).generated_tokens
    assert early.clock.steps <= plain.clock.steps


@settings(max_examples=300, deadline=None)
@given(TREES, KNOBS, SEEDS, st.booleans())
def test_keeping_draws_decides_as_drawing_them_again(
    tree: Any, knobs: Any, seed: int, early_stop: bool
) -> None:
    plain, plain_rows = explored(tree, seed, **knobs, reuse=True, pay_again=True)
    kept, rows = explored(tree, seed, **knobs, reuse=True, early_stop=early_stop)
    assert decisions(rows, **knobs) == decisions(plain_rows, **knobs)
    assert total_usage(kept).generated_tokens <= total_usage(plain).generated_tokens


@settings(max_examples=300, deadline=None)
@given(TREES, KNOBS, SEEDS, st.integers(2, 6), st.booleans(), st.booleans())
def test_drawing_ahead_decides_as_drawing_one_at_a_time(
    tree: Any, knobs: Any, seed: int, width: int, reuse: bool, early_stop: bool
) -> None:
    options = {**knobs, "reuse": reuse, "early_stop": early_stop}
    one, one_rows = explored(tree, seed, **options)
    ahead, rows = explored(tree, seed, **options, width=width)
    assert decisions(rows, **knobs) == decisions(one_rows, **knobs)
    assert [row["outcome"] for row in rows["rollouts"]] == [row["outcome"] for row in one_rows["rollouts"]]
    assert total_usage(ahead).generated_tokens >= total_usage(one).generated_tokens


def test_what_was_drawn_ahead_and_not_used_is_counted() -> None:
    tree: Tree = {"start": {"a": "L"}, "L": {"a": 0.5}}
    one, _ = explored(tree, 0, first_reference="zero", rollouts=2)
    ahead, rows = explored(tree, 0, first_reference="zero", rollouts=2, width=3, duplicates="again")
    assert len(rows["candidates"]) == len(one.steps[0].drawn) + len(one.steps[1].drawn)
    more = total_usage(ahead).generated_tokens - total_usage(one).generated_tokens
    assert [len(step.unused) for step in ahead.steps] == [2, 0]
    assert rows["episodes"][0]["unused_rollouts"] == 2 * 2
    assert more == 2 * (1 + 2)  # each one draw and two rollouts of one action


def test_what_was_drawn_beside_a_draw_that_failed_is_counted() -> None:
    tree: Tree = {"start": {"a": 0.5, "b": 0.5}}
    environment, policy = Tabular(tree), Scripted({"start": ["a", FAILS, "b"]})
    explore = ExploreSettings(width=3, max_candidates=3, rollouts=1, first_reference="zero", epsilon=0.9)
    walk = asyncio.run(Walker(environment, policy, policy, explore, 0).walk(environment.task))
    assert failures(policy) > 0
    assert total_usage(walk).generated_tokens == 2 * sum(policy.drawn.values()) - 2 * failures(policy)


def failures(policy: Scripted) -> int:
    """How many of a script's draws failed."""
    listed = policy.script["start"]
    return sum(listed[number % len(listed)] == FAILS for number in range(policy.drawn["start"]))


class Stream:
    """Rollouts with given outcomes, None for one that fails."""

    def __init__(self, outcomes: list[float | None]) -> None:
        self.outcomes_to_come = outcomes

    async def roll_out(self, place: Any, index: int) -> Rollout:
        return Rollout(index, outcome=self.outcomes_to_come[index])

    def known(self, place: Any, index: int) -> bool:
        return False


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=8),
    st.floats(0, 1),
    st.sampled_from([0.0, 0.05]),
    st.sampled_from([">", ">="]),
    st.floats(0.1, 1),
)
def test_scoring_that_stops_early_decides_as_scoring_to_the_end(
    stream: Any, previous: float, epsilon: float, comparator: Any, best: float
) -> None:
    explore = ExploreSettings(epsilon=epsilon, comparator=comparator, early_stop=True)
    estimate = estimate_of(stream)
    asyncio.run(score(estimate, previous, best, explore))
    early = (rises(estimate.low, previous, explore), estimate.low >= best - SAME)
    seen = [outcome for outcome in stream if outcome is not None]
    mean = math.fsum(seen) / len(seen) if seen else None
    if mean is not None:
        assert early == (rises(mean, previous, explore), mean >= best - SAME)
        assert estimate.low - 1e-12 <= mean <= estimate.high + 1e-12


def estimate_of(stream: list[float | None]) -> Any:
    from rro.tasks.exploration.values import Estimate

    return Estimate(Stream(stream), None, range(len(stream)))  # type: ignore[arg-type]


def test_scoring_stops_as_soon_as_nothing_can_change() -> None:
    explore = ExploreSettings(early_stop=True)
    low, high = estimate_of([0.0, 0.0, 0.0, 1.0]), estimate_of([1.0, 1.0, 0.0, 0.0])
    asyncio.run(score(low, 0.6, 1.0, explore))
    asyncio.run(score(high, 0.2, 0.9, explore))
    assert [len(low.rollouts), low.high < 0.6] == [2, True]
    assert [len(high.rollouts), high.low > 0.2] == [3, True]
    assert decided(low, 0.6, 1.0, explore)


def test_the_choice_completes_the_highest_and_the_lowest_and_no_other() -> None:
    class Drawn:
        def __init__(self, index: int, stream: list[float | None]) -> None:
            self.index, self.canonical, self.duplicate_of = index, str(index), None
            self.estimate = estimate_of(stream)

    drawn = [Drawn(0, [0.0, 0.1]), Drawn(1, [0.5, 0.5]), Drawn(2, [1.0, 1.0])]
    for one in drawn:
        asyncio.run(one.estimate.next())
    chosen = asyncio.run(finish_choice(drawn))
    assert chosen is drawn[2]
    assert [one.estimate.complete for one in drawn] == [True, False, True]


def exact(tree: Tree, state: str | float) -> float:
    """The expected outcome of drawing every action with equal chance."""
    if not isinstance(state, str):
        return state
    return math.fsum(exact(tree, target) for target in tree[state].values()) / len(tree[state])


BIASED: Tree = {
    "start": {"a": "L", "b": "R", "c": 0.2},
    "L": {"a": 1.0, "b": 0.0, "c": "R"},
    "R": {"a": 0.0, "b": 0.6, "c": 0.9},
}


def bias(step: int, **knobs: Any) -> tuple[float, float]:
    """Mean of value minus exact expectation over the candidates of a step of 10,000 walks, and its standard error."""
    explore = ExploreSettings(strategy="fixed", max_candidates=2, rollouts=2, **knobs)
    gaps = asyncio.run(gaps_of(step, explore))
    mean = math.fsum(gaps) / len(gaps)
    return mean, math.sqrt(math.fsum((gap - mean) ** 2 for gap in gaps)) / len(gaps)


async def gaps_of(step: int, explore: ExploreSettings) -> list[float]:
    gaps = []
    for seed in range(10_000):
        walk = await walked(BIASED, seed, explore)
        for candidate in walk.steps[step].drawn if len(walk.steps) > step else ():
            if candidate.duplicate_of is None and not candidate.act.turn.done:
                # Early stop leaves values open; played to the end they are what they would have been.
                await candidate.estimate.finish()
                assert candidate.estimate.mean is not None
                gaps.append(candidate.estimate.mean - exact(BIASED, candidate.act.turn.observation))
    return gaps


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"early_stop": True},
        {"reuse": True},
        {"reuse": True, "early_stop": True},
        {"common": True},
        {"common": True, "reuse": True},
    ],
)
def test_values_of_the_first_step_are_unbiased_whatever_is_saved(knobs: Any) -> None:
    mean, error = bias(0, **knobs)
    assert abs(mean) < 4 * error


def test_later_values_are_unbiased_as_published_and_lean_upwards_with_reuse() -> None:
    """A chosen candidate was chosen for its rollouts, and with reuse they are part of what comes after it."""
    plain, plain_error = bias(1)
    reused, reused_error = bias(1, reuse=True)
    common, common_error = bias(1, common=True)
    assert abs(plain) < 4 * plain_error
    assert abs(common) < 4 * common_error
    assert 4 * reused_error < reused < 0.15


ALIKE: Tree = {
    "start": {"a": "L", "b": "R"},
    "L": {"v": 0.0, "w": 0.5, "x": 1.0},
    "R": {"v": 0.0, "w": 0.25, "x": 1.0},
}


def test_siblings_differ_by_less_luck_where_they_share_their_random_numbers() -> None:
    apart, together = (spread_of_difference(common) for common in (False, True))
    assert together < apart / 4


def spread_of_difference(common: bool) -> float:
    """Variance of the difference between the first step's two values over many walks."""
    differences = []
    explore = ExploreSettings(strategy="fixed", max_candidates=6, common=common)
    for seed in range(400):
        walk = asyncio.run(walked(ALIKE, seed, explore))
        values = {candidate.canonical: candidate.value for candidate in walk.steps[0].drawn}
        if values.keys() == {"a", "b"}:
            differences.append((values["a"] or 0.0) - (values["b"] or 0.0))
    assert len(differences) > 300
    return statistics.variance(differences)


def test_shared_random_numbers_are_those_of_rollout_and_depth() -> None:
    _, rows = explored(ALIKE, 3, strategy="fixed", max_candidates=6, common=True)
    seeds: dict[tuple[int, int], set[int]] = {}
    for row in rows["rollouts"]:
        seeds.setdefault((row["step_index"], row["rollout_index"]), set()).add(row["seed"])
    assert {len(shared) for shared in seeds.values()} == {1}
    assert len(set().union(*seeds.values())) == len(seeds)


def test_reuse_pays_each_draw_once() -> None:
    tree: Tree = {"start": {"a": "L"}, "L": {"a": "M"}, "M": {"a": 0.5}}
    plain, _ = explored(tree, 0, rollouts=2, max_candidates=2)
    cheap, rows = explored(tree, 0, reuse=True, rollouts=2, max_candidates=2)
    assert total_usage(cheap).generated_tokens == 2 * 3  # two whole trajectories, and nothing after them
    assert total_usage(plain).generated_tokens == 2 * 3 + (2 + 2 * 2) + (2 + 2 * 1) + 2
    assert all(row["reused"] for row in rows["candidates"])
    assert {row["reused_actions"] - len(row["actions"]) for row in rows["rollouts"] if row["candidate"]} == {
        0
    }


def test_scoring_duplicates_again_takes_rollouts_of_their_own() -> None:
    tree: Tree = {"start": {"a": "L"}, "L": {"a": 0.0, "b": 1.0}}
    knobs = {"strategy": "fixed", "max_candidates": 3, "rollouts": 2}
    _, once = explored(tree, 1, **knobs)
    _, again = explored(tree, 1, **knobs, duplicates="again")
    assert [row["rollouts_done"] for row in once["candidates"]][:3] == [2, 0, 0]
    assert [row["rollouts_done"] for row in again["candidates"]][:3] == [2, 2, 2]
    assert [row["stop_reason"] for row in again["candidates"]][:3] == ["all_rollouts"] * 3
    assert len({row["seed"] for row in again["rollouts"] if row["step_index"] == 0}) == 6


@pytest.mark.parametrize(
    ("outcome", "leave", "left"),
    [
        (1.0, "never", False),
        (1.0, "maximum", True),
        (1.0, "agreed", True),
        (0.5, "maximum", False),
        (0.5, "agreed", True),
    ],
)
def test_a_walk_is_left_where_nothing_can_rise_or_all_rollouts_agree(
    outcome: float, leave: str, left: bool
) -> None:
    tree: Tree = {"start": {"a": "L"}, "L": {"a": outcome}}
    walk, rows = explored(tree, 0, leave=leave)
    assert (walk.ended == "left", len(walk.steps)) == ((True, 0) if left else (False, 2))
    assert bool(rows["candidates"]) is not left


def test_a_walk_is_not_left_while_its_rollouts_differ() -> None:
    tree: Tree = {"start": {"a": "L", "b": "M"}, "L": {"a": 0.0}, "M": {"a": 1.0}}
    walk, _ = explored(tree, 0, leave="agreed", rollouts=20, strategy="fixed")
    assert walk.ended == "left"
    assert [step.chosen.act.draw.action for step in walk.steps if step.chosen] == ["b"]


def test_one_rollout_agrees_with_nobody() -> None:
    tree: Tree = {"start": {"a": "L"}, "L": {"a": 0.5}}
    assert len(explored(tree, 0, leave="agreed", rollouts=1)[0].steps) == 2


@pytest.mark.parametrize("mean", [0.3, 0.5, 0.7])
def test_the_sequential_test_errs_no_more_often_than_promised(mean: float) -> None:
    """Bernoulli outcomes whose mean equals the bar: whatever the test says is an error, at any time."""
    rate, draws = 0.1, random.Random(0)
    wrong = 0
    for _ in range(2_000):
        seen: list[float] = []
        while len(seen) < 60 and not likely(seen, mean, rate / 2):
            seen.append(float(draws.random() < mean))
        wrong += len(seen) < 60
    assert wrong / 2_000 < rate


def test_the_sequential_test_tells_a_large_difference_with_few_rollouts() -> None:
    estimate = estimate_of([1.0] * 40)
    asyncio.run(score(estimate, 0.3, 1.0, ExploreSettings(error_rate=0.1)))
    assert estimate.complete
    assert len(estimate.rollouts) < 8


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_some_action_is_worth_at_least_the_state_it_is_taken_in(tree: Any) -> None:
    """RRO's existence theorem, on exact values: a mean cannot exceed its maximum."""
    for state, actions in tree.items():
        assert max(exact(tree, target) for target in actions.values()) >= exact(tree, state) - 1e-12


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"explore": {"strategy": "risng"}},
            r"explore.strategy = 'risng'.*known: rising, fixed, ipr, eto, rft",
        ),
        ({"explore": {"max_candidates": 0}}, "explore.max_candidates = 0"),
        ({"explore": {"rollouts": 0}}, "explore.rollouts = 0"),
        ({"explore": {"trajectories": 0}}, "explore.trajectories = 0"),
        ({"explore": {"error_rate": 0.6}}, "explore.error_rate = 0.6"),
        (
            {"explore": {"early_stop": True}, "pairs": {"rejected": "all"}},
            "pairs.rejected = 'all'.*early_stop",
        ),
    ],
)
def test_bad_settings_are_refused_by_name(values: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_settings(dict(values))
