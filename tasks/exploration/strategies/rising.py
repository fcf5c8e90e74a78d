"""RRO: draw one candidate at a time, stop at the first that rises (arXiv 2505.20737, section 3)."""

from collections.abc import Sequence

from rro.tasks.exploration.pairs import Explored, Pair, siblings
from rro.tasks.exploration.strategies.base import Drawn, Strategy
from rro.tasks.settings import PairSettings


class Rising(Strategy):
    """Stops at the first candidate whose value is greater than the previous step's; it goes on from the best.

    Ours, where the paper is silent: a cap; a stop at the attainable maximum (a strict rise above it is
    impossible); and, on request, draws beyond a first candidate that rises until one differs from it, since
    without a sibling there is no pair.
    """

    name = "rising"

    def stop(self, drawn: Sequence[Drawn]) -> str | None:
        """`rose`, `maximum`, `cap`, or None."""
        reason = next((why for why, holds in self._reasons(drawn) if holds), None)
        wants_sibling = self.settings.contrast and len({candidate.canonical for candidate in drawn}) == 1
        return None if wants_sibling and len(drawn) < self.settings.max_candidates else reason

    def _reasons(self, drawn: Sequence[Drawn]) -> list[tuple[str, bool]]:
        return [
            ("rose", any(candidate.rose for candidate in drawn)),
            ("maximum", any(candidate.at_maximum for candidate in drawn)),
            ("cap", len(drawn) >= self.settings.max_candidates),
        ]

    def pairs(self, explored: Explored, settings: PairSettings, seed: int) -> list[Pair]:
        """The chosen candidate of each step against a worse sibling."""
        return siblings(explored, settings, seed)
