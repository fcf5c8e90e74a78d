"""Calls of MySQL functions whose arguments SQLite writes otherwise: words between them, units, types, order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rro.tasks.environments.intercode_sql.collation import COLLATION
from rro.tasks.environments.intercode_sql.dates import UNITS
from rro.tasks.environments.intercode_sql.statements import Token

TYPES = {
    **dict.fromkeys(("SIGNED", "UNSIGNED", "INTEGER", "INT", "BIGINT"), "signed_({})"),
    **dict.fromkeys(("CHAR", "NCHAR", "VARCHAR", "TEXT", "BINARY"), "concat({})"),
    **dict.fromkeys(("DOUBLE", "FLOAT", "REAL"), "CAST({} AS REAL)"),
    "DATE": "date({})",
    "DATETIME": "timestamp({})",
    "TIME": "time({})",
}
"""Types of CAST to what converts to them; DECIMAL is rounded to its digits."""


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call, between its parentheses."""

    tokens: Sequence[Token]
    """Of the whole statement."""
    begin: int
    end: int
    closing: dict[int, int]
    rewrite: Callable[[int, int], str]
    """Tokens from one place to another in SQLite's dialect."""

    def find(self, *words: str, after: int | None = None) -> int | None:
        """The first place where one of the words stands outside inner parentheses."""
        at = self.begin if after is None else after
        while at < self.end:
            if self.tokens[at].says(*words):
                return at
            at = self.closing.get(at, at) + 1
        return None

    def arguments(self) -> list[tuple[int, int]]:
        """Where each argument begins and ends."""
        begins = [self.begin]
        while (comma := self.find(",", after=begins[-1])) is not None:
            begins.append(comma + 1)
        return [(one, other - 1) for one, other in zip(begins, [*begins[1:], self.end + 1], strict=True)]

    def parts(self, *words: str) -> list[str] | None:
        """What stands before, between and after these words, rewritten; None if one of them is missing."""
        places = [self.begin - 1]
        for word in words:
            place = self.find(word, after=places[-1] + 1)
            if place is None:
                return None
            places.append(place)
        ends = [*places[1:], self.end]
        return [self.rewrite(one + 1, other) for one, other in zip(places, ends, strict=True)]

    def says(self, at: int, *words: str) -> bool:
        """Whether one of the words stands at this place."""
        return at < self.end and self.tokens[at].says(*words)


def rewritten(name: str, call: Call) -> str | None:
    """The call of `name` (upper case) in SQLite's dialect; None where it stays as it is."""
    write = _WRITERS.get(name)
    return write(call) if write else None


def _cast(call: Call) -> str | None:
    place = call.find("AS")
    return None if place is None else _converted(call, (call.begin, place), (place + 1, call.end))


def _convert(call: Call) -> str | None:
    if place := call.find("USING"):
        return call.rewrite(call.begin, place)
    arguments = call.arguments()
    return _converted(call, *arguments) if len(arguments) == 2 else None


def _converted(call: Call, value: tuple[int, int], kind: tuple[int, int]) -> str | None:
    begin, end = kind
    inner = call.rewrite(*value)
    word = call.tokens[begin].value if begin < end else ""
    if word in ("DECIMAL", "NUMERIC", "DEC"):
        digits = call.tokens[end - 2].text if end - begin == 6 else "0"
        return f"round({inner}, {digits})"
    return TYPES[word].format(inner) if word in TYPES else None


def _trim(call: Call) -> str | None:
    place = call.find("FROM")
    if place is None:
        return None
    has_side = call.says(call.begin, "LEADING", "TRAILING", "BOTH")
    side = call.tokens[call.begin].value if has_side else "BOTH"
    what = call.rewrite(call.begin + has_side, place) or "' '"
    return f"trim_('{side}', {what}, {call.rewrite(place + 1, call.end)})"


def _extract(call: Call) -> str | None:
    parts = call.parts("FROM")
    return f"{parts[0]}({parts[1]})" if parts and call.tokens[call.begin].value in UNITS else None


def _substring(call: Call) -> str | None:
    parts = call.parts("FROM", "FOR") or call.parts("FROM")
    return f"substring({', '.join(parts)})" if parts else None


def _position(call: Call) -> str | None:
    parts = call.parts("IN")
    return f"locate({', '.join(parts)})" if parts else None


def _date_add(call: Call, sign: str = "+") -> str | None:
    arguments = call.arguments()
    if len(arguments) != 2:
        return None
    day, (begin, end) = call.rewrite(*arguments[0]), arguments[1]
    if not call.says(begin, "INTERVAL"):
        return f"shifted_({day}, {sign}({call.rewrite(begin, end)}), 'DAY')"
    unit = call.tokens[end - 1].value
    return f"shifted_({day}, {sign}({call.rewrite(begin + 1, end - 1)}), '{unit}')" if unit in UNITS else None


def _with_unit(call: Call, name: str, order: Sequence[int]) -> str | None:
    """A function whose first argument is a unit."""
    unit = call.tokens[call.begin].value.removeprefix("SQL_TSI_")
    arguments = call.arguments()
    if unit not in UNITS or len(arguments) != 3:
        return None
    words = [f"'{unit}'", *(call.rewrite(*one) for one in arguments[1:])]
    return f"{name}({', '.join(words[place] for place in order)})"


def _group_concat(call: Call) -> str | None:
    distinct = call.says(call.begin, "DISTINCT")
    mark = call.find("SEPARATOR")
    end = next(place for place in (call.find("ORDER"), mark, call.end) if place is not None)
    inner = Call(call.tokens, call.begin + distinct, end, call.closing, call.rewrite)
    values = [call.rewrite(*one) for one in inner.arguments()]
    value = values[0] if len(values) == 1 else f"concat({', '.join(values)})"
    if distinct:
        return f"group_concat(DISTINCT {value})"
    return f"group_concat({value}, {call.rewrite(mark + 1, call.end)})" if mark else f"group_concat({value})"


def _count(call: Call) -> str | None:
    if not call.says(call.begin, "DISTINCT") or call.find(",") is None:
        return None
    values = Call(call.tokens, call.begin + 1, call.end, call.closing, call.rewrite).arguments()
    return f"count(DISTINCT concat({_MARK.join(call.rewrite(*one) for one in values)}) COLLATE {COLLATION})"


_MARK = ", '\x1f', "
"""Between values that are counted together: a character that texts do not have."""


_WRITERS: dict[str, Callable[[Call], str | None]] = {
    "CAST": _cast,
    "CONVERT": _convert,
    "TRIM": _trim,
    "EXTRACT": _extract,
    **dict.fromkeys(("SUBSTRING", "SUBSTR", "MID"), _substring),
    "POSITION": _position,
    **dict.fromkeys(("DATE_ADD", "ADDDATE"), _date_add),
    **dict.fromkeys(("DATE_SUB", "SUBDATE"), lambda call: _date_add(call, sign="-")),
    "TIMESTAMPDIFF": lambda call: _with_unit(call, "timestampdiff", (0, 1, 2)),
    "TIMESTAMPADD": lambda call: _with_unit(call, "shifted_", (2, 1, 0)),
    "GROUP_CONCAT": _group_concat,
    "COUNT": _count,
}
