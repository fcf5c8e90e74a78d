"""Fixed-sized exploration: always draw K candidates (RRO's control, arXiv 2505.20737, section 4)."""

from collections.abc import Sequence

from rro.tasks.exploration.pairs import Explored, Pair, siblings
from rro.tasks.exploration.strategies.base import Drawn, Strategy
from rro.tasks.settings import PairSettings


class Fixed(Strategy):
    """Draws `explore.max_candidates` at every step and goes on from the best; best against worst is the pair.

    The paper gives K as 3 to 5 and no rule for pairs or for the continuation; both are RRO's here, so that the
    number of draws is all that differs.
    """

    name = "fixed"

    def stop(self, drawn: Sequence[Drawn]) -> str | None:
        """`cap` after K draws."""
        return "cap" if len(drawn) >= self.settings.max_candidates else None

    def pairs(self, explored: Explored, settings: PairSettings, seed: int) -> list[Pair]:
        """The chosen candidate of each step against a worse sibling."""
        return siblings(explored, settings, seed)
