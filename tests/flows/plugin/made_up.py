"""An environment of somebody else's: three doors to pass, and every word opens each of them a little.

Any two actions usually differ in outcome, so that a policy that has learnt next to nothing yields pairs. It stands
here as a package of its own, with an entry point, as a user's would.
"""

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from rro.tasks.environments.base import Expert, Strict, Task, Turn
from rro.tasks.errors import UserError

SIZES = {"train": 60, "validation": 10, "test": 20, "bare": 0}
DOORS = 3
WORDS = ("push", "pull", "knock", "ring", "wait", "open sesame")


@dataclass
class Visit:
    """One run past the doors."""

    key: str
    observation: str
    turns: int = 0
    opened: int = 0

    def step(self, action: str) -> Turn:
        if self.turns == DOORS:
            raise ValueError("this episode has ended")
        self.turns += 1
        word = action.strip()
        # Fifths, and never the same for two tasks: what a word is worth cannot be known before.
        self.opened += zlib.crc32(f"{self.key} {self.turns} {word}".encode()) % 6 if word else 0
        done = self.turns == DOORS
        self.observation = "the end" if done else f"door {self.turns + 1} of {DOORS}"
        outcome = self.opened / (5 * DOORS) if done else 0.0
        return Turn(self.observation, done, outcome, raw_reward=outcome, valid=bool(word))

    def copy(self) -> "Visit":
        return Visit(self.key, self.observation, self.turns, self.opened)


class Doors:
    """See above."""

    class Options(Strict):
        secret: str = ""

    class ExpertOptions(Strict):
        pass

    name, max_turns, prompt, splits = "doors", DOORS, "", tuple(SIZES)

    def __init__(self, options: Options) -> None:
        self.digest = f"doors {options.secret}"
        self._secret = options.secret

    def tasks(self, split: str) -> Sequence[Task]:
        if split not in SIZES:
            raise UserError(f"split {split!r}: doors has {', '.join(SIZES)}")
        return [Task(f"{split}-{n}", split, f"house {n} in {split} street") for n in range(SIZES[split])]

    def start(self, task: Task) -> Visit:
        return Visit(f"{self._secret}{task.id}", f"{task.instruction}, door 1 of {DOORS}")

    def canonical(self, action: str) -> str:
        return action.strip()

    def expert(self, seed: int, options: ExpertOptions) -> Expert:
        words = random.Random(seed)
        return lambda observation: words.choice(WORDS)
