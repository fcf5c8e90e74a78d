"""How far a candidate is scored: to the last rollout, until the decision is certain, or until it is likely enough.

Early stop is lossless: outcomes lie in [0, 1], so finished rollouts bound the mean of all, and once rising and
reaching the maximum are the same at both bounds the rest cannot change them. The chosen candidate, which is the next
reference, and the lowest one, which may be rejected, are then completed; others keep no value.

A sequential test is not lossless: it stops when a bet against "not rising" (or against "rising") has multiplied
its stake by 1 / error_rate, which under the hypothesis happens at any time with at most that probability (Ville's
inequality; Waudby-Smith and Ramdas, 2024). What was finished is then the value.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from rro.tasks.exploration.values import HIGHEST, SAME, Estimate, rises
from rro.tasks.settings import ExploreSettings

STAKES = (0.1, 0.25, 0.5, 0.75, 0.95)
"""Shares of the largest fair bet, mixed evenly: no single one suits every difference."""


class Scored(Protocol):
    """A candidate as far as choosing needs it."""

    index: int
    canonical: str
    estimate: Estimate
    duplicate_of: int | None


Candidate = TypeVar("Candidate", bound=Scored)


async def score(estimate: Estimate, previous: float, best: float, settings: ExploreSettings) -> None:
    """Play rollouts until it is known, or likely enough, whether the value rises."""
    if not (settings.early_stop or settings.error_rate):
        await estimate.finish()
    while not estimate.complete:
        if settings.early_stop and decided(estimate, previous, best, settings):
            return
        if settings.error_rate and likely(
            estimate.outcomes, previous + settings.epsilon, settings.error_rate
        ):
            estimate.settle()
            return
        await estimate.next()


def decided(estimate: Estimate, previous: float, best: float, settings: ExploreSettings) -> bool:
    """Whether no outcome of the rollouts that are left can change what the step does with the value."""
    low, high = estimate.low, estimate.high
    same_rise = rises(low, previous, settings) == rises(high, previous, settings)
    same_maximum = (low >= best - SAME) == (high >= best - SAME)
    # With no outcome yet all rollouts may still fail, and then there is no value at all.
    return bool(estimate.outcomes) and same_rise and same_maximum


def likely(outcomes: Sequence[float], bar: float, error_rate: float) -> bool:
    """Whether the outcomes refute, at this error rate, that their mean is at most, or at least, the bar."""
    if not 0 < bar < HIGHEST:
        return False
    return any(
        _wealth([sign * (outcome - bar) for outcome in outcomes], room) >= 1 / error_rate
        for sign, room in ((1, bar), (-1, HIGHEST - bar))
    )


def _wealth(gains: Sequence[float], room: float) -> float:
    """What an even mix of stakes became; `room` is the largest loss of a bet of 1, so no stake goes below 0."""
    return math.fsum(math.prod(1 + stake * gain / room for gain in gains) for stake in STAKES) / len(STAKES)


async def finish_choice(drawn: Sequence[Candidate]) -> Candidate | None:
    """The candidate of the highest value, the earliest of equals; None where none has a value.

    It, and the lowest one of another action, are completed on the way; no other needs to be.
    """
    if not drawn:
        return None
    chosen = await _settled(drawn, lambda one: (-one.estimate.high, one.index))
    others = [one for one in drawn if one.duplicate_of is None and one.canonical != chosen.canonical]
    if others:
        await _settled(others, lambda one: (one.estimate.low, one.index))
    return chosen if chosen.estimate.mean is not None else None


async def _settled(drawn: Sequence[Candidate], place: Callable[[Candidate], tuple[float, int]]) -> Candidate:
    """The first by a bound, once its value is complete: nobody else's can then come before it."""
    while True:
        first = min(drawn, key=place)
        if first.estimate.complete:
            return first
        await first.estimate.next()
