"""What makes SQLite speak MySQL: which functions there are, under which names, and how text is compared.

A function that MySQL has and that is not named here does not exist for an agent. NULL in, NULL out, and NULL for
arguments that make no sense, as in MySQL. No function reads a clock, a file or chance.
"""

import math
import sqlite3
from collections.abc import Callable
from random import Random
from typing import Any, cast

from rro.tasks.environments.intercode_sql import dates
from rro.tasks.environments.intercode_sql.collation import COLLATION, compare, like
from rro.tasks.environments.intercode_sql.functions import (
    LONGEST,
    NUMBERS,
    TEXTS,
    WITH_NULLS,
    Function,
    Value,
    number,
)

_BUILT_IN = """
    abs avg coalesce count cume_dist dense_rank first_value group_concat ifnull iif lag last_value lead max min
    nth_value ntile nullif percent_rank rank row_number sum
"""
BUILT_IN = frozenset(_BUILT_IN.split())
"""SQLite's own functions that agents may use: they do as MySQL's do, and their results are bounded."""
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


def _spread(sample: bool, root: bool) -> Callable[[], "_Spread"]:
    return type("Spread", (_Spread,), {"sample": sample, "root": root})


AGGREGATES = {
    **dict.fromkeys(("std", "stddev", "stddev_pop"), _spread(sample=False, root=True)),
    **dict.fromkeys(("variance", "var_pop"), _spread(sample=False, root=False)),
    "stddev_samp": _spread(sample=True, root=True),
    "var_samp": _spread(sample=True, root=False),
}


NAMES = frozenset(
    BUILT_IN
    | TEXTS.keys()
    | NUMBERS.keys()
    | DATES.keys()
    | WITH_NULLS.keys()
    | SAME.keys()
    | AGGREGATES.keys()
) | {"rand", "database", "schema"}
"""What agents may call; names that end in `_` are those of `calls`."""


def register(connection: sqlite3.Connection, database: str) -> frozenset[str]:
    """Give a connection the functions and the collation; returns the names that agents may call."""
    connection.create_collation(COLLATION, compare)
    for name, kind in AGGREGATES.items():
        connection.create_aggregate(name, 1, cast(Any, kind))
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
    return NAMES


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
