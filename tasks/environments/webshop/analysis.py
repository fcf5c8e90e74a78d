"""Turns a text into search terms exactly as upstream's engine does: Lucene 9's English analysis.

Words by Unicode rules (UAX #29 as Lucene's StandardTokenizer reads them), `'s` stripped, lower case, 33 stop
words dropped, Porter stems.
"""

from functools import lru_cache

import regex  # type: ignore[import-untyped]

from rro.tasks.environments.webshop.porter import stem

LONGEST_WORD = 255
"""Lucene cuts longer words into pieces of this length."""

_STOP = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these "
    "they this to was will with"
)
STOP_WORDS = frozenset(_STOP.split())

# Possessive repeats: what follows never starts with the same characters, and hostile texts take linear time.
_X = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]*+"
_LETTER = rf"(?:[\p{{WB=ALetter}}\p{{WB=Hebrew_Letter}}]{_X})"
_DIGIT = rf"(?:\p{{WB=Numeric}}{_X})"
_KATAKANA = rf"(?:\p{{WB=Katakana}}{_X})"
_JOINER = rf"(?:\p{{WB=ExtendNumLet}}{_X})"
_IN_WORD = rf"(?:[\p{{WB=MidLetter}}\p{{WB=MidNumLet}}\p{{WB=Single_Quote}}]{_X})"
_IN_NUMBER = rf"(?:[\p{{WB=MidNum}}\p{{WB=MidNumLet}}\p{{WB=Single_Quote}}]{_X})"
# Extended_Pictographic of Unicode 12.1, which Lucene 9 is built on; later versions have taken characters out.
_PICTOGRAPH = (
    r"[\u00a9\u00ae\u203c\u2049\u2122\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u2388\u23cf\u23e9-\u23f3"
    r"\u23f8-\u23fa\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2605\u2607-\u2612\u2614-\u2685\u2690-\u2705"
    r"\u2708-\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757"
    r"\u2763-\u2767\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030\u303d"
    r"\u3297\u3299\U0001f000-\U0001f0ff\U0001f10d-\U0001f10f\U0001f12f\U0001f16c-\U0001f171\U0001f17e"
    r"\U0001f17f\U0001f18e\U0001f191-\U0001f19a\U0001f1ad-\U0001f1e5\U0001f201-\U0001f20f\U0001f21a\U0001f22f"
    r"\U0001f232-\U0001f23a\U0001f23c-\U0001f23f\U0001f249-\U0001f3fa\U0001f400-\U0001f53d"
    r"\U0001f546-\U0001f64f\U0001f680-\U0001f6ff\U0001f774-\U0001f77f\U0001f7d5-\U0001f7ff"
    r"\U0001f80c-\U0001f80f\U0001f848-\U0001f84f\U0001f85a-\U0001f85f\U0001f888-\U0001f88f"
    r"\U0001f8ae-\U0001f8ff\U0001f90c-\U0001f93a\U0001f93c-\U0001f945\U0001f947-\U0001faff"
    r"\U0001fc00-\U0001fffd]"
)
_RUN = (
    rf"(?:{_DIGIT}(?:(?:{_JOINER}*+|{_IN_NUMBER}){_DIGIT})*|"
    rf"{_LETTER}(?:(?:{_JOINER}*+|{_IN_WORD}){_LETTER})*)+"
)
_CORE = rf"(?:{_KATAKANA}(?:{_JOINER}*+{_KATAKANA})*|{_RUN})"
_WORD = regex.compile(
    rf"(?:(?<!\p{{WB=ExtendNumLet}}){_JOINER}++)?{_CORE}(?:{_JOINER}++{_CORE})*{_JOINER}*+"
    rf"|\p{{Script=Han}}{_X}|\p{{Script=Hiragana}}{_X}|[\p{{Script=Thai}}\p{{Script=Lao}}]+"
    rf"|{_PICTOGRAPH}{_X}(?:(?<=\u200d){_PICTOGRAPH}{_X})*|\p{{Regional_Indicator}}{{2}}"
)
_PLAIN_WORD = regex.compile(
    r"(?:(?<!_)_++)?(?:[0-9]++(?:(?:_*+|[.,;'])[0-9]++)*|[A-Za-z]++(?:(?:_*+|[.:'])[A-Za-z]++)*)+"
    r"(?:_++(?:[0-9]++(?:(?:_*+|[.,;'])[0-9]++)*|[A-Za-z]++(?:(?:_*+|[.:'])[A-Za-z]++)*)+)*_*"
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
