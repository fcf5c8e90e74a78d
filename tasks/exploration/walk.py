"""The walk: one task, step by step, candidates one at a time (design section 4).

To change what a step draws or when it stops, see `strategies/`; how a candidate is scored, `values.py`; when its
scoring may end early, `scoring.py`; which pairs follow, `pairs.py`. Plain asyncio over the interfaces of policy and
environment.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rro.tasks.environments.base import Environment, Expert, Task, step_waits
from rro.tasks.exploration.acts import Act, Acts, Clock, Place
from rro.tasks.exploration.play import Played, demonstrate, first_message
from rro.tasks.exploration.policy import Policy, Usage
from rro.tasks.exploration.scoring import finish_choice, score
from rro.tasks.exploration.strategies import Strategy, make_strategy
from rro.tasks.exploration.values import SAME, Estimate, Rollout, Scorer, rises
from rro.tasks.inference.engine import ContextFull, GenerationFailed, Load
from rro.tasks.settings import ExploreSettings

Experts = Callable[[Task], Expert]
"""The scripted expert for a task."""


@dataclass(slots=True)
class Candidate:
    """One action drawn at a step, with what its scoring cost."""

    index: int
    act: Act
    canonical: str
    drawn_by: str
    estimate: Estimate
    usage: Usage
    duplicate_of: int | None = None
    rose: bool = False
    at_maximum: bool = False
    contrast: bool = False
    chosen: bool = False

    @property
    def value(self) -> float | None:
        """None where every rollout failed, and where the value was not needed to the last rollout."""
        return self.estimate.mean if self.estimate.complete else None


@dataclass(slots=True)
class Step:
    """One step of a walk: what was drawn and what was chosen."""

    index: int
    previous: float
    drawn: list[Candidate] = field(default_factory=list)
    unused: list[Candidate] = field(default_factory=list)
    """Paid for ahead (`explore.width`), and not needed or not scored."""
    stop_reason: str = ""

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that the walk goes on with."""
        return next((candidate for candidate in self.drawn if candidate.chosen), None)


@dataclass(slots=True)
class Walk:
    """All that was seen on one task."""

    task: Task
    opening: str
    trajectories: list[Rollout] = field(default_factory=list)
    """From the first observation to the end: the first reference, and what eto and rft are made from."""
    demonstration: Played | None = None
    steps: list[Step] = field(default_factory=list)
    ended: str = "failed"
    """`done`, `turn_limit`, `context`, `failed`, `left` early, or `trajectories` where there are no steps."""
    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0
    start_value: float | None = None


class Walker:
    """Walks tasks with one policy, one scorer and one set of settings."""

    def __init__(
        self,
        environment: Environment,
        policy: Policy,
        scorer: Policy,
        settings: ExploreSettings,
        seed: int,
        experts: Experts | None = None,
        pay_again: bool = False,
    ) -> None:
        """`pay_again` draws anew what `explore.reuse` would keep: for showing that keeping changes no decision."""
        self._environment = environment
        self._policy = policy
        self._scorer = scorer
        self._settings = settings
        self._strategy: Strategy = make_strategy(settings)
        self._seed = seed
        self._experts = experts
        self._pay_again = pay_again

    async def stepped(self) -> Load:
        """The load of what plays the rollouts, which are nearly all of the work."""
        return await self._scorer.stepped()

    async def walk(self, task: Task) -> Walk:
        """Explore one task to its end. Equal seed, settings and weights give an equal walk."""
        begun = time.perf_counter()
        episode = self._environment.start(task)
        walk = Walk(task, first_message(self._environment, episode.observation))
        common = task.id if self._settings.common else ""
        acts = Acts(self._seed, walk.clock, self._settings.reuse and not self._pay_again, common)
        way = _Way(self, walk, acts)
        if self._strategy.expert:
            walk.demonstration = self._demonstration(task)
        waits = step_waits(self._environment)
        place = Place(episode, self._policy.open(walk.opening), task.id, waits)
        await way.start(place)
        if self._strategy.prefix == "none":
            walk.ended = "trajectories"
        else:
            await way.steps(place)
        walk.seconds = time.perf_counter() - begun
        return walk

    def _demonstration(self, task: Task) -> Played:
        if self._experts is None:
            raise ValueError(f"strategy {self._strategy.name} needs an expert")
        return demonstrate(self._environment, self._experts(task), task)


@dataclass(slots=True)
class _Way:
    """One walk under way."""

    walker: Walker
    walk: Walk
    acts: Acts

    def scorer(self, step: int) -> Scorer:
        """Who scores the candidates of a step, -1 being the start."""
        s = self.walker._settings
        stream = "" if s.reuse else f"rollouts of step {step}"
        return Scorer(self.walker._scorer, s.rollout_temperature, self.acts, stream)

    async def start(self, place: Place) -> None:
        """Play whole trajectories: the first step's reference, or all that the strategy wants."""
        s, whole = self.walker._settings, self.walker._strategy.prefix == "none"
        count = s.trajectories if whole else s.rollouts if s.first_reference == "rollouts" else 0
        if self.walker._strategy.expert:
            count = max(count, 1)
        estimate = Estimate(self.scorer(-1), place, range(count))
        await estimate.finish()
        self.walk.trajectories = sorted(estimate.rollouts, key=lambda rollout: rollout.index)
        zero = s.first_reference == "zero" and not whole
        self.walk.start_value = 0.0 if zero else estimate.mean

    async def steps(self, place: Place) -> None:
        """Step after step until the episode ends."""
        walk, previous = self.walk, self.walk.start_value
        if previous is None:
            return  # Every rollout failed: nothing can be said to rise above that.
        behind = [one.outcome for one in walk.trajectories if one.outcome is not None]
        while True:
            if self.leaves(previous, behind):
                walk.ended = "left"
                return
            step = await self.step(place, previous)
            walk.steps.append(step)
            chosen = step.chosen
            if chosen is None or chosen.value is None:
                walk.ended = "context" if step.stop_reason == "context" else "failed"
                return
            if chosen.act.turn.done:
                walk.ended = "turn_limit" if chosen.act.turn.truncated else "done"
                return
            place, previous, behind = chosen.act.place, chosen.value, chosen.estimate.outcomes

    def leaves(self, previous: float, behind: Sequence[float]) -> bool:
        """Whether there is nothing to find from here on, by `explore.leave`."""
        s = self.walker._settings
        agreed = s.leave == "agreed" and len(behind) > 1 and max(behind) - min(behind) <= SAME
        return agreed or (s.leave != "never" and previous >= self.walk.task.best - SAME)

    async def step(self, place: Place, previous: float) -> Step:
        """Draw and score until the strategy stops, then choose what to go on with."""
        step, strategy = Step(len(self.walk.steps), previous), self.walker._strategy
        reason = None
        while reason is None:
            try:
                ahead = await self.candidates(place, step)
            except ContextFull:
                reason = "context"
                break
            except GenerationFailed:
                reason = "failed"
                break
            while ahead and reason is None:
                ahead[0].contrast = any(c.rose for c in step.drawn)
                step.drawn.append(ahead.pop(0))
                reason = strategy.stop(step.drawn)
            step.unused += ahead
        step.stop_reason = reason
        chosen = await finish_choice(step.drawn)
        if strategy.prefix == "expert":
            chosen = step.drawn[0] if step.drawn else None
        if chosen is not None:
            chosen.chosen = True
        return step

    async def candidates(self, place: Place, step: Step) -> list[Candidate]:
        """The next `explore.width` candidates, drawn and scored at the same time. What a draw raises is raised."""
        first = len(step.drawn)
        count = min(self.walker._settings.width, max(1, self.walker._strategy.most - first))
        draws = await asyncio.gather(
            *(self.draw(place, step, number) for number in range(first, first + count)),
            return_exceptions=True,
        )
        drawn: list[Candidate] = []
        failed: BaseException | None = None
        for found in draws:
            if isinstance(found, BaseException):
                failed = failed or found  # It fails again where it is the next.
                continue
            candidate = self.candidate(step, [*step.drawn, *drawn], *found)
            (step.unused if failed else drawn).append(candidate)
        if failed and not drawn:
            raise failed
        settings, best = self.walker._settings, self.walk.task.best
        # Duplicates share an estimate, which is made once.
        estimates = {id(candidate.estimate): candidate.estimate for candidate in drawn}.values()
        await asyncio.gather(*(score(estimate, step.previous, best, settings) for estimate in estimates))
        for candidate in drawn:
            self.judge(candidate, step.previous)
        return drawn

    def candidate(self, step: Step, before: Sequence[Candidate], act: Act, drawn_by: str) -> Candidate:
        """A candidate, not scored yet, after those before it."""
        canonical = self.walker._environment.canonical(act.draw.action)
        same = [c for c in before if c.canonical == canonical]
        again = self.walker._settings.duplicates == "again"
        twin = same[0] if same and not again else None
        return Candidate(
            index=len(before),
            act=act,
            canonical=canonical,
            drawn_by=drawn_by,
            estimate=twin.estimate if twin else self.estimate(step.index, act, len(same)),
            usage=act.usage,
            duplicate_of=same[0].index if same else None,
        )

    def judge(self, candidate: Candidate, previous: float) -> None:
        """Whether a scored candidate rises, and whether any could rise above it."""
        estimate = candidate.estimate
        candidate.rose = rises(estimate.low, previous, self.walker._settings) and estimate.mean is not None
        candidate.at_maximum = estimate.low >= self.walk.task.best - SAME and estimate.mean is not None

    async def draw(self, place: Place, step: Step, number: int) -> tuple[Act, str]:
        """A candidate's action, and who drew it: the expert's comes first where the walk follows it."""
        walker = self.walker
        follows = self.walk.demonstration if walker._strategy.prefix == "expert" else None
        if follows and number == 0:
            draw = walker._policy.quote(follows.actions[step.index])
            after, turn = await place.after(walker._policy, draw, self.walk.clock)
            return Act(draw, 0, after, turn, Usage()), "expert"
        s = walker._settings
        stream = "" if s.reuse else "candidates"
        own = number - bool(follows)
        act = await self.acts.act(walker._policy, place, own, s.temperature, stream)
        return act, walker._policy.name

    def estimate(self, step: int, act: Act, earlier: int) -> Estimate:
        """What the act is worth; draws that are scored again take rollouts of their own."""
        if act.turn.done:
            return Estimate.given(act.turn.outcome)
        m = self.walker._settings.rollouts
        return Estimate(self.scorer(step), act.place, range(earlier * m, earlier * m + m))
