"""Playing episodes plainly: a policy on held-out tasks, or a scripted expert."""

import time
from dataclasses import dataclass, field

from rro.tasks.environments.base import Environment, Expert, Task, Turn, step_waits
from rro.tasks.exploration.acts import Clock, Place
from rro.tasks.exploration.policy import Policy, Usage
from rro.tasks.exploration.seeds import seed_for
from rro.tasks.inference.engine import ContextFull, GenerationFailed


@dataclass(slots=True)
class Played:
    """One finished episode."""

    task: Task
    opening: str
    actions: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    ended: str = "failed"
    usage: Usage = field(default_factory=Usage)
    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0

    @property
    def outcome(self) -> float:
        """0 for an episode that did not finish."""
        return self.turns[-1].outcome if self.ended == "done" else 0.0


async def play(environment: Environment, policy: Policy, task: Task, temperature: float, seed: int) -> Played:
    """One episode of `policy`, each action drawn with a seed of its own."""
    episode = environment.start(task)
    opening = first_message(environment, episode.observation)
    played = Played(task, opening)
    place = Place(episode, policy.open(opening), waits=step_waits(environment))
    begun = time.perf_counter()
    while True:
        try:
            draw = await policy.draw(place.history, temperature, seed_for(seed, task.id, len(played.actions)))
        except ContextFull:
            played.ended = "context"
            break
        except GenerationFailed:
            break
        place, turn = await place.after(policy, draw, played.clock)
        played.usage.add(draw.usage)
        played.actions.append(draw.action)
        played.turns.append(turn)
        if turn.done:
            played.ended = "turn_limit" if turn.truncated else "done"
            break
    played.seconds = time.perf_counter() - begun
    return played


def demonstrate(environment: Environment, expert: Expert, task: Task) -> Played:
    """One episode of a scripted expert."""
    episode = environment.start(task)
    played = Played(task, first_message(environment, episode.observation))
    begun = time.perf_counter()
    while not played.turns or not played.turns[-1].done:
        action = expert(episode.observation)
        played.actions.append(action)
        played.turns.append(played.clock.step(episode, action))
    played.ended = "turn_limit" if played.turns[-1].truncated else "done"
    played.seconds = time.perf_counter() - begun
    return played


def first_message(environment: Environment, observation: str) -> str:
    """What the agent reads first: which actions there are, then the first observation."""
    return f"{environment.prompt}\n{observation}" if environment.prompt else observation
