"""Whatever is written to the shop, nothing raises, nothing grows, and a copy goes its own way.

    RRO_FUZZ_ACTIONS=1000000 python -m pytest tests/environments/test_webshop_fuzz.py

sets how many actions are tried; the default takes some seconds.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rro.tasks.environments.base import Turn
from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from rro.tasks.environments.webshop.episode import ShopEpisode, parse
from rro.tasks.environments.webshop.pages import BOUGHT
from tests.environments.test_webshop_import import ATTRIBUTES, PRODUCT, make

ACTIONS = int(os.environ.get("RRO_FUZZ_ACTIONS", "4000"))
MOVES = 25
"""Actions of one example."""
ROUND = 4000
"""Actions after which Hypothesis starts anew: what it remembers of its examples is not the shop's memory."""
MOST_GROWTH = 32e6
"""Bytes that memory may grow from the middle of many rounds to their end: caches still fill, up to a bound."""

Move = Callable[[ShopEpisode], str]

SEARCHES = (
    *("search[lamp]", "search[padded swivel shoe rack made of glass]", "search[a the of]", "search[<r>]"),
    *("search[<c>]", "search[<c> cook]", "search[<q> sauce pots]", "search[<a> nonstick]", "search[<a>]"),
    *("search[search_results item_page]", "SEARCH[lamp]", "search[lamp] please", "think[hm]"),
    *("click[Buy Now]", "click[< Prev]", "click[Next >]", "click[search]", "click[Features]"),
)
HOSTILE = (
    *(
        "[",
        "]",
        "[]",
        "search[",
        "click[",
        "search[]",
        "click[]",
        "[[[]]]",
        "]][[",
        "search[ ]",
        '" ',
        "{}%s%n",
    ),
    *(
        "<r>",
        "<a>",
        "<c>",
        "<q>",
        "\0",
        "\u202e",
        "'; DROP TABLE x; --",
        "<script>",
        "../../etc/passwd",
        "\ud83d",
    ),
    *(
        "buy now",
        "\N{SNOWMAN}",
        "\U0001f469\u200d\U0001f467",
        "\ufdfa",
        "\u01c4",
        "ß",
        "İ",
        "\u2028",
        "\r",
        "\n",
    ),
    *("item_sub_page", "search_results", "done", '"red"', "back to search", "next >", "description"),
)
HUGE = (
    "a",
    "[",
    "]",
    "word ",
    "search[",
    "é",
    "汉",
    "<r> ",
    "'s ",
    "1,",
    "a_",
    ".",
    "\N{FIRE}",
    "\u200d",
    "\n",
)


def clicks(number: int) -> Move:
    """Clicks on something of the page that is there, in some letter case."""

    def move(episode: ShopEpisode) -> str:
        texts = episode.clickables()
        text = texts[number % len(texts)]
        return f"click[{text.upper() if number % 3 else text}]"

    return move


def says(text: str) -> Move:
    return lambda episode: text


MOVE: st.SearchStrategy[Move] = st.one_of(
    st.integers(0, 999).map(clicks),
    st.integers(0, 999).map(clicks),
    st.sampled_from(SEARCHES).map(says),
    st.lists(st.sampled_from(HOSTILE), max_size=6).map("".join).map(says),
    st.text(max_size=30).map(says),
    st.text(max_size=30).map("search[{}]".format).map(says),
    st.text(max_size=30).map("click[{}]".format).map(says),
    st.tuples(st.sampled_from(HUGE), st.integers(1, 3000)).map(lambda part: part[0] * part[1]).map(says),
    st.tuples(st.sampled_from(HUGE), st.integers(1, 3000))
    .map(lambda part: f"search[{part[0] * part[1]}]")
    .map(says),
)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> list[WebShop]:
    """The shipped shop in each of its ways, and one whose products stay on the disk."""
    rows = [{**PRODUCT, "asin": f"B0FUZZ{i:04d}", "name": f"Lamp {i} \u2028 ß"} for i in range(200)]
    folder = tmp_path_factory.mktemp("fuzz")
    make(folder, rows, {row["asin"]: ATTRIBUTES["B0RAWS0001"] for row in rows})
    options: list[dict[str, Any]] = [
        {},
        {"observation": "text_rich", "max_turns": 40},
        {"observation": "brief", "page_size": 3, "compat": "fixed"},
        {"catalogue": str(folder / "out"), "notes": False, "max_turns": 40},
    ]
    return [WebShop(ShopOptions(**chosen)) for chosen in options]


def state(episode: ShopEpisode) -> tuple[object, ...]:
    return (
        episode.observation,
        episode.page_text(),
        episode.clickables(),
        dict(episode.options),
        episode.turns,
        episode.done,
    )


def act(episode: ShopEpisode, action: str) -> Turn:
    """One action, after a copy has taken it without the original noticing."""
    twin, before = episode.copy(), state(episode)
    turn = twin.step(action)
    assert state(episode) == before
    assert episode.step(action) == turn
    assert state(episode) == state(twin)
    assert 0 <= turn.outcome <= 1
    assert turn.observation
    assert "Your score" not in turn.observation
    assert turn.valid or turn.truncated or not turn.done
    assert (turn.observation == BOUGHT) == (turn.done and not turn.truncated)
    return turn


def memory() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fuzz(shops: list[WebShop], number: int, actions: int) -> None:
    """One round of Hypothesis, which draws its examples from the round's number."""

    @seed(number)
    @settings(
        max_examples=max(1, actions // MOVES),
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        shop=st.sampled_from(shops),
        task=st.integers(0, 100),
        moves=st.lists(MOVE, min_size=MOVES, max_size=MOVES),
    )
    def visit(shop: WebShop, task: int, moves: list[Move]) -> None:
        start = shop.tasks("train")[task]
        episode = shop.start(start)
        for move in moves:
            action = move(episode)
            assert isinstance(shop.canonical(action), str)
            if act(episode, action).done:
                episode = shop.start(start)

    visit()


def test_nothing_that_is_written_raises_or_grows(shops: list[WebShop]) -> None:
    rounds = max(1, ACTIONS // ROUND)
    sizes = []
    for number in range(rounds):
        fuzz(shops, number, min(ROUND, ACTIONS))
        sizes.append(memory())
    if rounds >= 8:
        assert sizes[-1] - sizes[rounds // 2] < MOST_GROWTH, [size // 1_000_000 for size in sizes]


@pytest.mark.parametrize("part", [*HUGE, "<a> ", "click["])
def test_huge_actions_take_no_longer_than_their_length_says(bundled: Catalogue, part: str) -> None:
    # A quadratic reading of 200,000 brackets takes minutes, and the time limit of the tests ends it.
    shop = WebShop(ShopOptions(observation="text_rich"))
    episode = shop.start(shop.tasks("train")[0])
    for action in (part * 200_000, f"search[{part * 200_000}]", f"{part * 200_000}[x]"):
        act(episode, action)


@settings(max_examples=2000, deadline=None)
@given(st.text("ab[]\n\r\u2028 ", max_size=12))
def test_an_action_is_read_as_by_upstreams_pattern(action: str) -> None:
    match = re.match(r"(.+)\[(.+)\]", action)
    assert parse(action) == ((match[1], match[2].lower()) if match else (action, None))
