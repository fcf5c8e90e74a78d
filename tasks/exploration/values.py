"""Values: the mean outcome of Monte-Carlo rollouts (RRO section 3, IPR eq. 4), and the bounds of one in the making.

A rollout continues from a place in an episode to its end by the scorer. One that the engine could not finish is
recorded as failed and left out of the mean; it is never counted as an outcome of 0.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rro.tasks.exploration.acts import Acts, Place
from rro.tasks.exploration.policy import Policy, Usage
from rro.tasks.inference.engine import ContextFull, GenerationFailed
from rro.tasks.settings import ExploreSettings

SAME = 1e-9
"""Values this close are equal: a mean of thirds is not the same number in every order."""

HIGHEST = 1.0
"""No outcome is higher: the contract of every environment. A task's own best is what is known to be attainable."""


def rises(value: float | None, previous: float, settings: ExploreSettings) -> bool:
    """Whether a value is rising: greater than the previous step's by more than epsilon.

    Strict by the paper's abstract ("positive reward differential"); `>=` is the existence theorem's form.
    """
    if value is None:
        return False
    bar = previous + settings.epsilon
    return value >= bar - SAME if settings.comparator == ">=" else value > bar + SAME


@dataclass(slots=True)
class Rollout:
    """One continuation to the end of the episode."""

    index: int
    seed: int = 0
    """Of its first action."""
    actions: list[str] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)
    """What each action was answered with."""
    outcome: float | None = None
    """None where it failed."""
    raw_reward: float | None = None
    ended: str = "failed"
    """`done`, `turn_limit`, `context` (the history outgrew the model) or `failed`."""
    error: str = ""
    usage: Usage = field(default_factory=Usage)
    reused_actions: int = 0
    """How many of its actions, the first ones, were there already and cost nothing."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Who plays rollouts to the end, and how."""

    policy: Policy
    temperature: float
    acts: Acts
    stream: str

    async def roll_out(self, place: Place, index: int) -> Rollout:
        """Play on from `place` until the episode ends, taking act `index` at every place."""
        rollout = Rollout(index)
        while True:
            try:
                act = await self.acts.act(self.policy, place, index, self.temperature, self.stream)
            except ContextFull as error:
                rollout.outcome, rollout.raw_reward = 0.0, 0.0
                rollout.ended, rollout.error = "context", str(error)
                return rollout
            except GenerationFailed as error:
                rollout.error = str(error)
                return rollout
            rollout.seed = rollout.seed or act.seed
            rollout.usage.add(act.usage)
            rollout.reused_actions += act.reused
            rollout.actions.append(act.draw.action)
            rollout.observations.append(act.turn.observation)
            place = act.place
            if act.turn.done:
                rollout.outcome, rollout.raw_reward = act.turn.outcome, act.turn.raw_reward
                rollout.ended = "turn_limit" if act.turn.truncated else "done"
                return rollout

    def known(self, place: Place, index: int) -> bool:
        """Whether rollout `index` from there begins with an act that costs nothing."""
        return self.acts.known(self.policy, place, index, self.temperature, self.stream)


class Estimate:
    """A value that is known, or rollouts by which it is found, all at once or one after the other."""

    def __init__(self, scorer: Scorer, place: Place, indices: Sequence[int]) -> None:
        self._scorer = scorer
        self._place = place
        # What is there already tells something for nothing.
        self._left = sorted(indices, key=lambda index: not scorer.known(place, index))
        self.planned = len(indices)
        self.rollouts: list[Rollout] = []
        self._known: float | None = None
        self._settled = False

    @classmethod
    def given(cls, value: float | None) -> "Estimate":
        """A value that needs no rollouts."""
        estimate = object.__new__(cls)
        estimate._left, estimate.planned, estimate.rollouts = [], 0, []
        estimate._known, estimate._settled = value, False
        return estimate

    @property
    def complete(self) -> bool:
        """Whether no rollout is left that could change it."""
        return self._settled or not self._left

    @property
    def mean(self) -> float | None:
        """The mean of what was finished so far; None where there is nothing."""
        if self._known is not None:
            return self._known
        outcomes = self.outcomes
        return math.fsum(outcomes) / len(outcomes) if outcomes else None

    @property
    def outcomes(self) -> list[float]:
        """Outcomes of the finished rollouts, in the order of their numbers."""
        finished = sorted(self.rollouts, key=lambda rollout: rollout.index)
        return [rollout.outcome for rollout in finished if rollout.outcome is not None]

    @property
    def low(self) -> float:
        """The mean if every rollout that is left brought 0."""
        return self._bound(0.0, nothing=0.0)

    @property
    def high(self) -> float:
        """The mean if every rollout that is left brought the highest outcome; below all where all failed."""
        return self._bound(HIGHEST, nothing=-math.inf)

    def _bound(self, rest: float, nothing: float) -> float:
        if self.complete:
            mean = self.mean
            return nothing if mean is None else mean
        outcomes = self.outcomes
        return (math.fsum(outcomes) + rest * len(self._left)) / (len(outcomes) + len(self._left))

    def settle(self) -> None:
        """Take the mean of what was finished as the value."""
        self._settled = True

    async def next(self) -> None:
        """Play the next rollout."""
        self.rollouts.append(await self._scorer.roll_out(self._place, self._left[0]))
        del self._left[0]

    async def finish(self) -> None:
        """Play all that is left, at the same time."""
        if not self.complete:
            played = (self._scorer.roll_out(self._place, index) for index in self._left)
            self.rollouts += await asyncio.gather(*played)
            self._left = []
