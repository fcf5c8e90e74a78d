"""Ranks products for a query exactly as upstream's engine does: Lucene's BM25 over analysed terms.

k1 = 0.9, b = 0.4 (Anserini's defaults), document lengths rounded to Lucene's one-byte form, contributions in
float32 summed in float64, equal scores in order of ASIN.
Covered: one text field. Not covered: query operators; upstream does not use them either.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rro.tasks.environments.webshop.postings import (
    BLOCK,
    NewArray,
    Postings,
    PostingsBuilder,
    in_memory,
    read_array,
)

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
    """BM25 over documents; a term's postings hold ready 1 + frequency * norm as their values."""

    def __init__(self, ranks: NDArray[np.int32], postings: Postings) -> None:
        self.ranks = ranks
        """A document's place in order of ASIN."""
        self.postings = postings

    @classmethod
    def build(cls, asins: Sequence[str], documents: Iterable[Mapping[str, int]]) -> "SearchIndex":
        """An index in memory of documents given as term counts, each with its ASIN."""
        builder = SearchIndexBuilder()
        for asin, document in zip(asins, documents, strict=True):
            builder.add(asin, document)
        return builder.finish()

    @classmethod
    def read(cls, folder: Path) -> "SearchIndex":
        """An index that `SearchIndexBuilder` has written there."""
        return cls(read_array(folder, "ranks"), Postings.read(folder, "terms"))

    def scores(self, terms: Iterable[str]) -> NDArray[np.float32]:
        """Score of every document, in the order they were added. A repeated term counts as a boost."""
        places: list[NDArray[np.int32]] = [self.ranks[:0]]
        contributions: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)]
        for term, repeats in Counter(terms).items():
            found_in, saturation = self.postings.find(term)
            if found_in.size:
                weight = self._inverse_document_frequency(found_in.size) * np.float32(repeats)
                places.append(found_in)
                contributions.append(weight - weight / saturation)
        # Sums in float64, in order of the terms.
        total = np.bincount(np.concatenate(places), np.concatenate(contributions), len(self.ranks))
        return total.astype(np.float32)

    def _inverse_document_frequency(self, found_in: int) -> np.float32:
        return np.float32(np.log(1 + (len(self.ranks) - found_in + 0.5) / (found_in + 0.5)))

    def search(self, terms: Iterable[str], top: int = TOP) -> list[int]:
        """Numbers (in the order they were added) of the best documents, best first."""
        scores = self.scores(terms)
        found: NDArray[Any] = np.flatnonzero(scores > 0)
        if found.size > 8 * top:
            threshold = np.partition(scores[found], -top)[-top]
            found = found[scores[found] >= threshold]
        ranked = found[np.lexsort((self.ranks[found], -scores[found]))[:top]]
        return [int(number) for number in ranked]


class SearchIndexBuilder:
    """Takes documents one by one; with a folder to spill into, in memory that hardly grows with them."""

    def __init__(self, spill: Path | None = None) -> None:
        self._postings = PostingsBuilder(spill)
        self._asins: list[str] = []
        self._lengths = array("q")

    def add(self, asin: str, document: Mapping[str, int]) -> None:
        """The next document: its terms and how often each occurs."""
        self._asins.append(asin)
        self._lengths.append(sum(document.values()))
        self._postings.add(document)

    def finish(self, new: NewArray = in_memory) -> SearchIndex:
        """The index; arrays `ranks` and `terms.*` are made by `new`."""
        order = sorted(range(len(self._asins)), key=self._asins.__getitem__)
        ranks = new("ranks", len(order), np.int32)
        ranks[order] = np.arange(len(order))
        postings = self._postings.finish("terms", new)
        inverse = self._inverse_norms()
        for start in range(0, len(postings.values), BLOCK):
            part = slice(start, start + BLOCK)
            postings.values[part] = 1 + postings.values[part] * inverse[postings.places[part]]
        return SearchIndex(ranks, postings)

    def _inverse_norms(self) -> NDArray[np.float32]:
        """1 / (k1 * (1 - b + b * length / mean length)) in float32, the mean over the exact lengths."""
        lengths = np.asarray(self._lengths)
        mean = np.float32(lengths.sum() / max(1, len(lengths))) or np.float32(1)
        stored = np.array([rounded_length(int(length)) for length in lengths], dtype=np.float32)
        one = np.float32(1)
        inverse: NDArray[np.float32] = one / (K1 * ((one - B) + B * stored / mean))
        return inverse
