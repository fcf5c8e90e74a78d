"""The scripted shopper reads what an agent reads, and its flaws cost what they should."""

from collections.abc import Callable
from statistics import mean
from typing import Any

import pytest

from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from rro.tasks.environments.webshop.expert import ShopExpert, ShopExpertOptions
from tests.environments.contract import play
from tests.environments.small_shop import after, small_shop, visit

FLAWLESS = ShopExpertOptions(forget_option=0, ignore_price=0, take_first=0)
MODES = [{"observation": "text"}, {"observation": "text_rich"}, {"observation": "brief", "page_size": 5}]


def outcomes(
    shop: WebShop, options: ShopExpertOptions, split: str = "train", count: int = 2520
) -> list[float]:
    results = []
    for seed, task in enumerate(shop.tasks(split)[:count]):
        episode, agent = shop.start(task), shop.expert(seed, options)
        while not (turn := episode.step(agent(episode.observation))).done:
            assert turn.valid, f"{task.id}: the expert's own action was refused"
        results.append(turn.outcome)
    return results


def test_the_default_expert_leaves_room_to_learn(shop: WebShop) -> None:
    assert 0.75 <= mean(outcomes(shop, ShopExpertOptions())) <= 0.85


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_without_flaws_it_gets_nearly_everything_in_every_mode(options: dict[str, Any], split: str) -> None:
    assert mean(outcomes(WebShop(ShopOptions(**options)), FLAWLESS, split, 400)) >= 0.95


@pytest.mark.parametrize("flaw", ["forget_option", "ignore_price", "take_first"])
def test_each_flaw_alone_costs(shop: WebShop, flaw: str) -> None:
    flawed = FLAWLESS.model_copy(update={flaw: 1.0})
    assert mean(outcomes(shop, flawed, count=500)) < mean(outcomes(shop, FLAWLESS, count=500)) - 0.02


def test_forgetting_options_is_the_flaw_that_costs_most(shop: WebShop) -> None:
    default = ShopExpertOptions()
    cost = {
        flaw: 1 - mean(outcomes(shop, FLAWLESS.model_copy(update={flaw: getattr(default, flaw)}), count=800))
        for flaw in ShopExpertOptions.model_fields
    }
    assert cost["forget_option"] > 5 * max(cost["ignore_price"], cost["take_first"])


def test_where_an_option_is_still_wanted_it_buys_more_often_than_not(shop: WebShop) -> None:
    first_moves = []
    for seed, task in enumerate(shop.tasks("train")[:600]):
        actions = [action for action, _ in play(shop, task, seed)]
        if any(phrase in task.instruction for phrase in (" in ", " with ", " made of ")):
            first_moves.append(actions[2] == "click[buy now]")
    assert 0.5 < mean(first_moves) < 0.62


def test_equal_seeds_shop_alike_and_different_seeds_do_not(shop: WebShop) -> None:
    def journey(seed: int) -> list[str]:
        return [action for task in shop.tasks("train")[:20] for action, _ in play(shop, task, seed)]

    assert journey(1) == journey(1)
    assert journey(1) != journey(2)


def agent(**flaws: float) -> Callable[[str], str]:
    return ShopExpert(0, FLAWLESS.model_copy(update=flaws))


def test_it_searches_with_the_words_that_tell_something() -> None:
    assert agent()(visit(small_shop()).observation) == "search[blue mug]"


def results_text(*rows: tuple[str, str, str]) -> str:
    products = " [SEP] ".join(" [SEP] ".join(row) for row in rows)
    return f"Instruction: [SEP] x [SEP] Back to Search [SEP] Page 1 (Total results: 2) [SEP] Next > [SEP] {products}"


START = (
    "WebShop [SEP] Instruction: [SEP] i need a soft blue mug, and price lower than 20.00 dollars [SEP] Search"
)
PLAIN, DEAR, FITTING = (
    ("A1", "mug", "$9.0"),
    ("A2", "soft blue mug", "$12.0 to $30.0"),
    ("A3", "soft mug", "$19.5"),
)


@pytest.mark.parametrize(
    ("flaws", "opened"), [({}, "A3"), ({"ignore_price": 1.0}, "A2"), ({"take_first": 1.0}, "A1")]
)
def test_it_opens_the_fitting_title_within_the_price(flaws: dict[str, float], opened: str) -> None:
    shopper = agent(**flaws)
    shopper(START)
    assert shopper(results_text(PLAIN, DEAR, FITTING)) == f"click[{opened}]"


def test_it_chooses_the_named_options_once_and_then_buys() -> None:
    catalogue, shopper = small_shop(), agent()
    shopper(visit(catalogue).observation)
    item = after(catalogue, "search[mug]", "click[b0mugs0001]").observation
    assert [shopper(item), shopper(item)] == ["click[blue]", "click[buy now]"]


def test_it_asks_for_less_where_nothing_is_found() -> None:
    shopper = agent()
    shopper(START)
    assert shopper("Back to Search [SEP] Page 1 (Total results: 0) [SEP] Next >") == "search[soft blue]"


def test_it_leaves_a_page_that_offers_nothing() -> None:
    assert agent()("Instruction: [SEP] x [SEP] Back to Search [SEP] < Prev") == "click[< prev]"
