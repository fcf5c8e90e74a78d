"""How MySQL compares text: `utf8mb4_general_ci`, LIKE and REGEXP, for SQLite.

Two texts are equal if they differ in letter case, in accents or in spaces at their end only; they are ordered
by the capital letter under the accent. LIKE is written so that its time grows with the length of text times
pattern and no faster, whatever the pattern is.
"""

import re
import unicodedata
from functools import lru_cache

COLLATION = "general_ci"
"""Name under which SQLite knows the comparison."""
_LONGEST_KEPT = 200
_KEPT = 1 << 15
"""So many short texts are remembered, and no long ones, so that no agent can fill the memory."""


class _Weights(dict[int, str]):
    """Character to the one it is compared as, worked out when first met."""

    def __missing__(self, code: int) -> str:
        letter = unicodedata.normalize("NFD", chr(code))[0]
        weight = "S" if letter == "ß" else letter.upper()[:1] if len(letter.upper()) == 1 else letter
        self[code] = weight
        return weight


_WEIGHTS = _Weights()


def folded(text: str) -> str:
    """The text with each character replaced by the one it is compared as."""
    return text.upper() if text.isascii() else text.translate(_WEIGHTS)


class _Keys(dict[str, str]):
    """Text to what stands for it where texts are compared and ordered; short ones are remembered."""

    def __missing__(self, text: str) -> str:
        key = folded(text).rstrip(" ")
        if len(text) <= _LONGEST_KEPT:
            if len(self) >= _KEPT:
                self.clear()
            self[text] = key
        return key


_KEYS = _Keys()


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, as SQLite asks of a collation."""
    one, other = _KEYS[left], _KEYS[right]
    return (one > other) - (one < other)


def like(pattern: object, value: object, escape: object = "\\") -> bool | None:
    """Whether `value LIKE pattern`; numbers are compared as they are printed."""
    if pattern is None or value is None or escape is None:
        return None
    return _like(str(pattern), str(escape)).match(folded(str(value))) is not None


@lru_cache(maxsize=256)
def _like(pattern: str, escape: str) -> re.Pattern[str]:
    """A pattern that never looks back: every piece between two `%` is taken where it first fits."""
    first, *others = _pieces(folded(pattern), folded(escape))
    if not others:
        return re.compile(f"{first}\\Z", re.DOTALL)
    *middle, last = others
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in middle) + f".*{last}\\Z", re.DOTALL)


def _pieces(pattern: str, escape: str) -> list[str]:
    """What stands between the `%` of a pattern, as regular expressions of fixed length."""
    pieces = [""]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            pieces[-1] += re.escape(next(characters, escape))
        elif character != "%":
            pieces[-1] += "." if character == "_" else re.escape(character)
        elif len(pieces) == 1 or pieces[-1]:
            pieces.append("")
    return pieces


def regexp(pattern: object, value: object) -> bool | None:
    """Whether `value REGEXP pattern`; a pattern that is none is an error of the statement."""
    if pattern is None or value is None:
        return None
    return _regexp(str(pattern)).search(str(value)) is not None


@lru_cache(maxsize=64)
def _regexp(pattern: str) -> re.Pattern[str]:
    for name, characters in _CLASSES.items():
        pattern = pattern.replace(f"[:{name}:]", characters)
    return re.compile(pattern.replace("[[:<:]]", r"\b").replace("[[:>:]]", r"\b"), re.IGNORECASE)


_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "space": r"\s",
    "upper": "A-Z",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
}
