"""`compat="fixed"` does what the reward's docstring says of each quirk, and `upstream` keeps the quirk."""

import logging
from typing import Any

import pytest

from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from rro.tasks.environments.webshop.goals import SPLITS, Goal, GoalOption
from rro.tasks.environments.webshop.likeness import Compat, close, option_matches
from rro.tasks.environments.webshop.product import sections_of
from rro.tasks.environments.webshop.reward import best_reward, purchase_reward
from tests.environments.contract import check_environment
from tests.environments.small_shop import PRODUCTS, after, goal, product


def both(values: Any) -> list[tuple[Compat, Any]]:
    return list(zip(("upstream", "fixed"), values, strict=True))


# What is wanted, the name and value that are chosen, and whether upstream and the fixed reward take it.
OPTIONS: list[tuple[GoalOption, str, str, tuple[bool, bool]]] = [
    ("blue", "color", "navy blue", (True, True)),
    ("sky-blue", "color", "blue", (True, True)),
    ("standard", "color", "tan", (True, False)),
    ("textured", "color", "red", (True, False)),
    ("standard", "size", "standard", (True, True)),
    (("size", "large"), "size", "size", (True, False)),
    (("color", "sky blue"), "color", "blue", (True, True)),
    (("color", "blue"), "color", "sky blue", (True, True)),
    (("shade", "lightblue"), "shade", "lightblue", (False, True)),
    (("top", "red"), "bottom", "red", (True, False)),
    (("top", "red"), "top", "red", (True, True)),
    ("red", "bottom", "red", (True, True)),
    ("++", "size", "++", (False, True)),
    (("size", "++"), "size", "++", (False, True)),
    ("++", "size", "--", (False, False)),
]


@pytest.mark.parametrize(("wanted", "name", "value", "taken"), OPTIONS)
def test_options_are_compared_by_name_and_value_and_whole_words(
    wanted: GoalOption, name: str, value: str, taken: tuple[bool, bool]
) -> None:
    for compat, expected in both(taken):
        assert option_matches(wanted, value, name, compat) is expected, compat


def test_likeness_is_not_rounded() -> None:
    left, right = "a" * 64 + "b" * 11, "a" * 64 + "c" * 11
    for compat, expected in both((False, True)):
        assert close(left, right, compat) is expected, compat


# Nouns of the wanted product, bought nouns, same query, and r_type in upstream's and in the fixed way.
KINDS = [
    (("mug", "mug", "mug", "x", "y"), ("mug",), False, (0.5, 1.0)),
    (("bowl",), ("mug",), True, (0.0, 0.5)),
    (("mug", *"bcdefghijkl"), ("mug",), True, (0.1, 0.5)),
    (("bowl",), ("mug",), False, (0.0, 0.0)),
    (("mug", *"bcdefghijkl"), ("mug",), False, (0.1, 0.1)),
    (("mug",), ("mug",), True, (1.0, 1.0)),
    ((), ("mug",), False, (0.5, 0.5)),
]


@pytest.mark.parametrize(("wanted", "bought", "same_query", "r_types"), KINDS)
def test_titles_are_compared_as_sets_and_the_right_category_counts(
    wanted: tuple[str, ...], bought: tuple[str, ...], same_query: bool, r_types: tuple[float, float]
) -> None:
    own = product("B1", "own", nouns=wanted, query="mugs", sections=sections_of("Garden"))
    other = product("B2", "other", nouns=bought, query="mugs" if same_query else "cups")
    wish = Goal("human-0", "train", own, "buy it", ("hand made",), (), 100.0)
    for compat, expected in both(r_types):
        reward = purchase_reward(other, wish, {}, compat)
        assert (reward.r_type, reward.total) == (expected, expected / 2), compat


@pytest.mark.parametrize(
    ("options", "best"),
    [
        ((("color", "blue"), ("size", "large")), (1.0, 1.0)),
        ((("size", "blue"),), (1.0, 2 / 3)),
        ((("color", "red"), ("color", "blue")), (3 / 4, 3 / 4)),
        (("nowhere",), (2 / 3, 2 / 3)),
    ],
)
def test_the_best_reward_follows_the_same_rules(
    options: tuple[GoalOption, ...], best: tuple[float, float]
) -> None:
    for compat, expected in both(best):
        assert best_reward(goal(options=options), compat) == expected, compat


def test_a_purchase_is_scored_by_the_rules_of_the_visit() -> None:
    mug = product("B0MUGS0009", "mug", options={"size": ("++",)})
    shop = Catalogue.of(
        [*PRODUCTS, mug], [Goal("human-0", "train", mug, "a mug", ("x",), ("++",), 50.0)], {}, ""
    )
    for compat, options_met in both((0, 1)):
        moves = ("search[mug]", "click[b0mugs0009]", "click[++]", "click[buy now]")
        reward = after(shop, *moves, compat=compat).reward
        assert reward is not None
        assert reward.r_option == options_met


def test_the_fixed_shop_keeps_the_contract_and_says_so_in_its_digest() -> None:
    shops = [WebShop(ShopOptions(compat=compat)) for compat in ("upstream", "fixed")]
    check_environment(shops[1])
    assert shops[0].digest != shops[1].digest
    assert {task.best for split in SPLITS for task in shops[1].tasks(split)} == {1.0}


def test_positional_splits_are_upstreams_and_say_that_they_leak(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        shop = WebShop(ShopOptions(splits="positional"))
    assert "500 of 500 test goals ask for a product that is trained on too" in caplog.text
    assert [task.id for task in shop.tasks("test")] == [f"human-{i}" for i in range(500)]
    assert [task.id for task in shop.tasks("validation")] == [f"human-{i}" for i in range(500, 1500)]
    assert [task.id for task in shop.tasks("train")] == [f"human-{i}" for i in range(1500, 7200)]
    assert shop.digest != WebShop(ShopOptions()).digest


def test_splits_by_product_warn_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        WebShop(ShopOptions())
    assert caplog.text == ""
