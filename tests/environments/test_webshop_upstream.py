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
from rro.tasks.environments.webshop.verify import find_recordings, verify

FOLDER = Path(__file__).parents[3] / "shared/benchmarks/webshop"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings of upstream WebShop in {FOLDER}")

Row = dict[str, Any]


def rows(stem: str) -> list[Row]:
    (path,) = FOLDER.glob(f"{stem}*.jsonl.gz")
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line]


@pytest.fixture(scope="module")
def real() -> Catalogue:
    return Catalogue.load(str(FOLDER))


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


def test_our_analysis_of_queries_is_lucenes() -> None:
    for row in rows("lucene_top50_reference"):
        assert analyse(row["query"]) == row["tokens"]


COUNTS = {"searches": 553, "episodes": 152, "steps": 1678, "rewards": 1987}


def test_every_search_page_and_reward_is_upstreams(real: Catalogue) -> None:
    checks = list(verify(real, find_recordings(FOLDER)))
    assert [check for check in checks if check.difference] == []
    assert Counter(check.kind for check in checks) == COUNTS


def test_searches_are_lucenes_with_our_own_analysis_too(real: Catalogue) -> None:
    own = Catalogue.of(list(real.products), list(real.goals), {}, "own terms")
    searches = {"searches": find_recordings(FOLDER)["searches"]}
    assert [check for check in verify(own, searches) if check.difference] == []


def test_attainable_rewards_are_those_that_oracles_reached() -> None:
    shop = WebShop(ShopOptions(catalogue=str(FOLDER)))
    tasks = [task for split in shop.splits for task in shop.tasks(split)]
    assert len(tasks) == 6923
    assert all(0.6 < task.best <= 1 for task in tasks)
    assert sum(task.best == 1 for task in tasks) >= 6452 + 13
