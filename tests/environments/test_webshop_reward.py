"""What purchases are worth, worked out by hand, upstream's quirks included."""

from typing import Any

import pytest

from rro.tasks.environments.webshop.goals import Goal, GoalOption
from rro.tasks.environments.webshop.likeness import COLOURS, close, option_matches
from rro.tasks.environments.webshop.product import Product, sections_of
from rro.tasks.environments.webshop.reward import best_reward, purchase_reward
from tests.environments.small_shop import PRODUCTS, goal, product

MUG, OTHER_MUG, PAN, TENT = PRODUCTS


def make_goal(own: Product, **changes: Any) -> Goal:
    fields: dict[str, Any] = {"attributes": ("hand made",), "options": (), "price_upper": 100.0, **changes}
    return Goal("human-0", "train", own, "buy it", **fields)


@pytest.mark.parametrize(
    ("bought", "options", "upper", "total"),
    [
        (MUG, {"color": "blue"}, 20.0, 3 / 3),
        (MUG, {"color": "red"}, 20.0, 2 / 3),
        (MUG, {}, 20.0, 2 / 3),
        (MUG, {"color": "blue"}, 10.0, 3 / 3),
        (MUG, {"color": "blue"}, 9.99, 2 / 3),
        (OTHER_MUG, {}, 20.0, 1 / 3),
        (OTHER_MUG, {}, 14.0, 0.0),
        (TENT, {}, 20.0, 0.0),
    ],
)
def test_a_reward_is_the_share_of_wishes_met(
    bought: Product, options: dict[str, str], upper: float, total: float
) -> None:
    assert purchase_reward(bought, goal(price_upper=upper), options).total == total


@pytest.mark.parametrize(
    ("nouns", "query", "path", "r_type"),
    [
        (("mug",), "mugs", "Home › Kitchen", 1.0),
        (("mug",), "cups", "Garden", 1.0),
        (("mug", "b", "c", "d", "e"), "cups", "Garden", 0.5),
        (("mug", "b", "c", "d", "e"), "cups", "Home › Kitchen", 1.0),
        (("mug", *"bcdefghijkl"), "mugs", "Home › Kitchen", 0.1),
        (("bowl",), "mugs", "Home › Kitchen", 0.0),
        ((), "mugs", "Home", 1.0),
        ((), "cups", "Garden", 0.5),
        (("mug", "mug", "mug", "x", "y"), "cups", "Garden", 0.5),
    ],
)
def test_the_kind_of_product_scales_the_reward(
    nouns: tuple[str, ...], query: str, path: str, r_type: float
) -> None:
    bought = product("B0", "mug", nouns=("mug",))
    wanted = product("B1", "wanted", nouns=nouns, query=query, sections=sections_of(path))
    reward = purchase_reward(bought, make_goal(wanted), {})
    assert reward.r_type == r_type
    assert reward.total == r_type * 1 / 2


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({"attributes": ("made by hand", "hand made")}, True),
        ({"attributes": ("handmade",)}, True),
        ({"attributes": ("machine made",)}, False),
        ({"title": "A HAND MADE mug"}, True),
        ({"bullets": ("made", "here", "hand")}, False),
        ({"bullets": ("by hand", "made here")}, True),
        ({"description": "Beforehand made"}, True),
    ],
)
def test_an_attribute_is_met_by_likeness_or_by_being_in_the_texts(changes: dict[str, Any], met: bool) -> None:
    fields = {"title": "mug", "nouns": ("mug",), **changes}
    bought = product("B0", fields.pop("title"), **fields)
    assert purchase_reward(bought, make_goal(MUG), {}).r_att == met


@pytest.mark.parametrize(
    ("wanted", "value", "matches"),
    [
        ("blue", "navy blue", True),
        ("blue", "sky blue", True),
        ("blue stripes", "blue dots", True),
        ("standard", "tan", True),
        ("textured", "red", True),
        ("large", "x-large", True),
        ("large", "small", False),
        ("8.5", "8.5 wide", True),
        ("5x7", "5x8", False),
        (("color", "blue"), "blue", True),
        (("color", "sky blue"), "blue", True),
        (("size", "large"), "large", True),
        (("size", "large"), "size", True),
        (("size", "8"), "9", False),
        ("", "", False),
        ("é", "", False),
    ],
)
def test_an_option_is_met_by_its_colour_or_by_likeness(wanted: GoalOption, value: str, matches: bool) -> None:
    assert option_matches(wanted, value) is matches


def test_likeness_is_rounded_before_it_is_compared() -> None:
    # rapidfuzz gives 85.33: more than 85, but rounded it is not.
    assert not close("a" * 64 + "b" * 11, "a" * 64 + "c" * 11)
    assert close("a" * 66 + "b" * 10, "a" * 66 + "c" * 10)


def test_there_are_102_colour_words() -> None:
    assert len(COLOURS) == len(set(COLOURS)) == 102


@pytest.mark.parametrize(
    ("options", "best"),
    [
        ((), 1.0),
        (("blue", "large"), 1.0),
        (("blue", "red"), 3 / 4),
        (("nowhere",), 2 / 3),
        ((("color", "blue"), ("size", "large")), 1.0),
    ],
)
def test_the_best_reward_is_what_the_goals_own_product_can_bring(
    options: tuple[GoalOption, ...], best: float
) -> None:
    assert best_reward(goal(options=options)) == best
