"""Upstream's reward: how much of the gold result was found, and in how much of its order.

    reward = round(tau * IoU, 2), or IoU where Kendall's tau is not a number

IoU is that of the two results as multisets of printed rows. For tau each result is cut to the rows that both
have, as often as both have them, first ones first; tau-b is then taken on the two lists, place by place, as
printed text (princeton-nlp/intercode, envs/sql/sql_env.py, get_reward; the tau is scipy.stats.kendalltau's).

Upstream's quirks, all kept:
- The order always counts, also where the question asks for none: a sorted result backwards earns -1.
- Tau compares the i-th common row of one list with the i-th of the other by alphabet, so what counts is how
  alike the ups and downs of the two lists are, not where a row stands: another unsorted result backwards may
  earn more than 0.
- One common row, or only equal ones, have no tau; IoU then stays unrounded.
- Two empty results earn 1. An error, no result at all, and nothing asked earn 0.
"""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import isnan, nan, sqrt

Rows = Sequence[str]
"""Each row as Python prints its tuple."""


def score(rows: Rows | None, gold: Rows) -> float:
    """The reward in [-1, 1] for ending with `rows` where `gold` was asked for; None is no result."""
    if rows is None:
        return 0.0
    if rows == gold:
        return 1.0
    ours, theirs = Counter(rows), Counter(gold)
    common = ours & theirs
    union = (ours | theirs).total()
    if not union:
        return 1.0
    overlap = common.total() / union
    tau = kendall_tau(_first(rows, common), _first(gold, common)) if common else nan
    # As numpy rounds: to the nearest even hundredth of the product. Python's own round looks at all digits.
    return overlap if isnan(tau) else round(tau * overlap * 100) / 100


def kendall_tau(left: Rows, right: Rows) -> float:
    """Kendall's tau-b of two lists of equal length, place by place; not a number where one has only ties.

    The same arithmetic as scipy's, so the same last digit.
    """
    pairs = sorted(zip(left, right, strict=True))
    total = _pairs(len(pairs))
    left_ties = _ties(x for x, _ in pairs)
    right_ties = _ties(sorted(y for _, y in pairs))
    if left_ties == total or right_ties == total:
        return nan
    both = _ties(pairs)
    agreeing = total - left_ties - right_ties + both - 2 * _discordant(pairs)
    tau = agreeing / sqrt(total - left_ties) / sqrt(total - right_ties)
    return min(1.0, max(-1.0, tau))


def _first(rows: Rows, common: Counter[str]) -> list[str]:
    """The rows that are in `common`, each at most as often as there."""
    left = common.copy()
    kept = []
    for row in rows:
        if left[row] > 0:
            left[row] -= 1
            kept.append(row)
    return kept


def _discordant(pairs: Iterable[tuple[str, str]]) -> int:
    """Pairs of places whose two lists go opposite ways; `pairs` are sorted."""
    seen: list[str] = []
    count = 0
    for place, (_, y) in enumerate(pairs):
        count += place - bisect_right(seen, y)
        insort(seen, y)
    return count


def _ties(ordered: Iterable[object]) -> int:
    return sum(_pairs(sum(1 for _ in group)) for _, group in groupby(ordered))


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
