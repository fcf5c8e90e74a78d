"""Ranks products for a query exactly as upstream's engine does: Lucene's BM25 over its English analysis.

Analysis: words by Unicode rules (UAX #29 as Lucene's StandardTokenizer reads them), `'s` stripped, lower case,
33 stop words dropped, Porter stems. Score: k1 = 0.9, b = 0.4 (Anserini's defaults), document lengths rounded to
Lucene's one-byte form, contributions in float32 summed in float64, equal scores in order of ASIN.
Covered: one text field. Not covered: query operators; upstream does not use them either.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from rro.tasks.environments.webshop.porter import stem

K1 = np.float32(0.9)
B = np.float32(0.4)
TOP = 50
LONGEST_WORD = 255
"""Lucene cuts longer words into pieces of this length."""

STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these "
    "they this to was will with".split()
)

_X = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]*"
_LETTER = rf"(?:[\p{{WB=ALetter}}\p{{WB=Hebrew_Letter}}]{_X})"
_DIGIT = rf"(?:\p{{WB=Numeric}}{_X})"
_KATAKANA = rf"(?:\p{{WB=Katakana}}{_X})"
_JOINER = rf"(?:\p{{WB=ExtendNumLet}}{_X})"
_IN_WORD = rf"(?:[\p{{WB=MidLetter}}\p{{WB=MidNumLet}}\p{{WB=Single_Quote}}]{_X})"
_IN_NUMBER = rf"(?:[\p{{WB=MidNum}}\p{{WB=MidNumLet}}\p{{WB=Single_Quote}}]{_X})"
_RUN = rf"(?:{_DIGIT}(?:(?:{_JOINER}*|{_IN_NUMBER}){_DIGIT})*|{_LETTER}(?:(?:{_JOINER}*|{_IN_WORD}){_LETTER})*)+"
_CORE = rf"(?:{_KATAKANA}(?:{_JOINER}*{_KATAKANA})*|{_RUN})"
_WORD = regex.compile(
    rf"{_JOINER}*{_CORE}(?:{_JOINER}+{_CORE})*{_JOINER}*"
    rf"|\p{{Script=Han}}{_X}|\p{{Script=Hiragana}}{_X}|[\p{{Script=Thai}}\p{{Script=Lao}}]+"
    rf"|\p{{Extended_Pictographic}}{_X}"
)
_PLAIN_WORD = regex.compile(
    r"_*(?:[0-9]+(?:(?:_*|[.,;'])[0-9]+)*|[A-Za-z]+(?:(?:_*|[.:'])[A-Za-z]+)*)+"
    r"(?:_+(?:[0-9]+(?:(?:_*|[.,;'])[0-9]+)*|[A-Za-z]+(?:(?:_*|[.:'])[A-Za-z]+)*)+)*_*"
)
_POSSESSIVE = ("'s", "’s", "＇s", "'S", "’S", "＇S")


def words(text: str) -> list[str]:
    """The words of a text, unchanged, as Lucene's StandardTokenizer cuts them."""
    pattern = _PLAIN_WORD if text.isascii() else _WORD
    found: list[str] = pattern.findall(text)
    if max(map(len, found), default=0) <= LONGEST_WORD:
        return found
    return [word[i : i + LONGEST_WORD] for word in found for i in range(0, len(word), LONGEST_WORD)]


def analyse(text: str) -> list[str]:
    """The search terms of a text, in order, repeats kept."""
    return [term for word in words(text) if (term := _term(word))]


@lru_cache(maxsize=1 << 16)
def _term(word: str) -> str:
    """The term of one word; empty if the word is dropped."""
    if word.endswith(_POSSESSIVE):
        word = word[:-2]
    word = word.lower()
    return "" if word in STOP_WORDS else stem(word)


def rounded_length(length: int) -> int:
    """A document length as Lucene stores it in one byte (SmallFloat.intToByte4): exact up to 40, then coarser."""
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
        """Score of every document, in order of ASIN. A repeated term counts as a boost, as upstream does it."""
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
