"""IPR: along the expert's trajectory, the expert's step against the agent's (Xiong et al., EMNLP 2024)."""

from collections.abc import Mapping, Sequence
from typing import Any

from rro.tasks.exploration.origin import EXPERT
from rro.tasks.exploration.pairs import Explored, Pair, Step, candidate_end, finished_rollouts
from rro.tasks.exploration.strategies.base import Drawn, Strategy
from rro.tasks.exploration.strategies.eto import against_expert
from rro.tasks.settings import PairSettings


class Ipr(Strategy):
    """At each step of the expert the agent draws once; both actions are scored by m rollouts.

    A step gives a pair where the values differ by more than tau and the outcomes differ the same way: the
    expert's trajectory against the agent's, which is its action played on by the first rollout;
    whoever did better is chosen (its code, construct_preference_monte_carlo, keeps the agent's wins too). Whole
    trajectories give pairs by outcome as well. `pairs.span = "suffix"` is the published form.

    Differs: the agent draws at `explore.temperature` (IPR: 0); the agent's continuation is the scorer's; the
    expert is the environment's scripted one; one round an iteration.
    """

    name = "ipr"
    prefix = "expert"
    expert = True

    @property
    def most(self) -> int:
        """The expert's and the agent's."""
        return 2

    def stop(self, drawn: Sequence[Drawn]) -> str | None:
        """`cap` once the expert's and the agent's action are there."""
        return "cap" if len(drawn) >= self.most else None

    def pairs(self, explored: Explored, settings: PairSettings, seed: int) -> list[Pair]:
        """Whole trajectories by outcome, then steps by value and outcome."""
        expert = next((row for row in explored.rollouts[None] if row["scorer"] == EXPERT), None)
        if expert is None:
            return []
        stepwise = (_pair_of_step(explored, step, expert, settings) for step in explored.steps)
        return [*against_expert(explored, settings), *(pair for pair in stepwise if pair)]


def _pair_of_step(
    explored: Explored, step: Step, trajectory: Mapping[str, Any], settings: PairSettings
) -> Pair | None:
    """The expert's action against the agent's, where values and outcomes agree on which is better."""
    if len(step.drawn) < 2 or any(row["value"] is None for row in step.drawn):
        return None
    expert, agent = step.drawn
    gap = expert["value"] - agent["value"]
    outcome_gap = trajectory["outcome"] - _outcome(explored, agent)
    if abs(gap) <= settings.tau or gap * outcome_gap <= 0 or expert["canonical"] == agent["canonical"]:
        return None
    ends = candidate_end(explored, expert, settings, trajectory), candidate_end(explored, agent, settings)
    better, worse = ends if gap > 0 else reversed(ends)
    return Pair(step.prompt, better, worse, step.row)


def _outcome(explored: Explored, agent: Mapping[str, Any]) -> float:
    """How the agent's own trajectory ended: its first rollout, or its action where that was the last."""
    if agent["done"]:
        return float(agent["value"])
    return float(finished_rollouts(explored, agent)[0]["outcome"])
