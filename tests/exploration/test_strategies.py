"""Every strategy yields exactly the pairs, or the dialogues, that its definition demands on a tree known by hand."""

import asyncio
from typing import Any

import pytest

from rro.tasks.exploration.origin import EXPERT, Origin, Rows
from rro.tasks.exploration.pairs import explored_tasks, extract
from rro.tasks.exploration.rows import walk_rows
from rro.tasks.exploration.strategies import STRATEGIES, make_strategy
from rro.tasks.exploration.walk import Walk, Walker
from rro.tasks.settings import ExploreSettings, PairSettings

from .tabular import Scripted, Tabular, Tree

TREE: Tree = {
    "start": {"left": "L", "right": "R", "up": "U"},
    "L": {"on": "M", "0": 0.0, "half": 0.5},
    "R": {"0": 0.0, "half": 0.5},
    "U": {"half": 0.5, "1": 1.0},
    "M": {"0": 0.0, "half": 0.5, "1": 1.0},
}
EXPERT_WAY = {"start": "left", "L": "on", "M": "half"}
"""The expert: left, on, half; it ends with 0.5."""


def explored(draws: dict[str, list[str]], rolls: dict[str, list[str]], **knobs: Any) -> tuple[Walk, Rows]:
    explore = ExploreSettings(**{"rollouts": 1, **knobs})
    environment = Tabular(TREE)
    policy, scorer = Scripted(draws), Scripted(rolls)
    walker = Walker(environment, policy, scorer, explore, 0, lambda task: EXPERT_WAY.__getitem__)
    walk = asyncio.run(walker.walk(environment.task))
    return walk, walk_rows([walk], Origin("r", 1, explore.strategy, "p", "tabular", "p"), explore)


def pairs(rows: Rows, strategy: str, **knobs: Any) -> list[tuple[str, str, str, float]]:
    rule = make_strategy(ExploreSettings(strategy=strategy)).pairs
    made = extract(rows, rule, PairSettings(**knobs), seed=0)
    return [
        (spoken(row["prompt"]), spoken(row["chosen"]), spoken(row["rejected"]), row["margin"]) for row in made
    ]


def spoken(turns: list[dict[str, str]]) -> str:
    """What the agent says in capitals of its role: `<observation> action <observation> action`."""
    return " ".join(f"<{t['content']}>" if t["role"] == "user" else t["content"] for t in turns)


def test_every_strategy_is_registered_under_its_own_name() -> None:
    assert all(name == kind.name for name, kind in STRATEGIES.items())


def test_fixed_draws_k_at_every_step_and_pairs_best_with_worst() -> None:
    draws = {"start": ["left", "right", "up"], "U": ["1", "half", "half"]}
    walk, rows = explored(
        draws,
        {"start": ["right"], "L": ["half"], "R": ["0"], "U": ["1"]},
        strategy="fixed",
        max_candidates=3,
    )
    assert [len(step.drawn) for step in walk.steps] == [3, 3]
    assert pairs(rows, "fixed") == [
        ("<start>", "up", "right", 1.0),
        ("<start> up <U>", "1", "half", 0.5),
    ]


ALONG = {"start": ["right"], "L": ["half"], "M": ["1"]}
"""What the agent draws beside the expert."""
SCORES = {"start": ["up"], "L": ["on"], "R": ["0"], "M": ["half"], "U": ["half"]}
"""L and M are worth 0.5, R 0.0; the agent's own whole trajectory is up, half: 0.5."""


def test_ipr_walks_the_experts_way_and_scores_its_action_beside_the_agents() -> None:
    walk, rows = explored(ALONG, SCORES, strategy="ipr")
    assert [[(c.drawn_by, c.act.draw.action, c.value) for c in step.drawn] for step in walk.steps] == [
        [(EXPERT, "left", 0.5), ("scripted", "right", 0.0)],
        [(EXPERT, "on", 0.5), ("scripted", "half", 0.5)],
        [(EXPERT, "half", 0.5), ("scripted", "1", 1.0)],
    ]
    assert [step.chosen.drawn_by for step in walk.steps if step.chosen] == [EXPERT] * 3
    assert [row["action"] for row in rows["steps"]] == ["left", "on", "half"]


def test_ipr_pairs_need_values_and_outcomes_that_agree_and_the_agent_may_win() -> None:
    _, rows = explored(ALONG, SCORES, strategy="ipr")
    assert pairs(rows, "ipr") == [
        ("<start>", "left", "right", 0.5),
        ("<start> left <L> on <M>", "1", "half", 0.5),
    ]
    assert pairs(rows, "ipr", tau=0.5) == []


def test_ipr_drops_a_step_where_the_outcome_contradicts_the_value() -> None:
    # Right is worth 0.25 (below the expert's 0.5), but the agent's own continuation, rollout 0, ends with 0.5 as well.
    scores = {**SCORES, "R": ["half", "0"]}
    _, rows = explored(ALONG, scores, strategy="ipr", rollouts=2)
    assert [chosen for _, chosen, _, _ in pairs(rows, "ipr")] == ["1"]


def test_ipr_as_published_compares_suffixes() -> None:
    _, rows = explored(ALONG, SCORES, strategy="ipr")
    assert pairs(rows, "ipr", span="suffix")[0] == ("<start>", "left <L> on <M> half", "right <R> 0", 0.5)


def test_ipr_and_eto_pair_whole_trajectories_by_outcome() -> None:
    scores = {**SCORES, "start": ["right"]}
    whole = ("<start>", "left <L> on <M> half", "right <R> 0", 0.5)
    for strategy in ("ipr", "eto"):
        _, rows = explored(ALONG, scores, strategy=strategy)
        assert pairs(rows, strategy)[0] == whole


def test_eto_takes_no_steps_counts_equal_trajectories_once_and_lets_the_better_win() -> None:
    rolls = {"start": ["up", "up", "right", "left"], "U": ["1"], "R": ["0"], "L": ["on"], "M": ["half"]}
    walk, rows = explored({}, rolls, strategy="eto", trajectories=4)
    assert (walk.ended, walk.steps, len(walk.trajectories)) == ("trajectories", [], 4)
    assert pairs(rows, "eto") == [
        ("<start>", "up <U> 1", "left <L> on <M> half", 0.5),
        ("<start>", "left <L> on <M> half", "right <R> 0", 0.5),
    ]
    assert [row["scorer"] for row in rows["rollouts"]] == ["p"] * 4 + [EXPERT]


def test_rft_keeps_each_different_success_and_makes_no_pairs() -> None:
    rolls = {"start": ["up", "up", "right", "left"], "U": ["1"], "R": ["0"], "L": ["on"], "M": ["1"]}
    _, rows = explored({}, rolls, strategy="rft", trajectories=4)
    assert pairs(rows, "rft") == []
    strategy = make_strategy(ExploreSettings(strategy="rft"))
    (task,) = explored_tasks(rows)
    assert [spoken(turns) for turns in strategy.dialogues(task)] == [
        "<start> up <U> 1",
        "<start> left <L> on <M> 1",
    ]
    assert strategy.trains == "sft"


@pytest.mark.parametrize("strategy", ["rising", "fixed"])
def test_a_suffix_is_the_action_and_its_first_rollout(strategy: str) -> None:
    rolls = {"start": ["right"], "L": ["half"], "R": ["0"], "U": ["1"]}
    _, rows = explored({"start": ["right", "up"], "U": ["1"]}, rolls, strategy=strategy, max_candidates=2)
    assert pairs(rows, strategy, span="suffix")[0] == ("<start>", "up <U> 1", "right <R> 0", 1.0)
    assert pairs(rows, strategy)[0] == ("<start>", "up", "right", 1.0)
