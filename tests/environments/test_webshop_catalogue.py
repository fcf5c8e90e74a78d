"""The shipped catalogue is what its generator makes, and is fair: goals can be met, and only by what they ask."""

import gzip
import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from rro.data import resource
from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from rro.tasks.environments.webshop.generate import GOALS_PER_PRODUCT, generate
from rro.tasks.environments.webshop.goals import SPLITS, Goal, split_of
from rro.tasks.environments.webshop.lexicon import OPTION_VALUES, SECTIONS
from rro.tasks.environments.webshop.likeness import close, option_matches
from rro.tasks.environments.webshop.product import price_amounts, read_product
from rro.tasks.environments.webshop.reward import purchase_reward
from rro.tasks.errors import UserError


def chosen_options(goal: Goal) -> dict[str, str]:
    """The goal's own options by name."""
    return {
        name: value
        for name, values in goal.product.options.items()
        for value in values
        if value in goal.options
    }


def test_the_shipped_files_are_what_seed_0_makes() -> None:
    made = generate(seed=0)
    shipped = {entry.name: entry.read_text(encoding="utf-8") for entry in resource("webshop").iterdir()}
    assert sorted(made) == sorted(shipped)
    for name, text in made.items():
        assert text == shipped[name], f"{name} differs: run rro.tasks.environments.webshop.generate"


def test_another_seed_makes_another_catalogue() -> None:
    assert generate(seed=1)["products.jsonl"] != generate(seed=0)["products.jsonl"]


def test_it_has_the_sizes_it_promises(bundled: Catalogue) -> None:
    goals = Counter(goal.split for goal in bundled.goals)
    assert len(bundled.products) == 900
    assert len({product.category for product in bundled.products}) == 18
    assert goals == {"train": 5040, "validation": 720, "test": 1440}
    assert all(len(product.options) <= 3 for product in bundled.products)
    assert all(3 <= len(values) <= 6 for product in bundled.products for values in product.options.values())
    assert 40 <= sum(" to " in product.price_text for product in bundled.products) <= 120


def test_no_product_is_asked_for_in_two_splits(bundled: Catalogue) -> None:
    splits: dict[str, set[str]] = {}
    for goal in bundled.goals:
        splits.setdefault(goal.product.asin, set()).add(goal.split)
    assert {len(names) for names in splits.values()} == {1}
    assert len(bundled.goals) == GOALS_PER_PRODUCT * len(splits)


def test_any_first_part_of_a_split_is_a_fair_sample(bundled: Catalogue) -> None:
    for split in SPLITS:
        goals = [goal for goal in bundled.goals if goal.split == split]
        first = Counter(goal.product.category for goal in goals[: len(goals) // 2])
        assert len(first) == 18
        assert max(first.values()) < 2.5 * min(first.values())


def test_buying_what_is_asked_for_earns_everything(bundled: Catalogue) -> None:
    for goal in bundled.goals:
        assert purchase_reward(goal.product, goal, chosen_options(goal)).total == 1.0, goal.instruction


def test_every_task_can_be_solved(shop: WebShop) -> None:
    assert {task.best for split in SPLITS for task in shop.tasks(split)} == {1.0}


def test_every_option_left_out_costs(bundled: Catalogue) -> None:
    for goal in bundled.goals:
        options = chosen_options(goal)
        for name in options:
            rest = {key: value for key, value in options.items() if key != name}
            assert purchase_reward(goal.product, goal, rest).total < 1, goal.instruction


@pytest.mark.parametrize("name", OPTION_VALUES)
def test_no_option_value_passes_for_another(name: str) -> None:
    assert not [pair for pair in combinations(OPTION_VALUES[name], 2) if option_matches(*pair)]


def test_no_attribute_is_met_by_accident(bundled: Catalogue) -> None:
    pool = {word for section in SECTIONS for word in section.attributes}
    assert not [pair for pair in combinations(sorted(pool), 2) if close(*pair)]
    for product in bundled.products:
        texts = " ".join((product.title, product.description, *product.bullets)).lower()
        assert {word for word in pool if word in texts} == set(product.attributes), product.asin


def test_instructions_are_short_and_name_what_is_wanted(bundled: Catalogue) -> None:
    for goal in bundled.goals:
        words = goal.instruction.replace(",", "").split()
        assert 10 <= len(words) <= 25, goal.instruction
        assert {*goal.attributes, *map(str, goal.options)} <= set(words), goal.instruction
        assert goal.instruction.endswith(f", and price lower than {goal.price_upper:.2f} dollars")
        assert len(chosen_options(goal)) == len(goal.options), goal.instruction


def test_titles_are_short_and_tell_two_attributes(bundled: Catalogue) -> None:
    for product in bundled.products:
        assert 4 <= len(product.title.split()) <= 7
        assert sum(word in product.title.split() for word in product.attributes) == 2
        assert set(product.nouns) <= set(product.title.lower().split())


def test_the_price_bound_leaves_some_sibling_out(bundled: Catalogue) -> None:
    dear = [
        goal
        for goal in bundled.goals
        if any(p.query == goal.product.query and p.price > goal.price_upper for p in bundled.products)
    ]
    assert len(dear) > len(bundled.goals) / 2


@pytest.mark.parametrize(
    ("pricing", "amounts"),
    [
        (None, [100.0]),
        ("", [100.0]),
        ("$24.50", [24.5]),
        ("$1,024.50", [1024.5]),
        ("$5.00$7.00", [5.0, 7.0]),
        ("$5.00 to $7.00", [5.0, 7.0]),
        ([3.0], [3.0]),
        ([3.0, 4.0, 5.0], [3.0, 4.0]),
    ],
)
def test_prices_are_read_as_upstream_reads_them(pricing: Any, amounts: list[float]) -> None:
    assert price_amounts(pricing) == amounts


ROW: dict[str, Any] = {
    "asin": "B0RAWS0001",
    "name": "Raw Mug",
    "full_description": "Text.",
    "pricing": "$5.00 to $7.00",
    "small_description": "One bullet.",
    "product_category": "Home › Kitchen",
    "customization_options": {"Color": [{"value": " Blue/Red "}], "Size": None},
    "category": "kitchen",
    "query": " Mugs ",
}


def test_a_raw_row_is_read_as_upstream_reads_it() -> None:
    product = read_product(ROW, {"B0RAWS0001": ["mug"]}, {"B0RAWS0001": 6.25}, {})
    assert (product.options, product.query) == ({"color": ("blue | red",)}, "mugs")
    assert (product.price, product.price_text) == (6.25, "$5.0 to $7.0")
    assert product.attributes == ("DUMMY_ATTR",)
    assert product.document == "raw mug text. one bullet. color: blue | red"


def write_catalogue(folder: Path, **changes: str | None) -> Path:
    files = {
        "products.jsonl": json.dumps(ROW) + "\n",
        "goals_human.jsonl": json.dumps(
            {
                "goal_id": 0,
                "asin": "B0RAWS0001",
                "instruction_text": "a mug",
                "attributes": ["x"],
                "price_upper": 9,
                "goal_options": [],
            }
        ),
        "title_nouns.json": '{"B0RAWS0001": ["mug"]}',
        "prices.json": '{"B0RAWS0001": 6.25}',
        **changes,
    }
    for name, text in files.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def test_a_folder_is_read_and_its_goals_are_split_by_product(tmp_path: Path) -> None:
    shop = WebShop(ShopOptions(catalogue=str(write_catalogue(tmp_path))))
    assert [task.id for task in shop.tasks(split_of("B0RAWS0001"))] == ["human-0"]


def test_packed_files_are_read_alike(tmp_path: Path) -> None:
    plain = Catalogue.load(str(write_catalogue(tmp_path)))
    packed = gzip.compress((tmp_path / "products.jsonl").read_bytes())
    (tmp_path / "products.jsonl").unlink()
    (tmp_path / "products.jsonl.gz").write_bytes(packed)
    assert Catalogue.load(str(tmp_path)).products[0].document == plain.products[0].document


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        ({"products.jsonl": None}, "no file with 'products'"),
        ({"products.jsonl": "{"}, "products.jsonl, line 1: not JSON"),
        ({"products.jsonl": "{}"}, "product None: 'asin' must hold text"),
        (
            {"products.jsonl": json.dumps({**ROW, "customization_options": {"a": 1}})},
            "cannot be read: TypeError",
        ),
        ({"products.jsonl": "[]"}, "products.jsonl, line 1: an object is needed"),
        ({"prices.json": "{"}, "prices.json: not JSON"),
        ({"goals_human.jsonl": None}, "has no goals"),
        ({"prices.json": None}, "B0RAWS0001: the catalogue's purchase prices"),
        ({"title_nouns.json": "{}"}, "no file with 'title_nouns'|title nouns do not list it"),
        ({"old_products.jsonl": "{}"}, "'products' is in several names: old_products.jsonl, products.jsonl"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_by_name(
    tmp_path: Path, break_it: dict[str, str | None], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Catalogue.load(str(write_catalogue(tmp_path, **break_it)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"asin": "B0NONE0001"}, "goal 0: product B0NONE0001"), ({"attributes": []}, "goal 0: no attributes")],
)
def test_a_goal_that_cannot_be_shopped_for_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    goals = write_catalogue(tmp_path) / "goals_human.jsonl"
    goals.write_text(json.dumps({**json.loads(goals.read_text()), **changes}))
    with pytest.raises(UserError, match=message):
        Catalogue.load(str(tmp_path))


def test_a_missing_folder_is_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"nowhere.*no such folder.*bundled"):
        Catalogue.load("nowhere")


def test_split_shares_are_70_10_20() -> None:
    counts = Counter(split_of(f"B{number:09d}") for number in range(5000))
    assert [round(counts[split] / 5000, 1) for split in SPLITS] == [0.7, 0.1, 0.2]
