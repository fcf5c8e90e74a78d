"""Ranks products for a query exactly as upstream's engine does: Lucene's BM25 over analysed terms.

k1 = 0.9, b = 0.4 (Anserini's defaults), document lengths rounded to Lucene's one-byte form, contributions in
float32 summed in float64, equal scores in order of ASIN.
Covered: one text field. Not covered: query operators; upstream does not use them either.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

K1 = np.float32(0.9)
B = np.float32(0.4)
TOP = 50
"""Most products that a search returns."""


def rounded_length(length: int) -> int:
    """A document length as Lucene keeps it in one byte (SmallFloat.intToByte4): exact up to 40."""
    exact = 24
    rest = length - exact
    shift = rest.bit_length() - 4
    if rest < 8 or shift < 0:
        return length
    return exact + (rest >> shift << shift)


class SearchIndex:
    """BM25 over documents given as term counts; each term holds its documents and ready contributions."""

    def __init__(self, asins: Sequence[str], documents: Iterable[Mapping[str, int]]) -> None:
        order = sorted(range(len(asins)), key=asins.__getitem__)
        place = {old: new for new, old in enumerate(order)}
        self._order = np.array(order, dtype=np.int64)
        self._size = len(order)
        lengths = np.zeros(self._size, dtype=np.int64)
        postings: dict[str, list[tuple[int, int]]] = {}
        for old, document in enumerate(documents):
            lengths[place[old]] = sum(document.values())
            for term, count in document.items():
                postings.setdefault(term, []).append((place[old], count))
        inverse = self._inverse_norms(lengths)
        self._postings = {term: self._contributions(pairs, inverse) for term, pairs in postings.items()}

    def _inverse_norms(self, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """1 / (k1 * (1 - b + b * length / mean length)) in float32, the mean over the exact lengths."""
        mean = np.float32(lengths.sum() / max(1, self._size)) or np.float32(1)
        stored = np.array([rounded_length(int(n)) for n in lengths], dtype=np.float32)
        one = np.float32(1)
        inverse: NDArray[np.float32] = one / (K1 * ((one - B) + B * stored / mean))
        return inverse

    def _contributions(
        self, pairs: list[tuple[int, int]], inverse: NDArray[np.float32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], np.float32]:
        """Documents, 1 + frequency * norm, and inverse document frequency of one term."""
        places = np.array([place for place, _ in pairs], dtype=np.int32)
        counts = np.array([count for _, count in pairs], dtype=np.float32)
        idf = np.float32(np.log(1 + (self._size - len(pairs) + 0.5) / (len(pairs) + 0.5)))
        return places, np.float32(1) + counts * inverse[places], idf

    def scores(self, terms: Iterable[str]) -> NDArray[np.float32]:
        """Score of every document, in order of ASIN. A repeated term counts as a boost, as in Anserini."""
        total = np.zeros(self._size, dtype=np.float64)
        for term, repeats in Counter(terms).items():
            if term in self._postings:
                places, saturation, idf = self._postings[term]
                weight = idf * np.float32(repeats)
                total[places] += weight - weight / saturation
        return total.astype(np.float32)

    def search(self, terms: Iterable[str], top: int = TOP) -> list[int]:
        """Positions (in the order given at construction) of the best documents, best first."""
        scores = self.scores(terms)
        found: NDArray[Any] = np.flatnonzero(scores > 0)
        if found.size > 8 * top:
            threshold = np.partition(scores[found], -top)[-top]
            found = found[scores[found] >= threshold]
        ranked = found[np.argsort(-scores[found], kind="stable")[:top]]
        return [int(i) for i in self._order[ranked]]
