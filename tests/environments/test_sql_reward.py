"""The SQL reward: worked out by hand, and Kendall's tau against scipy's."""

from math import isnan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from rro.tasks.environments.intercode_sql.reward import kendall_tau, score

A, B, C, D = ("('a',)", "('b',)", "('c',)", "('d',)")


@pytest.mark.parametrize(
    ("rows", "gold", "reward"),
    [
        (None, [A], 0.0),
        ([], [], 1.0),
        ([], [A], 0.0),
        ([A], [], 0.0),
        ([A, B, C], [A, B, C], 1.0),
        ([C, B, A], [A, B, C], -1.0),
        ([A, A], [A, A], 1.0),
        ([A], [A, B, C], 1 / 3),
        ([A, B], [A, B, C], 0.67),
        ([B, A], [A, B, C], -0.67),
        ([A, B, C], [A, C, B], 0.33),
        ([A, A, B], [A, B, B], 0.5),
        ([A, B, C, D], [A, B], 0.5),
        ([B, B], [A], 0.0),
        ([A, A, A], [A], 1 / 3),
    ],
)
def test_rewards_worked_out_by_hand(rows: list[str] | None, gold: list[str], reward: float) -> None:
    assert score(rows, gold) == reward


def test_a_reward_is_rounded_only_where_there_is_an_order_to_compare() -> None:
    assert score([A, B], [A, C, D]) == 1 / 4
    assert score([A, B], [A, B, C, D, "('e',)", "('f',)"]) == 0.33


letters = st.lists(st.sampled_from(["a", "b", "c", "é", "A", "(1,)", ""]), min_size=1, max_size=40)


@pytest.mark.filterwarnings("ignore:One or more sample arguments is too small")
@settings(max_examples=500, deadline=None)
@given(st.data(), letters)
def test_tau_is_scipys_to_the_last_digit(data: st.DataObject, left: list[str]) -> None:
    right = data.draw(st.lists(st.sampled_from("abcé("), min_size=len(left), max_size=len(left)))
    ours, theirs = kendall_tau(left, right), float(kendalltau(left, right, nan_policy="omit").statistic)
    assert ours == theirs or (isnan(ours) and isnan(theirs))


@settings(max_examples=300, deadline=None)
@given(letters, letters)
def test_a_reward_is_the_formula_with_scipys_tau_and_numpys_rounding(
    rows: list[str], gold: list[str]
) -> None:
    common: list[str] = []
    left = list(gold)
    for row in rows:
        if row in left:
            left.remove(row)
            common.append(row)
    union = len(rows) + len(gold) - len(common)
    share = len(common) / union
    kept, rest = [], list(common)
    for row in gold:
        if row in rest:
            rest.remove(row)
            kept.append(row)
    tau = kendalltau(common, kept, nan_policy="omit").statistic if len(common) > 1 else float("nan")
    assert score(rows, gold) == (share if isnan(tau) else float(round(tau * share, 2)))
    assert -1 <= score(rows, gold) <= 1


def test_ten_thousand_rows_are_scored_in_moments() -> None:
    rows = [f"({number % 7000},)" for number in range(10_000)]
    assert -1 < score(rows, sorted(rows)) < 1
