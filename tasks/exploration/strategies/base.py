"""What a strategy decides: how many candidates a step draws, where the walk goes on, and which pairs follow.

A new strategy is a file with a subclass here, and a line in `STRATEGIES` (`__init__.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

from rro.tasks.exploration.pairs import Explored, Pair
from rro.tasks.settings import ExploreSettings, PairSettings

Dialogue = list[dict[str, str]]
"""Turns as TRL reads them."""


class Drawn(Protocol):
    """What a strategy sees of a candidate that was drawn and scored."""

    canonical: str
    rose: bool
    at_maximum: bool
    """Its value is the highest that the task is known to allow."""


class Strategy(ABC):
    """Decides over one step's draws, and makes pairs of what was explored."""

    name: ClassVar[str]
    trains: ClassVar[Literal["dpo", "sft"]] = "dpo"
    """What its yield is for: DPO on pairs, or SFT on successful trajectories."""
    prefix: ClassVar[Literal["own", "expert", "none"]] = "own"
    """Whose actions the walk goes on with: its best candidates', the expert's; or it takes no steps, and plays
    whole trajectories instead."""
    expert: ClassVar[bool] = False
    """Whether the scripted expert plays each task too."""

    def __init__(self, settings: ExploreSettings) -> None:
        self.settings = settings

    @property
    def most(self) -> int:
        """Candidates that a step may draw."""
        return self.settings.max_candidates

    @abstractmethod
    def stop(self, drawn: Sequence[Drawn]) -> str | None:
        """Why to stop drawing after these candidates, or None to draw one more."""

    @abstractmethod
    def pairs(self, explored: Explored, settings: PairSettings, seed: int) -> list[Pair]:
        """The pairs of one task, in the order of its steps."""

    def dialogues(self, explored: Explored) -> list[Dialogue]:
        """The trajectories of one task that SFT may imitate, where that is what the yield is for."""
        return []
