"""MySQL's functions for SQLite: texts, numbers and statistics; those of dates are in `dates`.

A function that MySQL has and that is neither here nor in `BUILT_IN` does not exist for an agent. NULL in, NULL
out, and NULL for arguments that make no sense, as in MySQL. No function reads a clock, a file or chance.
"""

import math
import re
import sqlite3
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from rro.tasks.environments.intercode_sql import dates
from rro.tasks.environments.intercode_sql.collation import COLLATION, compare, folded, like, regexp

BUILT_IN = frozenset(
    """abs avg coalesce count cume_dist dense_rank first_value group_concat ifnull iif lag last_value lead max min
    nth_value ntile nullif percent_rank rank row_number sum""".split()
)
"""SQLite's own functions that agents may use: they do as MySQL's do, and their results are bounded."""
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
    return whole[start : start + count] if first and 0 <= start and count > 0 else ""


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
NUMBERS: dict[str, Function] = {
    **{
        name: (1, _of_number(getattr(math, name)))
        for name in "acos asin atan cos degrees exp radians sin tan".split()
    },
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
DATES: dict[str, Function] = {
    "current_date": (0, lambda: dates.NOW.date().isoformat()),
    "current_time": (0, lambda: dates.NOW.time().isoformat()),
    "current_timestamp": (0, lambda: dates.NOW.isoformat(" ")),
    "date": (1, dates.field(lambda value: value.date().isoformat())),
    "date_format": (2, dates.formatted),
    "datediff": (2, dates.days_between),
    "day": (1, dates.field(lambda value: value.day)),
    "dayname": (1, dates.field(lambda value: value.strftime("%A"))),
    "dayofweek": (1, dates.field(lambda value: value.isoweekday() % 7 + 1)),
    "dayofyear": (1, dates.field(lambda value: value.timetuple().tm_yday)),
    "from_days": (1, dates.of_days),
    "from_unixtime": (1, dates.from_seconds),
    "hour": (1, dates.field(lambda value: value.hour)),
    "last_day": (1, dates.last_day),
    "minute": (1, dates.field(lambda value: value.minute)),
    "month": (1, dates.field(lambda value: value.month)),
    "monthname": (1, dates.field(lambda value: value.strftime("%B"))),
    "quarter": (1, dates.field(lambda value: (value.month + 2) // 3)),
    "second": (1, dates.field(lambda value: value.second)),
    "shifted_": (3, dates.shifted),
    "str_to_date": (2, dates.parsed),
    "time": (1, dates.field(lambda value: value.time().isoformat())),
    "timestamp": (1, dates.field(lambda value: value.isoformat(" "))),
    "timestampdiff": (3, dates.difference),
    "to_days": (1, dates.field(dates.days_since_year_0)),
    "unix_timestamp": (-1, dates.seconds_since_1970),
    "week": (1, dates.field(dates.week)),
    "weekday": (1, dates.field(lambda value: value.weekday())),
    "year": (1, dates.field(lambda value: value.year)),
}
WITH_NULLS: dict[str, Function] = {
    "any_value": (1, lambda value: value),
    "concat_ws": (-1, _joined),
    "elt": (-1, _chosen),
    "field": (-1, _field),
    "isnull": (1, lambda value: value is None),
    "like": (2, like),
    "regexp": (2, regexp),
    "version": (0, lambda: "8.0.32"),
}
"""Functions for which NULL is an argument like others."""
SAME = {
    "adddate": "shifted_",
    "ceil": "ceiling",
    "character_length": "char_length",
    "curdate": "current_date",
    "curtime": "current_time",
    "dayofmonth": "day",
    "lcase": "lower",
    "mid": "substring",
    "now": "current_timestamp",
    "octet_length": "length",
    "pow": "power",
    "substr": "substring",
    "sysdate": "current_timestamp",
    "ucase": "upper",
    "weekofyear": "week",
}
"""Other names."""

CHANCE = Random()
"""Where RAND() draws from; seeded anew before each statement, so that each has one answer."""
_ARITIES = (-1, 0, 1, 2, 3, 4)
"""All are taken, so that none of SQLite's own functions stays behind one of these names."""


class _Spread:
    """Variance, in one pass (Welford); its subclasses say of what, and of which root."""

    sample = False
    root = False

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def step(self, value: Value) -> None:
        """Take one more value in."""
        if value is not None:
            self._count += 1
            away = number(value) - self._mean
            self._mean += away / self._count
            self._squares += away * (number(value) - self._mean)

    def finalize(self) -> float | None:
        """The result."""
        if self._count <= self.sample:
            return None
        variance = self._squares / (self._count - self.sample)
        return math.sqrt(variance) if self.root else variance


def _spread(sample: bool, root: bool) -> type[_Spread]:
    return type("Spread", (_Spread,), {"sample": sample, "root": root})


AGGREGATES = {
    **dict.fromkeys(("std", "stddev", "stddev_pop"), _spread(sample=False, root=True)),
    **dict.fromkeys(("variance", "var_pop"), _spread(sample=False, root=False)),
    "stddev_samp": _spread(sample=True, root=True),
    "var_samp": _spread(sample=True, root=False),
}


def register(connection: sqlite3.Connection, database: str) -> frozenset[str]:
    """Give a connection the functions and the collation; returns the names that agents may call."""
    connection.create_collation(COLLATION, compare)
    for name, kind in AGGREGATES.items():
        connection.create_aggregate(name, 1, kind)
    known = {
        **{name: _total(*function) for name, function in {**TEXTS, **NUMBERS, **DATES}.items()},
        **WITH_NULLS,
    }
    known |= {other: known[name] for other, name in SAME.items()}
    known |= {name: (0, lambda: database) for name in ("database", "schema")}
    for name, (count, function) in known.items():
        for arity in _ARITIES:
            fits = count in (arity, -1)
            connection.create_function(name, arity, function if fits else _refused, deterministic=True)
    connection.create_function("like", 3, like, deterministic=True)
    connection.create_function("rand", -1, lambda *_: CHANCE.random())
    return BUILT_IN | known.keys() | AGGREGATES.keys() | {"rand"}


def _total(count: int, function: Callable[..., Value]) -> Function:
    """The same function, NULL where an argument is NULL or makes no sense or the result is too long."""

    def called(*values: Value) -> Value:
        if None in values:
            return None
        try:
            result = function(*values)
        except (ValueError, ArithmeticError):
            return None
        return None if isinstance(result, str) and len(result) > LONGEST else result

    return count, called


def _refused(*_: Value) -> None:
    raise TypeError("wrong number of arguments")
