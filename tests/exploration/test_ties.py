"""Pairs of equal values, `pairs.ties`: the sooner of two ways is chosen, on request alone."""

import asyncio
from typing import Any

import pytest

from rro.tasks.exploration.origin import Origin, Rows
from rro.tasks.exploration.pairs import extract, siblings
from rro.tasks.exploration.rows import walk_rows
from rro.tasks.exploration.walk import Walker
from rro.tasks.settings import ExploreSettings, PairSettings

from .tabular import Scripted, Tabular, Tree

TREE: Tree = {
    "start": {"short": "S", "long": "L", "longer": "M", "end": 0.5},
    "S": {"half": 0.5, "0": 0.0},
    "L": {"on": "S"},
    "M": {"on": "L"},
}


def explored(draws: list[str], outcome: str = "half") -> Rows:
    """A walk whose first step draws these; all of them lead to one last action."""
    rolls = {"start": ["end"], "S": [outcome], "L": ["on"], "M": ["on"]}
    knobs = ExploreSettings(rollouts=2, max_candidates=len(draws))
    environment = Tabular(TREE)
    walker = Walker(environment, Scripted({**rolls, "start": draws}), Scripted(rolls), knobs, seed=0)
    walk = asyncio.run(walker.walk(environment.task))
    return walk_rows([walk], Origin("r", 1, "rising", "p", "tabular", "p"), knobs)


def pairs(rows: Rows, **knobs: Any) -> list[tuple[str, str, float]]:
    made = extract(rows, siblings, PairSettings(**knobs), seed=0)
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"], row["margin"]) for row in made]


@pytest.mark.parametrize(
    ("draws", "knobs", "expected"),
    [
        pytest.param(["longer", "short"], {}, [], id="no pair by default"),
        pytest.param(["longer", "short"], {"ties": 2}, [("short", "longer", 0.0)], id="two actions sooner"),
        pytest.param(["longer", "short"], {"ties": 2.5}, [], id="not soon enough"),
        pytest.param(["long", "end", "longer"], {"ties": 1}, [("end", "longer", 0.0)], id="ends at once"),
        pytest.param(["short", "short"], {"ties": 1}, [], id="the same action twice"),
        pytest.param(["longer", "short"], {"ties": 2, "only_rising": True}, [], id="none rose"),
    ],
)
def test_the_sooner_of_equal_values_is_chosen(draws: list[str], knobs: Any, expected: Any) -> None:
    assert pairs(explored(draws), **knobs) == expected


def test_failing_sooner_is_not_preferred() -> None:
    assert pairs(explored(["longer", "short"], outcome="0"), ties=1) == []


def test_a_worse_sibling_comes_before_a_tie() -> None:
    assert pairs(explored(["longer", "short", "end"], outcome="0"), ties=1) == [("end", "longer", 0.5)]


def test_a_sooner_way_that_the_environment_refused_is_kept_only_where_allowed() -> None:
    rows = explored(["longer", "short"])
    for row in rows["candidates"]:
        row["valid"] = row["action"] != "short"
    assert len(pairs(rows, ties=1)) == 1
    assert pairs(rows, ties=1, only_valid=True) == []
