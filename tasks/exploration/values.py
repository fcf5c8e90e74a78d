"""Values: the mean outcome of Monte-Carlo rollouts (RRO section 3, IPR eq. 4).

A rollout continues from a place in an episode to its end by the scorer. One that the engine could not finish is
recorded as failed and left out of the mean; it is never counted as an outcome of 0.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field

from rro.tasks.environments.base import Episode, Turn
from rro.tasks.exploration.policy import Draw, History, Policy, Usage
from rro.tasks.exploration.seeds import seed_for
from rro.tasks.inference.engine import ContextFull, GenerationFailed


@dataclass(slots=True)
class Clock:
    """Time and steps spent in the environment, summed over a walk."""

    steps: int = 0
    seconds: float = 0.0

    def step(self, episode: Episode, action: str) -> Turn:
        """`episode.step(action)`, counted and timed."""
        begun = time.perf_counter()
        turn = episode.step(action)
        self.seconds += time.perf_counter() - begun
        self.steps += 1
        return turn


@dataclass(frozen=True, slots=True)
class Place:
    """Where an episode stands and what its policy has read: all that is needed to go on from there."""

    episode: Episode
    history: History

    def after(self, policy: Policy, draw: Draw, clock: Clock) -> tuple["Place", Turn]:
        """The place one action further, in a copy of the episode; this one stays as it is."""
        episode = self.episode.copy()
        turn = clock.step(episode, draw.action)
        history = self.history if turn.done else policy.extend(self.history, draw, turn.observation)
        return Place(episode, history), turn


@dataclass(slots=True)
class Rollout:
    """One continuation to the end of the episode."""

    index: int
    seed: int
    actions: list[str] = field(default_factory=list)
    outcome: float | None = None
    """None where it failed."""
    raw_reward: float | None = None
    ended: str = "failed"
    """`done`, `turn_limit`, `context` (the history outgrew the model) or `failed`."""
    error: str = ""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Value:
    """Estimate of an expected outcome. `mean` is None where every rollout failed."""

    mean: float | None
    rollouts: tuple[Rollout, ...] = ()
    planned: int = 0


async def estimate(
    place: Place, scorer: Policy, rollouts: int, temperature: float, path: tuple[int | str, ...], clock: Clock
) -> Value:
    """Mean outcome of `rollouts` continuations from `place`, all drawn at the same time."""
    seeds = [seed_for(*path, index) for index in range(rollouts)]
    done = await asyncio.gather(
        *(roll_out(place, scorer, temperature, index, seed, clock) for index, seed in enumerate(seeds))
    )
    outcomes = [rollout.outcome for rollout in done if rollout.outcome is not None]
    return Value(math.fsum(outcomes) / len(outcomes) if outcomes else None, tuple(done), rollouts)


async def roll_out(
    place: Place, scorer: Policy, temperature: float, index: int, seed: int, clock: Clock
) -> Rollout:
    """Play on from `place` until the episode ends."""
    rollout = Rollout(index, seed)
    while True:
        try:
            draw = await scorer.draw(place.history, temperature, seed_for(seed, len(rollout.actions)))
        except ContextFull as error:
            rollout.outcome, rollout.raw_reward = 0.0, 0.0
            rollout.ended, rollout.error = "context", str(error)
            return rollout
        except GenerationFailed as error:
            rollout.error = str(error)
            return rollout
        rollout.usage.add(draw.usage)
        rollout.actions.append(draw.action)
        place, turn = place.after(scorer, draw, clock)
        if turn.done:
            rollout.outcome, rollout.raw_reward = turn.outcome, turn.raw_reward
            rollout.ended = "turn_limit" if turn.truncated else "done"
            return rollout
