"""Intervals: right where the answer is known, quiet where data show no spread."""

import warnings

import numpy as np
import pytest

from rro.tasks.reporting.statistics import Estimate, mean_interval, paired_difference


def test_the_interval_is_the_percentile_bootstrap() -> None:
    values = np.random.default_rng(7).random(60)
    # The same by hand, with other random numbers.
    means = np.random.default_rng(1).choice(values, (20_000, 60)).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    estimate = mean_interval(list(values))
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.count == 60
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.003)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draws = np.random.default_rng(3).random((300, 40)) < 0.6
    found = [mean_interval([float(v) for v in row], resamples=500) for row in draws]
    covered = sum(estimate.low <= 0.6 <= estimate.high for estimate in found) / len(found)
    assert 0.90 <= covered <= 0.98


@pytest.mark.parametrize("values", [[0.3], [0.1] * 7, [0.0] * 50, [1.0, 1.0]])
def test_data_without_spread_give_a_point_and_no_warning(values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mean_interval(values) == Estimate(values[0], values[0], values[0], len(values))


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.1, 0.1, 0.3]])
def test_the_mean_lies_inside_its_interval(values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate = mean_interval(values)
    assert min(values) <= estimate.low <= estimate.mean <= estimate.high <= max(values)


def test_equal_data_give_equal_intervals_and_the_seed_matters() -> None:
    values = list(np.random.default_rng(0).random(30))
    assert mean_interval(values, 200) == mean_interval(values, 200)
    assert mean_interval(values, 200) != mean_interval(values, 200, seed=1)


@pytest.mark.parametrize("values", [[], [float("nan")], [0.5, float("inf")]])
def test_values_without_a_mean_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one value, all finite"):
        mean_interval(values)


def test_a_paired_difference_takes_shared_tasks_only() -> None:
    before = {"a": 0.0, "b": 0.5, "only-before": 1.0}
    after = {"b": 0.75, "a": 0.25, "only-after": 0.0}
    assert paired_difference(before, after) == Estimate(0.25, 0.25, 0.25, 2)


def test_pairing_cancels_what_makes_tasks_hard() -> None:
    hardness = np.random.default_rng(5).random(100)
    before = {str(task): value * 0.8 for task, value in enumerate(hardness)}
    after = {task: value + (0.1 if int(task) % 2 else 0.05) for task, value in before.items()}
    difference = paired_difference(before, after)
    assert difference is not None
    assert difference.mean == pytest.approx(0.075)
    assert difference.high - difference.low < 0.02 < mean_interval(list(before.values())).high / 10


def test_a_difference_over_no_shared_task_is_none() -> None:
    assert paired_difference({"a": 1.0}, {"b": 1.0}) is None
