"""A tiny environment whose values are known by hand, and policies that draw from a script or from a seed."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from rro.tasks.environments.base import Task, Turn
from rro.tasks.exploration.policy import Draw, History, Usage
from rro.tasks.inference.engine import GenerationFailed

Tree = Mapping[str, Mapping[str, str | float]]
"""State to action to the next state, or to the outcome where the action ends the episode."""

FAILS = "fails"
"""As a scripted action: the engine gives no answer."""


@dataclass
class TabularEpisode:
    """One walk down the tree."""

    tree: Tree
    observation: str = "start"
    turns: int = 0

    def step(self, action: str) -> Turn:
        self.turns += 1
        target = self.tree[self.observation].get(action.strip())
        if target is None:
            return Turn(self.observation, valid=False)
        if isinstance(target, str):
            self.observation = target
            return Turn(target)
        return Turn("the end", done=True, outcome=target, raw_reward=target)

    def copy(self) -> "TabularEpisode":
        return TabularEpisode(self.tree, self.observation, self.turns)


class Tabular:
    """The environment of one tree."""

    Options = ExpertOptions = BaseModel
    name, digest, max_turns, prompt, splits = "tabular", "tabular", 20, "", ("train",)

    def __init__(self, tree: Tree, best: float = 1.0) -> None:
        self.tree = tree
        self.task = Task("t", "train", "climb", best)

    def tasks(self, split: str) -> Sequence[Task]:
        return [self.task]

    def start(self, task: Task) -> TabularEpisode:
        return TabularEpisode(self.tree)

    def canonical(self, action: str) -> str:
        return action.strip()


class Scripted:
    """Draws the listed actions of a state in turn; every draw costs 2 generated tokens."""

    name = "scripted"

    def __init__(self, script: Mapping[str, Sequence[str]]) -> None:
        self.script = script
        self.drawn: Counter[str] = Counter()

    def open(self, text: str) -> History:
        return History((("user", text),))

    def extend(self, history: History, draw: Draw, observation: str) -> History:
        return History((*history.messages, ("assistant", draw.action), ("user", observation)))

    def quote(self, action: str) -> Draw:
        return Draw(action)

    async def draw(self, history: History, temperature: float, seed: int) -> Draw:
        state = history.messages[-1][1]
        listed = self.script[state]
        action = listed[self.drawn[state] % len(listed)]
        self.drawn[state] += 1
        if action == FAILS:
            raise GenerationFailed("scripted")
        return Draw(action, usage=Usage(2, 10, 5))


class Seeded(Scripted):
    """Draws a state's actions at random, from the seed alone."""

    def __init__(self, tree: Tree) -> None:
        super().__init__({})
        self.tree = tree

    async def draw(self, history: History, temperature: float, seed: int) -> Draw:
        return Draw(self.choose(history.messages[-1][1], seed), usage=Usage(1, 1, 0))

    def choose(self, state: str, seed: int) -> str:
        """The action that this seed draws in this state."""
        return random.Random(seed).choice(sorted(self.tree[state]))
