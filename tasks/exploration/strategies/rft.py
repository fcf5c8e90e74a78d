"""RFT: successful trajectories of the agent join the expert's in another SFT (Yuan et al. 2023; a baseline of IPR)."""

from collections.abc import Sequence

from rro.tasks.exploration.pairs import Explored, Pair, turns_of
from rro.tasks.exploration.strategies.base import Dialogue, Drawn, Strategy
from rro.tasks.exploration.values import SAME
from rro.tasks.settings import PairSettings


class Rft(Strategy):
    """The agent plays each task `explore.trajectories` times; what reaches the task's best outcome is kept.

    Equal trajectories count once. The training starts from the base model, as the first SFT did, with the
    settings of SFT.
    """

    name = "rft"
    trains = "sft"
    prefix = "none"

    def stop(self, drawn: Sequence[Drawn]) -> str | None:
        """There are no steps to draw in."""
        return "none"

    def pairs(self, explored: Explored, settings: PairSettings, seed: int) -> list[Pair]:
        """None: there is nothing to prefer."""
        return []

    def dialogues(self, explored: Explored) -> list[Dialogue]:
        """The different trajectories that reached the best outcome."""
        best = explored.episode["best"] - SAME
        kept = {
            tuple(row["actions"]): row
            for row in reversed(explored.rollouts[None])
            if row["outcome"] is not None and row["outcome"] >= best
        }
        return [explored.opening + turns_of(row) for row in reversed(kept.values())]
