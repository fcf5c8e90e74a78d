"""MySQL's functions of texts and numbers, for SQLite.

They get no NULL (`dialect` sees to that) and may raise ValueError or ArithmeticError for what makes no sense; the
result is then NULL, as in MySQL. What they make is bounded, and so is the time they take.
"""

import math
import re
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from rro.tasks.environments.intercode_sql.collation import compare, folded, like, regexp

LONGEST = 1_000_000
"""Characters of a text that a function makes; NULL beyond that, as with MySQL's `max_allowed_packet`."""

Value = Any
"""None, int, float, str or bytes."""


def text(value: Value) -> str:
    """A value as MySQL writes it into a text."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def number(value: Value) -> int | float:
    """A value as MySQL reads it where a number is needed: the number at its beginning, else 0."""
    if isinstance(value, int | float):
        return value
    found = _NUMBER.match(text(value)[:60])
    return float(found[0]) if found else 0


def _whole(value: Value) -> int:
    return int(_rounded(value))


def _rounded(value: Value, digits: Value = 0, rounding: str = ROUND_HALF_UP) -> int | float:
    given = number(value)
    if isinstance(given, int) and digits >= 0:
        return given
    exact = Decimal(repr(given)).quantize(Decimal(1).scaleb(-int(digits)), rounding)
    return type(given)(exact)


def _part(value: Value, begin: Value, length: Value = LONGEST) -> str:
    whole, first, count = text(value), _whole(begin), _whole(length)
    start = first - 1 if first > 0 else len(whole) + first
    return whole[start : start + count] if first and start >= 0 and count > 0 else ""


def _padded(value: Value, length: Value, padding: Value, left: bool) -> str | None:
    whole, more, width = text(value), text(padding), _whole(length)
    missing = max(0, width - len(whole))
    if not 0 <= width <= LONGEST or (missing and not more):
        return None
    filling = (more * (missing // len(more) + 1))[:missing] if missing else ""
    return (filling + whole if left else whole + filling)[:width]


def _repeated(value: str, count: int) -> str | None:
    return None if count * len(value) > LONGEST else value * max(0, count)


def _replaced(value: Value, old: Value, new: Value) -> str | None:
    whole, one, other = text(value), text(old), text(new)
    if not one:
        return whole
    grown = len(whole) + whole.count(one) * (len(other) - len(one))
    return None if grown > LONGEST else whole.replace(one, other)


def _until(value: Value, mark: Value, count: Value) -> str:
    pieces, times = text(value).split(text(mark)) if mark else [""], _whole(count)
    return text(mark).join(pieces[:times] if times > 0 else pieces[times:] if times else [])


def _place(part: Value, whole: Value, begin: Value = 1) -> int:
    start = _whole(begin) - 1
    return folded(text(whole)).find(folded(text(part)), start) + 1 if start >= 0 else 0


def _joined(mark: Value, *values: Value) -> str | None:
    return None if mark is None else text(mark).join(text(value) for value in values if value is not None)


def _field(wanted: Value, *values: Value) -> int:
    same = (place for place, value in enumerate(values, 1) if compare(text(wanted), text(value)) == 0)
    return 0 if wanted is None else next(same, 0)


def _chosen(place: Value, *values: Value) -> Value:
    return values[_whole(place) - 1] if place is not None and 1 <= _whole(place) <= len(values) else None


def _stripped(side: str, what: Value, value: Value) -> str:
    whole, piece = text(value), text(what)
    begin, end = 0, len(whole)
    while piece and side != "TRAILING" and whole.startswith(piece, begin):
        begin += len(piece)
    while piece and side != "LEADING" and whole.endswith(piece, begin, end):
        end -= len(piece)
    return whole[begin:end]


def _hex(value: Value) -> str:
    return f"{value:X}" if isinstance(value, int) else text(value).encode().hex().upper()


def _extreme(choose: Callable[..., Value]) -> Callable[..., Value]:
    def function(*values: Value) -> Value:
        if all(isinstance(value, int | float) for value in values):
            return choose(values)
        return choose((text(value) for value in values), key=folded)

    return function


def _remainder(one: Value, other: Value) -> int | float | None:
    left, right = number(one), number(other)
    return type(left)(math.fmod(left, right)) if right else None


def _log(base: Value, value: Value = None) -> float:
    return math.log(number(base)) if value is None else math.log(number(value), number(base))


def _of_number(function: Callable[[float], Value]) -> Callable[[Value], Value]:
    return lambda value: function(number(value))


Function = tuple[int, Callable[..., Value]]
"""Number of arguments, -1 for any, and what to call; NULL where an argument is NULL."""

TEXTS: dict[str, Function] = {
    "ascii": (1, lambda value: (text(value).encode()[:1] or b"\0")[0]),
    "char_length": (1, lambda value: len(text(value))),
    "concat": (-1, lambda *values: "".join(map(text, values))),
    "hex": (1, _hex),
    "instr": (2, lambda whole, part: _place(part, whole)),
    "left_": (2, lambda value, count: text(value)[: max(0, _whole(count))]),
    "length": (1, lambda value: len(text(value).encode())),
    "locate": (-1, _place),
    "lower": (1, lambda value: text(value).lower()),
    "lpad": (3, lambda value, length, padding: _padded(value, length, padding, left=True)),
    "ltrim": (1, lambda value: text(value).lstrip(" ")),
    "repeat": (2, lambda value, count: _repeated(text(value), _whole(count))),
    "replace": (3, _replaced),
    "reverse": (1, lambda value: text(value)[::-1]),
    "right_": (2, lambda value, count: text(value)[-_whole(count) :] if _whole(count) > 0 else ""),
    "rpad": (3, lambda value, length, padding: _padded(value, length, padding, left=False)),
    "rtrim": (1, lambda value: text(value).rstrip(" ")),
    "space": (1, lambda count: _repeated(" ", _whole(count))),
    "strcmp": (2, lambda one, other: compare(text(one), text(other))),
    "substring": (-1, _part),
    "substring_index": (3, _until),
    "trim": (1, lambda value: text(value).strip(" ")),
    "trim_": (3, _stripped),
    "upper": (1, lambda value: text(value).upper()),
}
_PLAIN = ("acos", "asin", "atan", "cos", "degrees", "exp", "radians", "sin", "tan")
NUMBERS: dict[str, Function] = {
    **{name: (1, _of_number(getattr(math, name))) for name in _PLAIN},
    "atan2": (2, lambda y, x: math.atan2(number(y), number(x))),
    "ceiling": (1, _of_number(math.ceil)),
    "floor": (1, _of_number(math.floor)),
    "format": (
        2,
        lambda value, digits: f"{_rounded(number(value), digits):,.{min(30, max(0, _whole(digits)))}f}",
    ),
    "greatest": (-1, _extreme(max)),
    "least": (-1, _extreme(min)),
    "ln": (1, _log),
    "log": (-1, _log),
    "log10": (1, _of_number(math.log10)),
    "log2": (1, _of_number(math.log2)),
    "mod": (2, _remainder),
    "pi": (0, lambda: math.pi),
    "power": (2, lambda base, exponent: math.pow(number(base), number(exponent))),
    "round": (-1, _rounded),
    "signed_": (1, lambda value: int(number(value)) if isinstance(value, str) else _whole(value)),
    "sign": (1, lambda value: (number(value) > 0) - (number(value) < 0)),
    "sqrt": (1, _of_number(math.sqrt)),
    "truncate": (2, lambda value, digits: _rounded(value, digits, ROUND_DOWN)),
}

WITH_NULLS: dict[str, Function] = {
    "any_value": (1, lambda value: value),
    "concat_ws": (-1, _joined),
    "elt": (-1, _chosen),
    "field": (-1, _field),
    "isnull_": (1, lambda value: value is None),
    "like": (2, like),
    "regexp": (2, regexp),
    "version": (0, lambda: "8.0.32"),
}
"""Functions for which NULL is an argument like others."""
