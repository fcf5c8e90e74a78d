"""Acts: an action drawn at a place, and the place it led to. What a walk has generated once, it need not pay twice.

The number-th action at a place follows from the run's seed, the place, the number and the stream alone. As published,
candidates and the rollouts of every step have streams of their own, so that values are independent. With
`explore.reuse` there is one stream: rollout k takes act k at every place it comes to, so the k-th candidate of a step
is the first action of rollout k from the chosen candidate before it, and brings that rollout with it.

With `explore.common` the place does not matter, only how many actions led to it: siblings then meet the same luck,
which cancels in the difference of their values (common random numbers). Each value alone is distributed as before.
"""

import asyncio
import time
from dataclasses import dataclass, replace

from rro.tasks.environments.base import Episode, Turn
from rro.tasks.exploration.policy import Draw, History, Policy, Usage
from rro.tasks.exploration.seeds import row_id, seed_for


@dataclass(slots=True)
class Clock:
    """Time and steps spent in the environment, summed over a walk."""

    steps: int = 0
    seconds: float = 0.0

    def step(self, episode: Episode, action: str) -> Turn:
        """`episode.step(action)`, counted and timed."""
        turn, seconds = timed(episode, action)
        self._count(seconds)
        return turn

    async def step_aside(self, episode: Episode, action: str) -> Turn:
        """The same in a thread, while others go on."""
        turn, seconds = await asyncio.to_thread(timed, episode, action)
        self._count(seconds)
        return turn

    def _count(self, seconds: float) -> None:
        self.steps += 1
        self.seconds += seconds


def timed(episode: Episode, action: str) -> tuple[Turn, float]:
    """What an action leads to, and the seconds that took."""
    begun = time.perf_counter()
    turn = episode.step(action)
    return turn, time.perf_counter() - begun


@dataclass(frozen=True, slots=True)
class Place:
    """Where an episode stands and what its policy has read: all that is needed to go on from there."""

    episode: Episode
    history: History
    key: str = ""
    """Names the task and every action so far: equal keys, equal places."""
    waits: bool = False
    """Whether steps wait for something outside this process."""

    async def after(self, policy: Policy, draw: Draw, clock: Clock) -> tuple["Place", Turn]:
        """The place one action further, in a copy of the episode; this one stays as it is."""
        episode = self.episode.copy()
        if self.waits:
            turn = await clock.step_aside(episode, draw.action)
        else:
            turn = clock.step(episode, draw.action)
        history = self.history if turn.done else policy.extend(self.history, draw, turn.observation)
        # Two ways to write an action in tokens are two histories, even where they read the same.
        written = ",".join(map(str, draw.tokens)) or draw.action
        return replace(self, episode=episode, history=history, key=row_id(self.key, written)), turn


@dataclass(frozen=True, slots=True)
class Act:
    """One action and what it led to."""

    draw: Draw
    seed: int
    place: Place
    turn: Turn
    usage: Usage
    """What it cost; nothing where it was there already."""
    reused: bool = False


class Acts:
    """All acts of one task's walk."""

    def __init__(self, seed: int, clock: Clock, keep: bool, common: str = "") -> None:
        """`keep` what was drawn; places of one depth share their seeds where `common` names the task."""
        self._seed = seed
        self._clock = clock
        self._keep = keep
        self._common = common
        self._known: dict[tuple[str, str, float, int, str], Act] = {}

    async def act(self, policy: Policy, place: Place, number: int, temperature: float, stream: str) -> Act:
        """The number-th act of a stream at a place; raises what `Policy.draw` raises."""
        key = (policy.name, place.key, temperature, number, stream)
        if key in self._known:
            kept = self._known[key]
            return Act(kept.draw, kept.seed, kept.place, kept.turn, Usage(), reused=True)
        seed = seed_for(self._seed, *self._where(place), stream, number)
        draw = await policy.draw(place.history, temperature, seed)
        after, turn = await place.after(policy, draw, self._clock)
        act = Act(draw, seed, after, turn, draw.usage)
        if self._keep:
            self._known[key] = act
        return act

    def _where(self, place: Place) -> tuple[int | str, ...]:
        return (self._common, len(place.history.messages)) if self._common else (place.key,)

    def known(self, policy: Policy, place: Place, number: int, temperature: float, stream: str) -> bool:
        """Whether that act costs nothing."""
        return (policy.name, place.key, temperature, number, stream) in self._known
