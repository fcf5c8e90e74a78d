"""Whether siblings should be rolled out with common random numbers: variance of the difference of two values.

    python -m tests.benchmarks.common_random --policy FOLDER [--profile quickstart] [--tasks 150] [--rollouts 40]

From states with two different actions, rollout k of either action draws its n-th turn with the same seed. One sample
tells both variances: that of independent rollouts is the sum of the two actions' own, that of common numbers the
variance of the paired differences. Prints their ratio, with a bootstrap interval over states.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator

from rro.tasks.process import prepare_environment

prepare_environment("tiny")

import numpy as np  # noqa: E402 - the environment is prepared first
from scipy.stats import bootstrap  # noqa: E402

from rro.flows.engines import policy_on_engine  # noqa: E402
from rro.tasks.environments.base import Task, environment_class  # noqa: E402
from rro.tasks.exploration.acts import Clock, Place  # noqa: E402
from rro.tasks.exploration.explore import Pool, choose_tasks  # noqa: E402
from rro.tasks.exploration.play import first_message  # noqa: E402
from rro.tasks.exploration.policy import EnginePolicy  # noqa: E402
from rro.tasks.exploration.seeds import seed_for  # noqa: E402
from rro.tasks.inference.engine import GenerationFailed  # noqa: E402
from rro.tasks.settings import load_settings  # noqa: E402
from tests.benchmarks.policies import parser_of, policy_of  # noqa: E402

DRAWS = 5
Outcomes = list[tuple[float, float]]
"""Of one state: outcomes of rollout k after the first and after the second action."""


class Siblings:
    """Finds states with two different actions on the policy's own way, and rolls both out."""

    def __init__(self, policy: EnginePolicy, canonical: object, rollouts: int) -> None:
        self.policy, self.canonical, self.rollouts = policy, canonical, rollouts
        self.clock = Clock()

    async def task(self, place: Place) -> list[Outcomes]:
        """The outcomes at every such state of one episode."""
        return [await self.outcomes(*pair) async for pair in self.pairs(place)]

    async def pairs(self, place: Place) -> AsyncIterator[tuple[Place, Place]]:
        depth = 0
        while True:
            found: dict[str, Place] = {}
            for number in range(DRAWS):
                draw = await self.policy.draw(place.history, 1.0, seed_for(place.key, depth, number))
                after, turn = await place.after(self.policy, draw, self.clock)
                if not turn.done:
                    found.setdefault(self.canonical(draw.action), after)  # type: ignore[operator]
            if not found:
                return
            ways = list(found.values())
            if len(ways) > 1:
                yield ways[0], ways[1]
            place, depth = ways[0], depth + 1

    async def outcomes(self, one: Place, other: Place) -> Outcomes:
        both = (self.outcome(place, index) for index in range(self.rollouts) for place in (one, other))
        played = await asyncio.gather(*both)
        return list(zip(played[::2], played[1::2], strict=True))

    async def outcome(self, place: Place, index: int) -> float:
        depth = 0
        while True:
            try:
                draw = await self.policy.draw(place.history, 1.0, seed_for("common", index, depth))
            except GenerationFailed:
                return 0.0
            place, turn = await place.after(self.policy, draw, self.clock)
            if turn.done:
                return turn.outcome
            depth += 1


def ratio(apart: np.ndarray, together: np.ndarray) -> float:
    """Variance with common numbers, over that of independent ones, summed over states."""
    return float(together.sum() / apart.sum())


async def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--tasks", type=int, default=150)
    parser.add_argument("--rollouts", type=int, default=40)
    given = parser.parse_args()
    folder = policy_of(given)
    settings = load_settings(given.profile)
    kind = environment_class(settings.environment.name)
    environment = kind(kind.Options.model_validate(settings.environment.options))
    policy = await policy_on_engine(folder.name, folder, settings.engine)
    siblings = Siblings(policy, environment.canonical, given.rollouts)

    async def work(task: Task) -> list[Outcomes]:
        episode = environment.start(task)
        opening = policy.open(first_message(environment, episode.observation))
        return await siblings.task(Place(episode, opening, task.id))

    pool: Pool[list[Outcomes]] = Pool(work, lambda found: None, policy.stepped)
    pool.start({"all": choose_tasks(environment, "train", given.tasks, settings.experts.tasks, "explore")})
    states = [np.array(state) for found in await pool.shard("all") for state in found]
    apart = np.array([state.var(axis=0, ddof=1).sum() for state in states])
    together = np.array([(state[:, 0] - state[:, 1]).var(ddof=1) for state in states])
    found = bootstrap((apart, together), ratio, paired=True, vectorized=False, method="percentile", rng=0)
    low, high = found.confidence_interval
    moved = statistics.fmean(bool(value) for value in apart)
    print(f"{len(states)} states with two actions, {given.rollouts} rollouts each; {moved:.0%} vary at all")
    print(f"variance, common over independent: {ratio(apart, together):.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    asyncio.run(main())
