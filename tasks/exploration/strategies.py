"""Strategies: how many candidates a step draws and when it stops. One walk serves them all.

A new strategy is a class with this protocol and a line in `STRATEGIES`.
"""

from collections.abc import Sequence
from typing import Protocol

from rro.tasks.settings import ExploreSettings

SAME = 1e-9
"""Values this close are equal: a mean of thirds is not the same number in every order."""


class Drawn(Protocol):
    """What a strategy sees of a candidate that was drawn and scored."""

    value: float | None
    rose: bool


class Strategy(Protocol):
    """Decides over one step's draws."""

    name: str

    def stop(self, drawn: Sequence[Drawn], best: float) -> str | None:
        """Why to stop drawing after these candidates, or None to draw one more."""


def rises(value: float | None, previous: float, settings: ExploreSettings) -> bool:
    """Whether a value is rising: greater than the previous step's by more than epsilon.

    Strict by the paper's abstract ("positive reward differential"); `>=` is the existence theorem's form.
    """
    if value is None:
        return False
    bar = previous + settings.epsilon
    return value >= bar - SAME if settings.comparator == ">=" else value > bar + SAME


class Rising:
    """RRO: draw one at a time, stop at the first candidate that rises (arXiv 2505.20737, section 3).

    Ours, where the paper is silent: a cap, a stop at the attainable maximum (a strict rise above it is
    impossible), and on request one contrast candidate where the first one rises and so has no sibling.
    """

    name = "rising"

    def __init__(self, settings: ExploreSettings) -> None:
        self._cap = settings.max_candidates
        self._contrast = settings.contrast

    def stop(self, drawn: Sequence[Drawn], best: float) -> str | None:
        """`rose`, `maximum`, `cap`, or None."""
        if self._contrast and len(drawn) == 1 and self._cap > 1:
            return None
        if any(candidate.rose for candidate in drawn):
            return "rose"
        if any(c.value is not None and c.value >= best - SAME for c in drawn):
            return "maximum"
        return "cap" if len(drawn) >= self._cap else None


STRATEGIES: dict[str, type[Rising]] = {"rising": Rising}


def make_strategy(settings: ExploreSettings) -> Strategy:
    """The strategy that `explore.strategy` names."""
    return STRATEGIES[settings.strategy](settings)
