"""What an environment is: a list of tasks, and episodes that take actions as text and answer with text.

An episode is a value: `copy()` is cheap and independent, so exploration forks it where others replay a prefix.
Nothing here raises on what a model wrote; an action that means nothing gets an observation that says so.

A new environment is a class with this protocol, named under the entry point group `rro.environments`.
`tests/environments/contract.py` holds the checks that every environment must pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict

from rro.tasks.errors import UserError

Expert = Callable[[str], str]
"""A scripted agent for one episode: reads the newest observation, answers with an action."""


@dataclass(frozen=True, slots=True)
class Task:
    """One problem of an environment."""

    id: str
    split: str
    instruction: str
    best: float = 1.0
    """Highest outcome that can be reached, in [0, 1]; `success` is judged against it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one action led to."""

    observation: str
    done: bool = False
    outcome: float = 0.0
    """In [0, 1]; 0 until the episode is done, and 0 if it ends without finishing."""
    raw_reward: float = 0.0
    """The environment's own reward, before it is clipped for learning."""
    valid: bool = True
    """False where the action could not be understood or was not available."""
    truncated: bool = False
    """True where the turn limit, not the agent, ended the episode."""


@runtime_checkable
class Episode(Protocol):
    """One run on one task."""

    observation: str
    """The newest observation: what the agent reads before it acts next."""
    turns: int
    """Actions taken so far."""

    def step(self, action: str) -> Turn:
        """Act once. Never raises on what a model wrote. Acting after the end is a `ValueError`."""

    def copy(self) -> Self:
        """An independent episode in the same state, without replaying anything."""


class Strict(BaseModel):
    """Settings that refuse unknown keys and cannot be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Environment(Protocol):
    """A set of tasks and the rules by which episodes run on them."""

    Options: ClassVar[type[BaseModel]]
    """The environment's own settings (pydantic, unknown keys refused)."""
    ExpertOptions: ClassVar[type[BaseModel]]
    """The settings of its scripted expert, its flaws among them."""

    name: str
    digest: str
    """Digest of data and rules: two environments with equal digests behave the same."""
    max_turns: int
    prompt: str
    """What the agent is told before the first observation: which actions there are."""
    splits: tuple[str, ...]

    def __init__(self, options: Any) -> None: ...

    def tasks(self, split: str) -> Sequence[Task]:
        """All tasks of a split, always in the same order; `UserError` if there is no such split."""

    def start(self, task: Task) -> Episode:
        """A fresh episode, holding its first observation."""

    def canonical(self, action: str) -> str:
        """The form in which two actions that do the same are equal (letter case, spaces)."""

    def expert(self, seed: int, options: Any) -> Expert:
        """A fresh scripted expert that reads only what an agent reads."""


def step_waits(environment: Environment) -> bool:
    """Whether steps wait for something outside this process, as the environment's `waits` says; it may be left out.

    Such steps are taken in threads, several episodes at the same time.
    """
    return bool(getattr(environment, "waits", False))


GROUP = "rro.environments"


def environment_class(name: str) -> type[Environment]:
    """The class registered under `name`; `UserError` with the known names if there is none."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none are installed"
        raise UserError(f"environment.name = {name!r}: no such environment; known: {known}")
    loaded: type[Environment] = found[name].load()
    return loaded
