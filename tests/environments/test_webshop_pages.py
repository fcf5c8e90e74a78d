"""What an agent reads and can click on each page, and how it moves between them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.environment import WebShop
from rro.tasks.environments.webshop.episode import ShopEpisode, parse
from rro.tasks.environments.webshop.pages import BOUGHT, Mode, done_page, observation
from tests.environments.small_shop import after, product, small_shop, visit

HEAD = "Instruction: [SEP] i need a blue mug [SEP] Back to Search"
MUG = "click[b0mugs0001]"
ITEM = (
    f"{HEAD} [SEP] < Prev [SEP] color [SEP] blue [SEP] red [SEP] size [SEP] small [SEP] large [SEP] Ardo mug"
    " [SEP] Price: $10.0 [SEP] Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now"
)
RESULTS = (
    f"{HEAD} [SEP] Page 1 (Total results: 2) [SEP] Next > [SEP] B0MUGS0002 [SEP] Bella mug"
    " [SEP] $10.0 to $20.0 [SEP] B0MUGS0001 [SEP] Ardo mug [SEP] $10.0"
)
START = "WebShop [SEP] Instruction: [SEP] i need a blue mug [SEP] Search"

ITEM_BUTTONS = ["back to search", "< prev", "description", "features", "reviews", "buy now"]
PAGES: list[tuple[list[str], str, list[str]]] = [
    ([], START, ["search"]),
    (
        ["search[mug]"],
        RESULTS,
        ["back to search", "next >", "b0mugs0002", "b0mugs0001"],
    ),
    (["search[tent mug pan]", "click[back to search]"], START, ["search"]),
    (
        ["search[with]"],
        f"{HEAD} [SEP] Page 1 (Total results: 0) [SEP] Next >",
        ["back to search", "next >"],
    ),
    (
        ["search[mug]", "click[next >]"],
        f"{HEAD} [SEP] Page 2 (Total results: 2) [SEP] < Prev [SEP] Next >",
        ["back to search", "< prev", "next >"],
    ),
    (["search[mug]", "click[next >]", "click[< prev]"], RESULTS, ["back to search", "next >"]),
    (
        ["search[mug]", MUG],
        ITEM,
        [*ITEM_BUTTONS, "blue", "red", "small", "large"],
    ),
    (["search[mug]", MUG, "click[blue]"], ITEM, ["blue"]),
    (["search[mug]", MUG, "click[< prev]"], RESULTS, ["b0mugs0001"]),
    (
        ["search[mug]", MUG, "click[description]"],
        f"{HEAD} [SEP] < Prev [SEP] A mug for tea.",
        ["back to search", "< prev"],
    ),
    (
        ["search[mug]", MUG, "click[features]"],
        f"{HEAD} [SEP] < Prev [SEP] Keeps tea warm. [SEP] Easy to wash.",
        ["back to search", "< prev"],
    ),
    (["search[mug]", MUG, "click[reviews]"], f"{HEAD} [SEP] < Prev", ["back to search", "< prev"]),
    (["search[mug]", MUG, "click[reviews]", "click[< prev]"], ITEM, ["buy now"]),
    (["search[mug]", MUG, "search[tent]"], f"{HEAD} [SEP] Page 1 (Total results: 1)", ["b0tent0001"]),
]


@pytest.mark.parametrize(("actions", "text", "some_clickables"), PAGES)
def test_each_page_reads_and_clicks_as_upstream(
    small: Catalogue, actions: list[str], text: str, some_clickables: list[str]
) -> None:
    episode = after(small, *actions)
    assert episode.observation.startswith(text)
    assert [name for name in episode.clickables() if name in some_clickables] == some_clickables


@pytest.mark.parametrize(
    ("actions", "chosen"),
    [
        (["click[blue]"], {"color": "blue"}),
        (["click[BLUE]", "click[large]"], {"color": "blue", "size": "large"}),
        (["click[blue]", "click[red]"], {"color": "red"}),
        (["click[blue]", "click[features]", "click[< prev]"], {"color": "blue"}),
        (["click[blue]", "click[< prev]", MUG], {}),
        (["click[blue]", "search[mug]", MUG], {}),
        (["click[blue]", "click[back to search]", "search[mug]", MUG], {}),
    ],
)
def test_options_are_kept_on_sub_pages_and_forgotten_elsewhere(
    small: Catalogue, actions: list[str], chosen: dict[str, str]
) -> None:
    assert after(small, "search[mug]", MUG, *actions).options == chosen


def test_rich_text_marks_buttons_visited_products_and_chosen_options(small: Catalogue) -> None:
    item = after(small, "search[mug]", MUG, "click[blue]", "click[large]", mode="text_rich")
    assert item.observation.startswith("You have clicked large.\nYou have clicked blue.\nInstruction:\n")
    assert (
        "\ncolor\n  [clicked button] blue [clicked button_]\n  [button] red [button_]\nsize\n"
        in item.observation
    )
    item.step("click[< prev]")
    assert "\n\n[clicked button] B0MUGS0001 [clicked button_]\nArdo mug\n$10.0\n" in item.observation
    assert "\n\n[button] B0MUGS0002 [button_]\nBella mug\n" in item.observation


def test_brief_text_is_text_without_the_instruction_after_the_start(small: Catalogue) -> None:
    assert visit(small, "brief").observation == START
    for actions, _, _ in PAGES[1:]:
        brief, text = after(small, *actions, mode="brief"), after(small, *actions)
        if brief.observation.startswith("You have clicked "):
            continue
        assert text.observation in (START, f"Instruction: [SEP] i need a blue mug [SEP] {brief.observation}")
        assert brief.clickables() == text.clickables()


def test_brief_answers_an_option_and_an_invalid_action_with_one_line(small: Catalogue) -> None:
    item = after(small, "search[mug]", "click[b0mugs0001]", mode="brief", notes=True)
    page = item.observation
    assert item.step("click[blue]").observation == "You have clicked blue."
    assert item.step("click[nothing]").observation == "Invalid action."
    item.step("click[description]")
    assert item.step("click[< prev]").observation == page


def test_a_smaller_page_shows_fewer_products(small: Catalogue) -> None:
    episode = after(small, "search[mug]", page_size=1)
    assert "B0MUGS0001" not in episode.observation
    assert "B0MUGS0001" in episode.step("click[next >]").observation


def test_the_last_observation_does_not_tell_the_reward(small: Catalogue) -> None:
    turn = after(small, "search[mug]", MUG, "click[blue]").step("click[buy now]")
    assert (turn.observation, turn.done, turn.outcome, turn.valid) == (BOUGHT, True, 1.0, True)


def test_upstreams_last_page_can_be_had_for_replays(small: Catalogue) -> None:
    episode = after(small, "search[mug]", MUG, "click[blue]", "click[buy now]")
    text = episode.page_text()
    assert text.startswith(BOUGHT)
    assert 'asin [SEP] B0MUGS0001 [SEP] options [SEP] {"color": "blue"} [SEP]' in text
    assert "Your score (min 0.0, max 1.0) [SEP] 1.0 [SEP]" in text
    assert episode.clickables() == []


def test_upstreams_last_page_writes_options_sorted_and_safe_for_html() -> None:
    text = observation(done_page("B0", {"size": "men's <8", "color": "a & b"}, 0.5), "text")
    assert r'options [SEP] {"color": "a \u0026 b", "size": "men\u0027s \u003c8"} [SEP]' in text


def test_a_purchase_in_the_last_turn_counts(small: Catalogue) -> None:
    turn = after(small, "search[mug]", MUG, max_turns=3).step("click[buy now]")
    assert (turn.done, turn.truncated, turn.outcome) == (True, False, 2 / 3)


INVALID = [
    "hello",
    "think[hm]",
    "search[]",
    "click[search]",
    "click[nonsense]",
    "Search[mug]",
    " search[mug]",
]


@pytest.mark.parametrize("action", [*INVALID, "click[blue]", "search[a\nb]", "search[a[b]"])
def test_an_invalid_action_changes_nothing_and_is_told(small: Catalogue, action: str) -> None:
    plain, noted = visit(small), visit(small, notes=True)
    turn = plain.step(action)
    assert (turn.observation, turn.valid, turn.done) == (START, False, False)
    assert noted.step(action).observation == f"Invalid action. [SEP] {START}"
    assert (
        visit(small, "text_rich", notes=True)
        .step(action)
        .observation.startswith("Invalid action.\nWebShop\n")
    )


@pytest.mark.parametrize(
    ("action", "parsed"),
    [
        ("search[Red Mug]", ("search", "red mug")),
        ("click[Buy Now] because", ("click", "buy now")),
        ("search[a]b]", ("search", "a]b")),
        ("search[a[b]", ("search[a", "b")),
        ("search", ("search", None)),
        ("search[]", ("search[]", None)),
    ],
)
def test_actions_are_read_as_upstream_reads_them(action: str, parsed: tuple[str, str | None]) -> None:
    assert parse(action) == parsed


@pytest.mark.parametrize(
    ("same", "other"),
    [
        ("click[Buy Now]", "click[buy now]"),
        ("search[Red  Mug]", "search[red mug]"),
        ("search[red mug] please", "search[red mug]"),
    ],
)
def test_actions_that_do_the_same_have_one_canonical_form(shop: WebShop, same: str, other: str) -> None:
    assert shop.canonical(same) == shop.canonical(other)


@pytest.mark.parametrize(
    ("one", "two"),
    [("Search[mug]", "search[mug]"), ("click[a  b]", "click[a b]"), ("search[ <q> a]", "search[<q> a]")],
)
def test_actions_that_do_different_things_stay_apart(shop: WebShop, one: str, two: str) -> None:
    assert shop.canonical(one) != shop.canonical(two)


def test_an_option_that_reads_like_a_button_acts_as_the_button() -> None:
    odd = product("B0ODDS0001", "Odd mug", options={"style": ("features", "search", "next >")})
    catalogue = Catalogue.of([odd], list(small_shop().goals), {}, "odd")
    item = ["search[mug]", "click[b0odds0001]"]
    assert after(catalogue, *item, "click[features]").clickables() == ["back to search", "< prev"]
    assert not after(catalogue, *item).step("click[search]").valid
    assert after(catalogue, *item, "click[next >]").options == {"style": "next >"}


def test_a_value_of_two_options_counts_for_the_last() -> None:
    odd = product("B0ODDS0001", "Odd mug", options={"top": ("red",), "bottom": ("red",)})
    catalogue = Catalogue.of([odd], list(small_shop().goals), {}, "odd")
    assert after(catalogue, "search[mug]", "click[b0odds0001]", "click[red]").options == {"bottom": "red"}


def test_upstream_reads_the_page_from_an_address_that_holds_the_keywords(small: Catalogue) -> None:
    episode = after(small, "search[mug search_results]", MUG, "click[< prev]")
    assert "Page 0 (Total results: 2) [SEP] Next >" in episode.observation
    assert "B0MUGS0001" in episode.step("click[next >]").observation


PARTS = """click,search,[,],<r>,<a>,<c>,<q>, ,mug,blue,buy now,< prev,next >,back to search,features,b0mugs0001,
,'s,",search_results,item_page"""
WORDS = st.sampled_from(PARTS.split(","))
MOVES = """search[mug]|click[b0mugs0001]|click[blue]|click[< prev]|click[next >]|click[features]|search[<r>]
|search[<c>]|search[<a> hand made]|search[<q> mugs]|click[back to search]|click[buy now]"""
CLICKS = st.sampled_from(MOVES.split("|"))
ACTIONS = st.one_of(
    CLICKS,
    st.lists(WORDS, max_size=8).map("".join),
    st.text(max_size=40),
    st.text(max_size=40).map("search[{}]".format),
)


SMALL = small_shop()


@settings(max_examples=300, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=12), mode=st.sampled_from(["text", "text_rich", "brief"]))
def test_whatever_is_written_nothing_raises_and_copies_are_independent(
    actions: list[str], mode: Mode
) -> None:
    episode = visit(SMALL, mode)
    for action in actions:
        if episode.done:
            break
        twin, before = episode.copy(), state(episode)
        turn = twin.step(action)
        assert state(episode) == before
        assert episode.step(action) == turn
        assert 0 <= turn.outcome <= 1


def state(episode: ShopEpisode) -> tuple[object, ...]:
    return (
        episode.page_text(),
        episode.observation,
        dict(episode.options),
        episode.turns,
        episode.clickables(),
    )
