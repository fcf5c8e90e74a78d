"""The walk: one task, step by step, candidates one at a time (design section 4).

To change what a step draws or when it stops, see `strategies.py`; how a candidate is scored, `values.py`;
which pairs follow, `pairs.py`. Everything here is plain asyncio over the interfaces of policy and environment.
"""

import time
from dataclasses import dataclass, field

from rro.tasks.environments.base import Environment, Task
from rro.tasks.exploration.policy import Policy, Usage
from rro.tasks.exploration.seeds import seed_for
from rro.tasks.exploration.strategies import Strategy, make_strategy, rises
from rro.tasks.exploration.values import Clock, Place, Rollout, Value, estimate
from rro.tasks.inference.engine import ContextFull, GenerationFailed
from rro.tasks.settings import ExploreSettings


@dataclass(slots=True)
class Candidate:
    """One action drawn at a step, with what its scoring cost."""

    index: int
    seed: int
    action: str
    canonical: str
    observation: str
    valid: bool
    done: bool
    outcome: float
    raw_reward: float
    truncated: bool
    value: float | None
    rose: bool
    place: Place
    usage: Usage
    planned: int = 0
    rollouts: tuple[Rollout, ...] = ()
    duplicate_of: int | None = None
    contrast: bool = False
    chosen: bool = False


@dataclass(slots=True)
class Step:
    """One step of a walk: what was drawn and what was chosen."""

    index: int
    previous: float
    drawn: list[Candidate] = field(default_factory=list)
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
    start: Value
    steps: list[Step] = field(default_factory=list)
    ended: str = "failed"
    """`done`, `turn_limit`, `context` or `failed`."""
    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0


class Walker:
    """Walks tasks with one policy, one scorer and one set of settings."""

    def __init__(
        self,
        environment: Environment,
        policy: Policy,
        scorer: Policy,
        settings: ExploreSettings,
        seed: int,
    ) -> None:
        self._environment = environment
        self._policy = policy
        self._scorer = scorer
        self._settings = settings
        self._strategy: Strategy = make_strategy(settings)
        self._seed = seed

    async def walk(self, task: Task) -> Walk:
        """Explore one task to its end. Equal seed, settings and weights give an equal walk."""
        begun, clock = time.perf_counter(), Clock()
        episode = self._environment.start(task)
        opening = first_message(self._environment, episode.observation)
        place = Place(episode, self._policy.open(opening))
        walk = Walk(task, opening, await self._first_reference(task, place, clock), clock=clock)
        previous = walk.start.mean if walk.start.mean is not None else 0.0
        while True:
            step = await self._step(task, place, len(walk.steps), previous, clock)
            walk.steps.append(step)
            chosen = step.chosen
            if chosen is None or chosen.value is None:
                walk.ended = "context" if step.stop_reason == "context" else "failed"
                break
            if chosen.done:
                walk.ended = "turn_limit" if chosen.truncated else "done"
                break
            place, previous = chosen.place, chosen.value
        walk.seconds = time.perf_counter() - begun
        return walk

    async def _first_reference(self, task: Task, place: Place, clock: Clock) -> Value:
        if self._settings.first_reference == "zero":
            return Value(0.0)
        return await self._value(place, (self._seed, task.id, -1, -1), clock)

    async def _value(self, place: Place, path: tuple[int | str, ...], clock: Clock) -> Value:
        s = self._settings
        return await estimate(place, self._scorer, s.rollouts, s.rollout_temperature, path, clock)

    async def _step(self, task: Task, place: Place, index: int, previous: float, clock: Clock) -> Step:
        """Draw and score until the strategy stops, then choose the highest value, the earliest of equals."""
        step = Step(index, previous)
        reason = None
        while reason is None:
            try:
                candidate = await self._candidate(task, place, step, clock)
            except ContextFull:
                reason = "context"
                break
            except GenerationFailed:
                reason = "failed"
                break
            candidate.contrast = any(c.rose for c in step.drawn)
            step.drawn.append(candidate)
            reason = self._strategy.stop(step.drawn, task.best)
        scored = [c for c in step.drawn if c.value is not None]
        if scored:
            max(scored, key=lambda c: (c.value or 0.0, -c.index)).chosen = True
        step.stop_reason = reason
        return step

    async def _candidate(self, task: Task, place: Place, step: Step, clock: Clock) -> Candidate:
        """Draw one action, take it in a copy of the episode, and score what it leads to."""
        path = (self._seed, task.id, step.index, len(step.drawn))
        seed = seed_for(*path)
        draw = await self._policy.draw(place.history, self._settings.temperature, seed)
        canonical = self._environment.canonical(draw.action)
        twin = next((c for c in step.drawn if c.canonical == canonical and c.duplicate_of is None), None)
        after, turn = place.after(self._policy, draw, clock)
        if twin is not None:
            value = Value(twin.value)
        elif turn.done:
            value = Value(turn.outcome)
        else:
            value = await self._value(after, path, clock)
        return Candidate(
            index=len(step.drawn),
            seed=seed,
            action=draw.action,
            canonical=canonical,
            observation=turn.observation,
            valid=turn.valid,
            done=turn.done,
            outcome=turn.outcome,
            raw_reward=turn.raw_reward,
            truncated=turn.truncated,
            value=value.mean,
            rose=rises(value.mean, step.previous, self._settings),
            place=after,
            usage=draw.usage,
            planned=value.planned,
            rollouts=value.rollouts,
            duplicate_of=twin.index if twin else None,
        )


def first_message(environment: Environment, observation: str) -> str:
    """What the agent reads first: which actions there are, then the first observation."""
    return f"{environment.prompt}\n{observation}" if environment.prompt else observation
