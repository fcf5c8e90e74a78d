"""The walk against design section 4: by hand on a tree with known values, for every knob, and against a second,
plain implementation on random trees."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rro.tasks.exploration.origin import Origin, Rows
from rro.tasks.exploration.pairs import extract, siblings
from rro.tasks.exploration.rows import walk_rows
from rro.tasks.exploration.seeds import row_id, seed_for
from rro.tasks.exploration.walk import Walk, Walker
from rro.tasks.settings import ExploreSettings, PairSettings

from .tabular import FAILS, Scripted, Seeded, Tabular

ENDS = {"0": 0.0, "half": 0.5, "1": 1.0}
TREE = {
    "start": {"left": "L", "right": "R", "up": "U", "grab": 0.25, **ENDS},
    "L": {"on": "M", **ENDS},
    "R": dict(ENDS),
    "U": dict(ENDS),
    "M": dict(ENDS),
}
ROLLS = {
    "start": ["half"],
    "L": ["1", "half"],
    "R": ["0", "half"],
    "U": ["half", "half"],
    "M": ["1", "1"],
}
"""What the scorer does in each state, in turn: L is worth 0.75, R 0.25, U 0.5, M 1 with m = 2."""


def walk(draws: dict[str, list[str]], best: float = 1.0, rolls: Any = None, **knobs: Any) -> Walk:
    explore = ExploreSettings(**{"rollouts": 2, "max_candidates": 3, **knobs})
    script = {state: ["1"] for state in TREE} | draws
    walker = Walker(Tabular(TREE, best), Scripted(script), Scripted(rolls or ROLLS), explore, seed=0)
    return asyncio.run(walker.walk(walker._environment.tasks("train")[0]))


def told(found: Walk, step: int = 0) -> tuple[list[tuple[str, float | None]], str, str | None]:
    """(action and value of every candidate, why the step stopped, what was chosen)."""
    one = found.steps[step]
    drawn = [(candidate.act.draw.action, candidate.value) for candidate in one.drawn]
    return drawn, one.stop_reason, one.chosen.act.draw.action if one.chosen else None


R, L, U = ("right", 0.25), ("left", 0.75), ("up", 0.5)


@pytest.mark.parametrize(
    ("draws", "knobs", "expected"),
    [
        pytest.param(["right", "left"], {}, ([R, L], "rose", "left"), id="stops at the first that rises"),
        pytest.param(["left", "right"], {}, ([L], "rose", "left"), id="a first candidate that rises is enough"),
        pytest.param(["up", "right"], {}, ([U, R, U], "cap", "up"), id="equal does not rise, earliest best wins"),
        pytest.param(["up"], {"comparator": ">="}, ([U], "rose", "up"), id="equal rises with >="),
        pytest.param(
            ["left", "right"], {"epsilon": 0.25}, ([L, R, L], "cap", "left"), id="epsilon must be exceeded"
        ),
        pytest.param(["left"], {"epsilon": 0.2}, ([L], "rose", "left"), id="epsilon exceeded"),
        pytest.param(
            ["right", "left"], {"max_candidates": 1}, ([R], "cap", "right"), id="the cap ends a step without a rise"
        ),
        pytest.param(
            ["right"], {"first_reference": "zero"}, ([R], "rose", "right"), id="first reference 0: anything rises"
        ),
        pytest.param(
            ["left", "right"], {"contrast": True}, ([L, R], "rose", "left"), id="a contrast candidate beside a rise"
        ),
        pytest.param(
            ["left", "right"],
            {"contrast": True, "max_candidates": 1},
            ([L], "rose", "left"),
            id="no contrast above the cap",
        ),
        pytest.param(["1"], {}, ([("1", 1.0)], "rose", "1"), id="an ending action is worth its outcome"),
        pytest.param(["grab", "1"], {}, ([("grab", 0.25), ("1", 1.0)], "rose", "1"), id="ending low does not rise"),
        pytest.param(
            [" left ", "left"],
            {"epsilon": 1.0},
            ([(" left ", 0.75), ("left", 0.75), (" left ", 0.75)], "cap", " left "),
            id="a duplicate is counted and keeps its twin's value",
        ),
        pytest.param([FAILS, "left"], {}, ([], "failed", None), id="a failed draw ends the step"),
        pytest.param(["right", FAILS], {}, ([R], "failed", "right"), id="and what was drawn before it counts"),
    ],
)  # fmt: skip
def test_first_step_follows_the_algorithm(draws: list[str], knobs: Any, expected: Any) -> None:
    assert told(walk({"start": draws}, **knobs)) == expected


def test_reaching_the_attainable_maximum_stops_a_step_that_cannot_rise() -> None:
    rolls = {**ROLLS, "start": ["1"]}
    assert told(walk({"start": ["1", "left"]}, rolls=rolls)) == ([("1", 1.0)], "maximum", "1")
    assert told(walk({"start": ["grab", "left"]}, best=0.25, rolls=rolls))[1] == "maximum"


def test_the_chosen_value_is_the_next_reference() -> None:
    found = walk({"start": ["left"], "L": ["half", "on"], "M": ["1"]})
    assert [step.previous for step in found.steps] == [0.5, 0.75, 1.0]
    assert told(found, 1) == ([("half", 0.5), ("on", 1.0)], "rose", "on")
    assert found.ended == "done"


def test_every_value_is_the_mean_of_m_rollouts_and_endings_need_none() -> None:
    found = walk({"start": ["right", "grab", "left"]}, rollouts=2)
    assert found.start_value == 0.5
    assert [len(c.estimate.rollouts) for c in found.steps[0].drawn] == [2, 0, 2]
    assert [r.outcome for r in found.steps[0].drawn[0].estimate.rollouts] == [0.0, 0.5]


def test_duplicates_cost_no_rollouts() -> None:
    found = walk({"start": ["right", "right", "left"]})
    assert [row["rollouts_done"] for row in rows_of(found)["candidates"]] == [2, 0, 2, 0]


def test_failed_rollouts_are_left_out_of_the_mean_and_recorded() -> None:
    found = walk({"start": ["left"]}, rolls={**ROLLS, "L": ["1", FAILS]})
    candidate = found.steps[0].drawn[0]
    assert candidate.value == 1.0
    assert [(r.ended, r.outcome) for r in candidate.estimate.rollouts] == [("done", 1.0), ("failed", None)]


def test_a_candidate_whose_rollouts_all_failed_is_never_chosen() -> None:
    found = walk({"start": ["left", "right", "right"]}, rolls={**ROLLS, "L": [FAILS]})
    assert told(found) == ([("left", None), R, R], "cap", "right")


def test_without_a_first_reference_nothing_is_said_to_rise() -> None:
    found = walk({"start": ["left"]}, rolls={**ROLLS, "start": [FAILS]})
    assert (found.ended, found.steps, found.start_value) == ("failed", [], None)
    assert [(one.ended, one.outcome) for one in found.trajectories] == [("failed", None)] * 2


def rows_of(found: Walk) -> Rows:
    return walk_rows([found], Origin("r", 1, "rising", "p", "tabular", "p"), ExploreSettings())


def pairs_of(found: Walk, **knobs: Any) -> list[tuple[str, str, float]]:
    made = extract(rows_of(found), siblings, PairSettings(**knobs), seed=0)
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"], row["margin"]) for row in made]


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        pytest.param({}, [("left", "right", 0.5)], id="lowest by default"),
        pytest.param({"rejected": "first"}, [("left", "up", 0.25)], id="first drawn"),
        pytest.param(
            {"rejected": "all"}, [("left", "up", 0.25), ("left", "right", 0.5)], id="every worse one"
        ),
        pytest.param({"tau": 0.3, "rejected": "all"}, [("left", "right", 0.5)], id="margins above tau only"),
        pytest.param({"tau": 0.5}, [], id="tau itself is not enough"),
        pytest.param({"only_rising": True}, [("left", "right", 0.5)], id="rising chosen"),
    ],
)
def test_pairs_of_a_step_follow_the_rule(knobs: Any, expected: Any) -> None:
    assert pairs_of(walk({"start": ["up", "right", "left"]}), **knobs) == expected


def test_a_step_that_never_rose_still_gives_a_pair_unless_only_rising_is_asked_for() -> None:
    found = walk({"start": ["right", "up", "right"]})
    assert pairs_of(found) == [("up", "right", 0.25)]
    assert pairs_of(found, only_rising=True) == []


@pytest.mark.parametrize(
    ("valid", "only_valid", "kept"), [(False, False, 1), (False, True, 0), (True, True, 1)]
)
def test_a_chosen_action_that_was_refused_makes_a_pair_only_where_allowed(
    valid: bool, only_valid: bool, kept: int
) -> None:
    rows = rows_of(walk({"start": ["right", "left"]}))
    for row in rows["candidates"]:
        row["valid"] = valid or not row["chosen"]
    assert len(extract(rows, siblings, PairSettings(only_valid=only_valid), seed=0)) == kept


def test_a_pair_carries_the_history_that_the_policy_read() -> None:
    found = walk({"start": ["left"], "L": ["0", "on"]})
    made = extract(rows_of(found), siblings, PairSettings(), seed=0)
    assert [turn["content"] for turn in made[0]["prompt"]] == ["start", "left", "L"]
    assert [turn["role"] for turn in made[0]["prompt"]] == ["user", "assistant", "user"]


def test_no_pair_of_equal_actions() -> None:
    assert pairs_of(walk({"start": ["left", " left", "left "]}, epsilon=1.0)) == []


outcomes = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
leaves = st.dictionaries(st.sampled_from("abcd"), outcomes, min_size=1, max_size=4)
TREES = st.builds(
    lambda root, left, right, deep: {
        "start": {**root, "x": "L", "y": "R"},
        "L": {**left, "z": "D"},
        "R": right,
        "D": deep,
    },
    leaves,
    leaves,
    leaves,
    leaves,
)
KNOBS = st.builds(
    ExploreSettings,
    max_candidates=st.integers(1, 5),
    rollouts=st.integers(1, 4),
    epsilon=st.sampled_from([0.0, 0.1]),
    comparator=st.sampled_from([">", ">="]),
    first_reference=st.sampled_from(["rollouts", "zero"]),
    contrast=st.booleans(),
    reuse=st.booleans(),
)


def plainly(tree: Any, policy: Seeded, s: ExploreSettings, seed: int) -> list[Any]:
    """Design section 4 written down once more, with nothing but loops."""

    def stream(name: str) -> str:
        return "" if s.reuse else name

    def rolled(state: str, key: str, step: int) -> float:
        total = 0.0
        for index in range(s.rollouts):
            at, place = state, key
            while isinstance(at, str):
                action = policy.choose(at, seed_for(seed, place, stream(f"rollouts of step {step}"), index))
                at, place = tree[at][action], row_id(place, action)
            total += at
        return total / s.rollouts

    previous = 0.0 if s.first_reference == "zero" else rolled("start", "t", -1)
    state: Any = "start"
    key = "t"
    steps = []
    while isinstance(state, str):
        drawn: list[tuple[str, float, bool]] = []
        reason = ""
        while not reason:
            action = policy.choose(state, seed_for(seed, key, stream("candidates"), len(drawn)))
            target = tree[state][action]
            value = next((v for a, v, _ in drawn if a == action), None)
            if value is None:
                value = rolled(target, row_id(key, action), len(steps)) if isinstance(target, str) else target
            rose = value > previous + s.epsilon or (s.comparator == ">=" and value == previous + s.epsilon)
            drawn.append((action, value, rose))
            if s.contrast and len({a for a, _, _ in drawn}) == 1 and len(drawn) < s.max_candidates:
                continue
            if any(r for *_, r in drawn):
                reason = "rose"
            elif max(v for _, v, _ in drawn) >= 1.0:
                reason = "maximum"
            elif len(drawn) == s.max_candidates:
                reason = "cap"
        best = max(range(len(drawn)), key=lambda k: (drawn[k][1], -k))
        steps.append((drawn, reason, best))
        key = row_id(key, drawn[best][0])
        state, previous = tree[state][drawn[best][0]], drawn[best][1]
    return steps


@settings(max_examples=300, deadline=None)
@given(TREES, KNOBS, st.integers(0, 2**32))
def test_the_walk_equals_the_plain_algorithm_on_random_trees(tree: Any, knobs: Any, seed: int) -> None:
    environment, policy = Tabular(tree), Seeded(tree)
    found = asyncio.run(Walker(environment, policy, policy, knobs, seed).walk(environment.task))
    seen = [
        (
            [(candidate.act.draw.action, candidate.value, candidate.rose) for candidate in step.drawn],
            step.stop_reason,
            next(candidate.index for candidate in step.drawn if candidate.chosen),
        )
        for step in found.steps
    ]
    assert seen == plainly(tree, policy, knobs, seed)


@settings(max_examples=100, deadline=None)
@given(TREES, KNOBS, st.integers(0, 2**32))
def test_pairs_always_prefer_the_higher_value_and_differ_in_action(tree: Any, knobs: Any, seed: int) -> None:
    environment, policy = Tabular(tree), Seeded(tree)
    found = asyncio.run(Walker(environment, policy, policy, knobs, seed).walk(environment.task))
    for chosen, rejected, margin in pairs_of(found, rejected="all"):
        assert margin > 0.01
        assert chosen != rejected
