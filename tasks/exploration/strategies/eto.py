"""ETO: whole trajectories of the agent against the expert's, by outcome (Song et al., ACL 2024)."""

from collections.abc import Sequence

from rro.tasks.exploration.origin import EXPERT
from rro.tasks.exploration.pairs import Explored, Pair, trajectory_end
from rro.tasks.exploration.strategies.base import Drawn, Strategy
from rro.tasks.settings import PairSettings


class Eto(Strategy):
    """The agent plays each task `explore.trajectories` times; a difference in outcome above tau makes a pair.

    Whoever did better is chosen, as in ETO's code. Differs: the agent draws at `explore.rollout_temperature`
    (ETO: 0), long losers are not cut (ETO: the expert's length and 5 turns), one round an iteration, and the
    expert is the environment's scripted one.
    """

    name = "eto"
    prefix = "none"
    expert = True

    def stop(self, drawn: Sequence[Drawn]) -> str | None:
        """There are no steps to draw in."""
        return "none"

    def pairs(self, explored: Explored, settings: PairSettings, seed: int) -> list[Pair]:
        """The expert's trajectory against each different one of the agent."""
        return against_expert(explored, settings)


def against_expert(explored: Explored, settings: PairSettings) -> list[Pair]:
    """The expert's whole trajectory against each different one of the agent, the better outcome chosen."""
    played = explored.rollouts[None]
    expert = next((row for row in played if row["scorer"] == EXPERT), None)
    if expert is None:
        return []
    seen, pairs = [expert["actions"]], []
    for row in played:
        if row["outcome"] is None or row["actions"] in seen:
            continue
        seen.append(row["actions"])
        better, worse = sorted((expert, row), key=lambda one: one["outcome"], reverse=True)
        if better["outcome"] - worse["outcome"] > settings.tau:
            pairs.append(Pair(explored.opening, trajectory_end(better), trajectory_end(worse)))
    return pairs
