"""WebShop (Yao et al., NeurIPS 2022) as an environment: find, configure and buy what is asked for."""

import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar

from pydantic import BaseModel, Field

from rro.tasks.environments.base import Expert, Strict, Task
from rro.tasks.environments.webshop.catalogue import BUNDLED, Catalogue
from rro.tasks.environments.webshop.episode import Rules, ShopEpisode, parse
from rro.tasks.environments.webshop.expert import ShopExpert, ShopExpertOptions
from rro.tasks.environments.webshop.goals import SPLITS, Goal, Splitting, leaked, split_by_position
from rro.tasks.environments.webshop.likeness import Compat
from rro.tasks.environments.webshop.pages import Mode
from rro.tasks.environments.webshop.reward import best_reward
from rro.tasks.errors import UserError

log = logging.getLogger(__name__)

RULES_VERSION = "1"
"""Raise it when the same data and options begin to behave differently."""

PROMPT = (
    "You are shopping. Each turn, answer with one action and nothing else: search[words] to look for "
    "products, or click[text] for something on the page: a product, an option, a button. Choose the options "
    "that the instruction asks for, then click[buy now]."
)


class ShopOptions(Strict):
    """Settings of the shop."""

    catalogue: str = Field(BUNDLED, description="'bundled', or a folder with a prepared catalogue")
    observation: Mode = Field("text", description="upstream's 'text' or 'text_rich'; 'brief' is short")
    page_size: int = Field(10, ge=1, le=50, description="products on a page of results; upstream shows 10")
    max_turns: int = Field(10, ge=1, description="actions after which an episode ends with outcome 0")
    notes: bool = Field(True, description="tell an agent that its action was invalid; upstream does not")
    compat: Compat = Field(
        "upstream", description="reward with upstream's quirks, or 'fixed' (webshop/reward.py lists them)"
    )
    splits: Splitting = Field(
        "product", description="splits by product, or upstream's 'positional' ones, which leak"
    )
    prompt: str | None = Field(None, description="replaces what the agent is told before the first page")


class WebShop:
    """The shop; see `Environment`."""

    Options: ClassVar[type[BaseModel]] = ShopOptions
    ExpertOptions: ClassVar[type[BaseModel]] = ShopExpertOptions
    name: str = "webshop"
    splits: tuple[str, ...] = SPLITS

    def __init__(self, options: ShopOptions) -> None:
        catalogue = Catalogue.load(options.catalogue)
        self.max_turns = options.max_turns
        self.prompt = PROMPT if options.prompt is None else options.prompt
        behaviour = options.model_dump_json(exclude={"catalogue"})
        self.digest = sha256(f"{RULES_VERSION} {catalogue.digest} {behaviour}".encode()).hexdigest()
        self._rules = Rules(
            catalogue,
            options.observation,
            options.page_size,
            options.max_turns,
            options.notes,
            options.compat,
        )
        self._goals = {goal.id: goal for goal in _split(catalogue.goals, options.splits)}
        self._tasks: dict[str, tuple[Task, ...]] = {}

    def tasks(self, split: str) -> Sequence[Task]:
        """All tasks of a split, in the order of the catalogue."""
        if split not in SPLITS:
            raise UserError(f"split {split!r}: webshop has {', '.join(SPLITS)}")
        if split not in self._tasks:
            goals = (goal for goal in self._goals.values() if goal.split == split)
            self._tasks[split] = tuple(self._task(goal) for goal in goals)
        return self._tasks[split]

    def _task(self, goal: Goal) -> Task:
        return Task(goal.id, goal.split, goal.instruction, best_reward(goal, self._rules.compat))

    def start(self, task: Task) -> ShopEpisode:
        """A fresh visit on the start page."""
        if task.id not in self._goals:
            raise UserError(f"task {task.id!r} is not of this catalogue")
        return ShopEpisode(self._rules, self._goals[task.id])

    def canonical(self, action: str) -> str:
        """The same text for actions that do the same: lower case, runs of spaces in a search as one."""
        name, argument = parse(action)
        if argument is None:
            return action
        # The special searches read their words by position, so their spaces stay.
        plain_search = name == "search" and "<" not in argument
        return f"{name}[{' '.join(argument.split()) if plain_search else argument}]"

    def expert(self, seed: int, options: ShopExpertOptions) -> Expert:
        """A fresh scripted shopper with the flaws that `options` give it."""
        return ShopExpert(seed, options)


def _split(goals: Sequence[Goal], splitting: Splitting) -> Sequence[Goal]:
    if splitting == "product":
        return goals
    moved = split_by_position(goals)
    shared, tested = leaked(moved)
    log.warning(
        "splits = 'positional': %d of %d test goals ask for a product that is trained on too; figures measured "
        "so overstate what the policy learned; 'product' does not leak",
        shared,
        tested,
    )
    return moved
