"""The one interface behind which tokens are generated.

Prompts are token ids, so that a history is tokenised once and every sibling and rollout finds the same
prefix in the engine's cache. Implementations are safe to call from thousands of coroutines at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rro.tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw one completion. Equal prompt, sampling and weights give an equal completion."""

    temperature: float
    seed: int
    max_tokens: int
    stop_token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """One finished completion and what it cost, in tokens."""

    token_ids: tuple[int, ...]
    """Without the stop token."""
    finish_reason: str
    """`stop` or `length`; anything else is raised as `GenerationFailed`, never returned."""
    generated_tokens: int
    prompt_tokens: int
    cached_tokens: int
    """How many of the prompt's tokens the engine took from its prefix cache."""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy an engine is."""

    running: int
    """Requests that are being answered."""
    waiting: int
    """Requests that found no room yet."""
    room: int
    """Requests that fit in at the same time."""
    cache_used: float = 0.0
    """Share of the cache that running requests hold."""
    preempted: int = 0
    """How often the requests at hand lost their room to others."""

    @property
    def full(self) -> bool:
        """Whether more requests could only wait."""
        return self.running >= self.room or self.cache_used > CROWDED


CROWDED = 0.9
"""Above this share of the cache in use, what is let in takes room from what is there."""


class GenerationFailed(RuntimeError):
    """The engine gave no usable answer: aborted, refused, or the prompt does not fit."""


class ContextFull(GenerationFailed):
    """Prompt and completion do not fit the model's context; trying again cannot help."""


class EngineUnavailable(UserError):
    """The engine cannot be started or reached; the message says what is missing."""


class Engine(Protocol):
    """Generates; holds one policy's weights at a time."""

    async def generate(self, prompt: Sequence[int], sampling: Sampling, session: str = "") -> Completion:
        """Draw one completion. Raises `GenerationFailed` rather than return a cut-off answer.

        Prompts of one `session` begin alike, so an engine of many parts sends them to the same one.
        """

    async def stepped(self) -> Load:
        """Wait until the engine has done a piece of work; its load after that."""

    async def load(self, policy: Path) -> None:
        """Take the weights of the policy in this folder and forget every cached prefix."""

    def close(self) -> None:
        """Give back memory and processes. Safe to call twice."""
