"""`rro verify webshop` says what was replayed, prints what differs, and ends with 1 if anything does."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.episode import Rules, ShopEpisode
from tests.cli.conftest import Rro

Row = dict[str, Any]


def page(text: ShopEpisode, rich: ShopEpisode) -> Row:
    return {
        "observation": text.page_text(),
        "observation_rich": rich.page_text(),
        "available": {"clickables": text.clickables()},
    }


def record(shop: Catalogue) -> dict[str, list[Row]]:
    """What upstream would have recorded, if it were ours: one search, one episode, one purchase."""
    goal = shop.goals[0]
    text, rich = (ShopEpisode(Rules(shop, mode, 10, 99, False), goal) for mode in ("text", "text_rich"))
    reset = page(text, rich)
    steps = []
    for action in (f"search[{goal.product.title}]", f"click[{goal.product.asin}]", "click[buy now]"):
        turn, _ = text.step(action), rich.step(action)
        steps.append({"action": action, **page(text, rich), "reward": turn.raw_reward, "done": turn.done})
    hits = [[product.asin, 1.0] for product in shop.find("swivel lamp", seed="")]
    bought = {"goals": "human", "goal_id": 0, "asin": goal.product.asin, "options": {}}
    return {
        "my_top50": [{"query": "swivel lamp", "hits": hits}],
        "my_episodes": [{"goals": "human", "goal_id": 0, "reset": reset, "steps": steps}],
        "my_rewards": [{**bought, "reward": steps[-1]["reward"], "price": goal.product.price, "r_type": 1.0}],
    }


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[Row]]:
    return record(Catalogue.load())


def write(folder: Path, rows: dict[str, list[Row]]) -> list[str]:
    """Writes recordings, one of them gzipped; the flags that name them."""
    words = []
    for stem, kind in (("my_top50", "searches"), ("my_episodes", "episodes"), ("my_rewards", "rewards")):
        text = "".join(json.dumps(row) + "\n" for row in rows[stem]).encode()
        path = folder / f"{stem}.jsonl{'.gz' if kind == 'episodes' else ''}"
        path.write_bytes(gzip.compress(text) if kind == "episodes" else text)
        words += [f"--{kind}", str(path)]
    return words


def test_equal_recordings_pass(rro: Rro, recorded: dict[str, list[Row]], tmp_path: Path) -> None:
    ended = rro("verify", "webshop", "--data", "bundled", *write(tmp_path, recorded))
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "searches: 1 passed, 0 failed",
        "episodes: 1 passed, 0 failed",
        "steps: 3 passed, 0 failed",
        "rewards: 1 passed, 0 failed",
    ]


BREAKS: list[tuple[str, list[str | int], Any, list[str], str]] = [
    ("my_top50", [0, "hits", 0], ["B0NOTHING0", 2.0], ["searches"], "'B0NOTHING0'"),
    ("my_episodes", [0, "reset", "observation"], "other", ["episodes"], "recorded: 'other'"),
    ("my_episodes", [0, "steps", 1, "observation_rich"], "new", ["episodes", "steps"], "recorded: 'new'"),
    ("my_episodes", [0, "steps", 0, "available"], {"clickables": []}, ["episodes", "steps"], "clickables"),
    ("my_episodes", [0, "steps", 2, "reward"], 0.123, ["episodes", "steps"], "recorded: 0.123"),
    ("my_episodes", [0, "steps", 2, "options"], {"a": "b"}, ["episodes", "steps"], "{'a': 'b'}"),
    ("my_episodes", [0, "steps", 2, "reward_info"], {"r_att": 7}, ["episodes", "steps"], "recorded: 7"),
    ("my_episodes", [0, "goal_id"], 77_777, ["episodes"], "the catalogue has no such goal"),
    ("my_rewards", [0, "reward"], 0.5, ["rewards"], "recorded: 0.5"),
    ("my_rewards", [0, "price"], 0.5, ["rewards"], "recorded: 0.5"),
    ("my_rewards", [0, "r_type"], 0.25, ["rewards"], "recorded: 0.25"),
    ("my_rewards", [0, "asin"], "B0NOTHING0", ["rewards"], "no such product"),
]


@pytest.mark.parametrize(("stem", "place", "value", "kinds", "shown"), BREAKS)
def test_a_difference_is_shown_counted_and_fails(
    rro: Rro,
    recorded: dict[str, list[Row]],
    tmp_path: Path,
    stem: str,
    place: list[str | int],
    value: Any,
    kinds: list[str],
    shown: str,
) -> None:
    rows = json.loads(json.dumps(recorded))
    *above, last = place
    target = rows[stem]
    for key in above:
        target = target[key]
    target[last] = value
    ended = rro("verify", "webshop", "--data", "bundled", *write(tmp_path, rows))
    assert ended.code == 1
    failed = [line.split(":")[0] for line in ended.out.splitlines() if line.endswith(" 1 failed")]
    assert failed == kinds
    assert shown in ended.out


def test_recordings_are_found_in_the_folder_by_name(
    rro: Rro, recorded: dict[str, list[Row]], tmp_path: Path, shop_folder: Path
) -> None:
    write(shop_folder, recorded)
    assert rro("verify", "webshop", "--data", str(shop_folder)).out.count("1 passed, 0 failed") == 3
    (shop_folder / "other_rewards.jsonl").write_text("")
    ended = rro("verify", "webshop", "--data", str(shop_folder))
    assert (ended.code, "my_rewards.jsonl, other_rewards.jsonl" in ended.err) == (2, True)


def test_nothing_to_replay_is_an_error(rro: Rro, shop_folder: Path) -> None:
    for data in ("bundled", str(shop_folder)):
        ended = rro("verify", "webshop", "--data", data)
        assert (ended.code, "no recording to replay" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"query": "mug"}', "row 1: hits: Field required"),
        ('{"query": "mug", "hits": []}\n{', "line 2: not JSON"),
        ("[1]", "line 1: a JSON object is needed"),
    ],
)
def test_a_recording_of_another_shape_is_refused_by_its_row(
    rro: Rro, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "searches.jsonl").write_text(text)
    words = ("--searches", str(tmp_path / "searches.jsonl"))
    ended = rro("verify", "webshop", "--data", "bundled", *words)
    assert ended.code == 2
    assert message in ended.err


@pytest.fixture
def shop_folder(tmp_path: Path) -> Path:
    """The shipped catalogue as a folder of the user's."""
    from rro.data import resource

    folder = tmp_path / "shop"
    folder.mkdir()
    for entry in resource("webshop").iterdir():
        (folder / entry.name).write_bytes(entry.read_bytes())
    return folder
