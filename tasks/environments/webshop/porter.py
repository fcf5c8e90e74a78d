"""Porter's stemmer (Porter 1980) with his two later departures, as in the search engine that WebShop uses.

The departures are `bli` -> `ble` instead of `abli` -> `able`, and the added rule `logi` -> `log`.
Words of one or two letters are left alone.
"""

from functools import lru_cache
from itertools import pairwise

VOWELS = frozenset("aeiou")

STEP_2 = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("logi", "log"),
)
STEP_3 = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
STEP_4 = (
    "al",
    "ance",
    "ence",
    "er",
    "ic",
    "able",
    "ible",
    "ant",
    "ement",
    "ment",
    "ent",
    "ion",
    "ou",
    "ism",
    "ate",
    "iti",
    "ous",
    "ive",
    "ize",
)


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The stem of a lower-case word."""
    if len(word) <= 2:
        return word
    for step in (_step_1a, _step_1b, _step_1c, _step_2, _step_3, _step_4, _step_5):
        word = step(word)
    return word


def _consonants(word: str) -> list[bool]:
    """Whether each letter is a consonant; `y` is one at the start and after a vowel."""
    flags: list[bool] = []
    for letter in word:
        flags.append(not flags or not flags[-1] if letter == "y" else letter not in VOWELS)
    return flags


def _measure(word: str) -> int:
    """How often a vowel is followed by a consonant: the m of Porter's paper."""
    flags = _consonants(word)
    return sum(not before and after for before, after in pairwise(flags))


def _has_vowel(word: str) -> bool:
    return not all(_consonants(word))


def _double_consonant(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _consonants(word)[-1]


def _short_end(word: str) -> bool:
    """Consonant, vowel, consonant at the end, the last not w, x or y: the *o of Porter's paper."""
    return len(word) > 2 and _consonants(word)[-3:] == [True, False, True] and word[-1] not in "wxy"


def _step_1a(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _step_1b(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            return _mend(base) if _has_vowel(base) else word
    return word


def _mend(base: str) -> str:
    """Restore what the removal of `ed` or `ing` took: hop(p)ing, fil(e)ing."""
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if _double_consonant(base):
        return base if base[-1] in "lsz" else base[:-1]
    return base + "e" if _measure(base) == 1 and _short_end(base) else base


def _step_1c(word: str) -> str:
    return word[:-1] + "i" if word.endswith("y") and _has_vowel(word[:-1]) else word


def _replace(word: str, rules: tuple[tuple[str, str], ...]) -> str:
    """Apply the rule with the longest matching suffix, if what is before it has m > 0."""
    found = [rule for rule in rules if word.endswith(rule[0])]
    if not found:
        return word
    suffix, replacement = max(found, key=lambda rule: len(rule[0]))
    base = word[: -len(suffix)]
    return base + replacement if _measure(base) > 0 else word


def _step_2(word: str) -> str:
    return _replace(word, STEP_2)


def _step_3(word: str) -> str:
    return _replace(word, STEP_3)


def _step_4(word: str) -> str:
    found = [suffix for suffix in STEP_4 if word.endswith(suffix)]
    if not found:
        return word
    base = word[: -max(map(len, found))]
    if word.endswith("ion") and not base.endswith(("s", "t")):
        return word
    return base if _measure(base) > 1 else word


def _step_5(word: str) -> str:
    if word.endswith("e"):
        base = word[:-1]
        m = _measure(base)
        if m > 1 or (m == 1 and not _short_end(base)):
            word = base
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
