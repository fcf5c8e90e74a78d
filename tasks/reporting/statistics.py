"""Means with 95 % intervals, by bootstrap over tasks.

Percentile bootstrap (Efron 1979; `scipy.stats.bootstrap`), seeded, so equal data give equal intervals. Where
the data show no spread, a single task or all values equal, every resample has the same mean: the interval is
that one point. It then says how the sample varies, not how sure one may be; the count stands beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

RESAMPLES = 10_000
CELLS = 4_000_000
"""Resampled values held in memory at once, 8 bytes each."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its 95 % interval, and over how many tasks."""

    mean: float
    low: float
    high: float
    count: int


def mean_interval(values: Sequence[float], resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Mean of `values` with its percentile-bootstrap interval. `ValueError` on no values, NaN or infinity."""
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0 or not np.isfinite(data).all():
        raise ValueError(f"a mean needs at least one value, all finite; got {data.size}")
    if data.min() == data.max():
        constant = float(data[0])
        return Estimate(constant, constant, constant, data.size)
    interval = bootstrap(
        (data,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, CELLS // data.size),
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(float(data.mean()), float(interval.low), float(interval.high), data.size)


def paired_difference(
    before: Mapping[str, float], after: Mapping[str, float], resamples: int = RESAMPLES, seed: int = 0
) -> Estimate | None:
    """Mean of `after - before` over the tasks (keys) that both have; None where they share none.

    Tasks are resampled whole, so what makes a task hard or easy cancels out.
    """
    shared = sorted(before.keys() & after.keys())
    if not shared:
        return None
    return mean_interval([after[task] - before[task] for task in shared], resamples, seed)
