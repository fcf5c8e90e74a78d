"""Replays recordings of the original WebShop on a catalogue: every search, page and reward must be equal.

Three recordings, JSON lines each, gzipped or plain:

| recording | one line holds |
| --- | --- |
| searches | `query`, `hits`: at most 50 `[asin, score]`, best first (scores are not compared) |
| episodes | `goals` (kind), `goal_id`, `reset` (a page), `steps`: `action`, page, `reward`, `done`, `options` |
| rewards | `goals`, `goal_id`, `asin`, `options`, `reward`, and any of the reward's parts and the `price` |

A page is `observation` (mode `text`), `observation_rich` (mode `text_rich`), either of them optional, and
`available.clickables`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rro.tasks import progress
from rro.tasks.environments.recordings import Check, read_rows
from rro.tasks.environments.webshop.analysis import analyse
from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.episode import Rules, ShopEpisode
from rro.tasks.environments.webshop.goals import Goal
from rro.tasks.environments.webshop.reward import Reward, purchase_reward
from rro.tasks.errors import UserError

NAMED = {"searches": "top50", "episodes": "episodes", "rewards": "rewards"}
"""Kind of recording to the part of a file's name by which it is found in a data folder."""

ENOUGH_TURNS = 1 << 30
"""The original environment has no turn limit."""


class Clickables(BaseModel):
    """What a recorded page offers."""

    clickables: list[str]


class Page(BaseModel):
    """A recorded page."""

    observation: str | None = None
    observation_rich: str | None = None
    available: Clickables


class Step(Page):
    """A recorded action and where it led; `options` (chosen ones) and `reward_info` where it bought."""

    action: str
    reward: float
    done: bool
    options: dict[str, str] | None = None
    reward_info: dict[str, Any] = {}


class RecordedEpisode(BaseModel):
    """A recorded visit."""

    goals: str
    goal_id: int
    reset: Page
    steps: list[Step]


class RecordedSearch(BaseModel):
    """A recorded search."""

    query: str
    hits: list[tuple[str, float]]


class RecordedReward(BaseModel):
    """A recorded purchase; parts of the reward are further keys."""

    model_config = {"extra": "allow"}

    goals: str
    goal_id: int
    asin: str
    options: dict[str, str]
    reward: float
    price: float | None = None


Row = TypeVar("Row", bound=BaseModel)


def find_recordings(folder: Path) -> dict[str, Path]:
    """The recordings that lie in a data folder, by kind; `UserError` where a kind has several."""
    found = {}
    for kind, part in NAMED.items():
        paths = sorted(path for path in folder.iterdir() if part in path.name and ".jsonl" in path.name)
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise UserError(f"{folder}: several recordings of {kind} ({names}); choose one with --{kind}")
        found.update(dict.fromkeys([kind] * len(paths), *paths))
    return found


def verify(catalogue: Catalogue, recordings: Mapping[str, Path]) -> Iterator[Check]:
    """Replay recordings (kind to file, see `NAMED`) one after the other; a check a search, episode, ..."""
    if "searches" in recordings:
        for row in _rows(recordings["searches"], RecordedSearch, "searches"):
            yield _search(catalogue, row)
    goals = {goal.id: goal for goal in catalogue.goals}
    if "episodes" in recordings:
        for number, recorded in enumerate(_rows(recordings["episodes"], RecordedEpisode, "episodes")):
            yield from _episode(catalogue, goals, recorded, number)
    if "rewards" in recordings:
        for number, bought in enumerate(_rows(recordings["rewards"], RecordedReward, "rewards")):
            yield _reward(catalogue, goals, bought, number)


def _rows(path: Path, shape: type[Row], kind: str) -> Iterator[Row]:
    """The rows of a recording, with progress; `UserError` with the row's number where one has another shape."""
    raw = list(read_rows(path))
    for number, row in enumerate(raw, start=1):
        try:
            yield shape.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UserError(f"{path}, row {number}: {where}: {first['msg']}") from None
        progress.report(progress.Progress(kind, 0, number, len(raw), kind, finished=number == len(raw)))


def _search(catalogue: Catalogue, row: RecordedSearch) -> Check:
    ours = [product.asin for product in catalogue.find(row.query, seed="")]
    recorded = [asin for asin, _ in row.hits]
    difference = _difference({"products": (ours, recorded)})
    if difference is not None:
        difference += f"\n  our terms of the query: {' '.join(analyse(row.query))}"
    return Check("searches", repr(row.query), difference)


def _episode(
    catalogue: Catalogue, goals: Mapping[str, Goal], row: RecordedEpisode, number: int
) -> Iterator[Check]:
    """A check for the whole episode, whose first page counts too, then one for each step."""
    name = f"episode {number}, goal {row.goals}-{row.goal_id}"
    goal = goals.get(f"{row.goals}-{row.goal_id}")
    if goal is None:
        yield Check("episodes", name, "  the catalogue has no such goal")
        return
    shown = [ShopEpisode(_rules(catalogue, mode), goal) for mode in ("text", "text_rich")]
    first = _difference(_compare_pages(shown, row.reset))
    steps = [
        Check("steps", f"{name}, step {place}: {step.action!r}", _step(shown, step))
        for place, step in enumerate(row.steps)
    ]
    failed = sum(step.difference is not None for step in steps)
    if first is None and failed:
        first = f"  {failed} of {len(steps)} steps differ"
    yield Check("episodes", name, first)
    yield from steps


def _rules(catalogue: Catalogue, mode: Any) -> Rules:
    return Rules(catalogue, mode, page_size=10, max_turns=ENOUGH_TURNS, notes=False)


def _step(shown: Sequence[ShopEpisode], step: Step) -> str | None:
    """Act in both modes; how the outcome differs from the recorded one, None if it does not."""
    if shown[0].done:
        return "  our episode has ended before"
    text, _ = [episode.step(step.action) for episode in shown]
    pairs: dict[str, tuple[Any, Any]] = {
        **_compare_pages(shown, step),
        "reward": (text.raw_reward, step.reward),
        "done": (text.done, step.done),
    }
    if step.options is not None:
        pairs["options"] = (shown[0].options, step.options)
    if shown[0].reward is not None:
        pairs.update(_compare_parts(shown[0].reward, step.reward_info))
    return _difference(pairs)


def _compare_pages(shown: Sequence[ShopEpisode], page: Page) -> dict[str, tuple[Any, Any]]:
    text, rich = shown
    pairs: dict[str, tuple[Any, Any]] = {"clickables": (text.clickables(), page.available.clickables)}
    if page.observation is not None:
        pairs["observation"] = (text.page_text(), page.observation)
    if page.observation_rich is not None:
        pairs["observation_rich"] = (rich.page_text(), page.observation_rich)
    return pairs


def _reward(catalogue: Catalogue, goals: Mapping[str, Goal], row: RecordedReward, number: int) -> Check:
    name = f"purchase {number}, goal {row.goals}-{row.goal_id}, product {row.asin}, options {row.options}"
    goal, product = goals.get(f"{row.goals}-{row.goal_id}"), catalogue.by_asin.get(row.asin)
    if goal is None or product is None:
        missing = "goal" if goal is None else "product"
        return Check("rewards", name, f"  the catalogue has no such {missing}")
    ours = purchase_reward(product, goal, row.options)
    pairs: dict[str, tuple[Any, Any]] = {"reward": (ours.total, row.reward)}
    if row.price is not None:
        pairs["price"] = (product.price, row.price)
    pairs.update(_compare_parts(ours, row.model_extra or {}))
    return Check("rewards", name, _difference(pairs))


def _compare_parts(ours: Reward, recorded: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The reward's parts that the recording tells."""
    return {part: (value, recorded[part]) for part, value in asdict(ours).items() if part in recorded}


def _difference(pairs: Mapping[str, tuple[Any, Any]]) -> str | None:
    """What differs, in full: ours above the recorded, None where all are equal."""
    lines = [
        f"  {name}\n    ours:     {ours!r}\n    recorded: {recorded!r}"
        for name, (ours, recorded) in pairs.items()
        if ours != recorded
    ]
    return "\n".join(lines) or None
