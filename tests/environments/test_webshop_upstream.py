"""Replays recordings of the original WebShop: every search, observation, clickable, reward must be equal.

The recordings are not part of the repository; without them these tests are skipped and say where they are looked for.
"""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.environments.webshop.analysis import analyse
from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from rro.tasks.environments.webshop.episode import Rules, ShopEpisode
from rro.tasks.environments.webshop.goals import Goal
from rro.tasks.environments.webshop.pages import Mode
from rro.tasks.environments.webshop.reward import purchase_reward

FOLDER = Path(__file__).parents[3] / "shared/benchmarks/webshop"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings of upstream WebShop in {FOLDER}")

Row = dict[str, Any]


def rows(stem: str) -> list[Row]:
    (path,) = FOLDER.glob(f"{stem}*.jsonl.gz")
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line]


@pytest.fixture(scope="module")
def real() -> Catalogue:
    return Catalogue.load(str(FOLDER))


@pytest.fixture(scope="module")
def goals(real: Catalogue) -> dict[str, Goal]:
    return {goal.id: goal for goal in real.goals}


def goal_of(row: Row, goals: dict[str, Goal]) -> Goal:
    return goals[f"{row['goals']}-{row['goal_id']}"]


def test_documents_are_the_texts_that_upstream_indexes(real: Catalogue) -> None:
    for row in rows("products"):
        assert real.by_asin[row["id"]].document == row["contents"]


def test_our_analysis_of_documents_is_lucenes(real: Catalogue) -> None:
    vectors = rows("lucene_term_vectors")
    different = [
        row["id"] for row in vectors if Counter(analyse(real.by_asin[row["id"]].document)) != row["tf"]
    ]
    assert len(vectors) == len(real.products)
    assert different == []


@pytest.mark.parametrize("terms", ["given", "own"])
def test_searches_return_lucenes_top_fifty_in_its_order(real: Catalogue, terms: str) -> None:
    own = Catalogue(list(real.products), list(real.goals), {}, "own terms")
    catalogue = real if terms == "given" else own
    for row in rows("lucene_top50_reference"):
        assert analyse(row["query"]) == row["tokens"]
        found = [product.asin for product in catalogue.find(row["query"], seed="")]
        assert found == [asin for asin, _ in row["hits"]], row["query"]


def test_rewards_and_all_their_parts_are_upstreams(real: Catalogue, goals: dict[str, Goal]) -> None:
    for row in rows("golden_rewards"):
        ours = purchase_reward(real.by_asin[row["asin"]], goal_of(row, goals), row["options"])
        assert ours.total == row["reward"]
        assert {name: getattr(ours, name) for name in PARTS} == {name: row.get(name) for name in PARTS}


PARTS = ("r_type", "r_att", "r_option", "r_price", "query_match", "category_match", "title_score")


@pytest.mark.parametrize(("mode", "key"), [("text", "observation"), ("text_rich", "observation_rich")])
def test_episodes_read_click_and_end_as_upstream(
    real: Catalogue, goals: dict[str, Goal], mode: Mode, key: str
) -> None:
    rules = Rules(real, mode, page_size=10, max_turns=1000, notes=False)
    for number, recording in enumerate(rows("golden_episodes")):
        episode = ShopEpisode(rules, goal_of(recording, goals))
        assert episode.page_text() == recording["reset"][key], number
        for step in recording["steps"]:
            turn = episode.step(step["action"])
            where = (number, step["action"])
            assert episode.page_text() == step[key], where
            assert episode.clickables() == step["available"]["clickables"], where
            assert (turn.raw_reward, turn.done) == (step["reward"], step["done"]), where
            assert not turn.done or episode.options == step["options"], where


def test_attainable_rewards_are_those_that_oracles_reached() -> None:
    shop = WebShop(ShopOptions(catalogue=str(FOLDER)))
    tasks = [task for split in shop.splits for task in shop.tasks(split)]
    assert len(tasks) == 6923
    assert all(0.6 < task.best <= 1 for task in tasks)
    assert sum(task.best == 1 for task in tasks) >= 6452 + 13
