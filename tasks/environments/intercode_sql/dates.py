"""MySQL's functions of dates and times, for SQLite, where dates are text: `2024-05-01` or `2024-05-01 10:00:00`.

The clock stands still, so that the same statement has the same answer in every run.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache

NOW = datetime(2024, 1, 1)
"""What time it always is."""

_DATE = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6}))?)?)?\s*\Z"
)
_DAYS = {"DAY": 1, "WEEK": 7}
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
UNITS = frozenset({*_DAYS, *_SECONDS, *_MONTHS})
"""Units of intervals that are understood."""


@lru_cache(maxsize=4096)
def moment(text: str) -> datetime | None:
    """The time that a text names, or None if it names none."""
    found = _DATE.match(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, int((found[7] or "0").ljust(6, "0")))
    except ValueError:
        return None


def _of(value: object) -> datetime | None:
    return moment(value) if isinstance(value, str) else moment(_digits(value)) if value is not None else None


def _digits(value: object) -> str:
    """A number such as 20240501 read as a date."""
    text = str(value)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else ""


def written(value: datetime, like: object = "") -> str:
    """As MySQL writes it: with the time of day, unless `like` is a date alone and nothing would be lost."""
    day_only = isinstance(like, str) and len(like) <= 10 and value.time() == datetime.min.time()
    return value.date().isoformat() if day_only else value.isoformat(" ")


def field(part: Callable[[datetime], int | str | float]) -> Callable[[object], int | str | float | None]:
    """A function of SQL that tells `part` of a date, NULL for what is no date."""

    def function(value: object) -> int | str | float | None:
        found = _of(value)
        return None if found is None else part(found)

    return function


def shifted(value: object, count: object, unit: str) -> str | None:
    """`value + INTERVAL count unit`."""
    begun = _of(value)
    if begun is None or count is None:
        return None
    number = float(str(count))
    try:
        if unit in _MONTHS:
            return written(_months_later(begun, round(number) * _MONTHS[unit]), value)
        seconds = number * _SECONDS[unit] if unit in _SECONDS else round(number) * _DAYS[unit] * 86400
        return written(begun + timedelta(seconds=seconds), value)
    except (OverflowError, ValueError):
        return None


def _months_later(begun: datetime, months: int) -> datetime:
    year, month = divmod(begun.year * 12 + begun.month - 1 + months, 12)
    for day in range(begun.day, begun.day - 4, -1):
        try:
            return begun.replace(year=year, month=month + 1, day=day)
        except ValueError:
            if not 1 <= year <= 9999:
                raise
    raise ValueError(f"no such month: {year}-{month}")


def difference(unit: str, begin: object, end: object) -> int | None:
    """`TIMESTAMPDIFF(unit, begin, end)`: whole units from one to the other."""
    one, other = _of(begin), _of(end)
    if one is None or other is None:
        return None
    if unit in _MONTHS:
        return int(_whole_months(one, other) / _MONTHS[unit])
    seconds = (other - one).total_seconds()
    return int(seconds / _SECONDS[unit] if unit in _SECONDS else seconds / 86400 / _DAYS[unit])


def _whole_months(one: datetime, other: datetime) -> int:
    if other < one:
        return -_whole_months(other, one)
    months = (other.year - one.year) * 12 + other.month - one.month
    return months - ((other.day, other.time()) < (one.day, one.time()))


def days_between(one: object, other: object) -> int | None:
    """`DATEDIFF`."""
    left, right = _of(one), _of(other)
    return None if left is None or right is None else (left.date() - right.date()).days


def formatted(value: object, pattern: object) -> str | None:
    """`DATE_FORMAT`."""
    found = _of(value)
    if found is None or pattern is None:
        return None
    return re.sub("%(.)", lambda letter: _letter(found, letter[1]), str(pattern))


def _letter(value: datetime, letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter](value)
    return value.strftime(f"%{_SAME[letter]}") if letter in _SAME else letter


_SAME = {
    **{letter: letter for letter in "YymdHpajbfwU"},
    "M": "B",
    "i": "M",
    "s": "S",
    "S": "S",
    "h": "I",
    "I": "I",
    "T": "H:%M:%S",
    "r": "I:%M:%S %p",
    "W": "A",
    "u": "V",
    "v": "V",
    "x": "G",
}
"""Letters of DATE_FORMAT to those of strftime."""
_SPECIAL: dict[str, Callable[[datetime], str]] = {
    "c": lambda value: str(value.month),
    "e": lambda value: str(value.day),
    "k": lambda value: str(value.hour),
    "l": lambda value: str((value.hour - 1) % 12 + 1),
    "D": lambda value: f"{value.day}{_ending(value.day)}",
}


def _ending(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def parsed(text: object, pattern: object) -> str | None:
    """`STR_TO_DATE`."""
    if text is None or pattern is None:
        return None
    letters = {**_SAME, "c": "m", "e": "d", "k": "H", "l": "I"}
    wanted = re.sub("%(.)", lambda letter: f"%{letters.get(letter[1], letter[1])}", str(pattern))
    try:
        found = datetime.strptime(str(text), wanted)
    except ValueError:
        return None
    has_time = any(f"%{letter}" in wanted for letter in "HIMSpf")
    return found.isoformat(" ") if has_time else found.date().isoformat()


def week(value: datetime) -> int:
    """`WEEK` in MySQL's default mode: weeks begin on Sunday, those before the first one are 0."""
    return int(value.strftime("%U"))


def last_day(value: object) -> str | None:
    """The last day of the month."""
    found = _of(value)
    if found is None:
        return None
    return (_months_later(found.replace(day=1), 1) - timedelta(days=1)).date().isoformat()


def seconds_since_1970(value: object = None) -> int | None:
    """`UNIX_TIMESTAMP`, in UTC."""
    found = NOW if value is None else _of(value)
    return None if found is None else int((found - datetime(1970, 1, 1)).total_seconds())


def from_seconds(value: object) -> str | None:
    """`FROM_UNIXTIME`, in UTC."""
    try:
        return (datetime(1970, 1, 1) + timedelta(seconds=int(float(str(value))))).isoformat(" ")
    except (OverflowError, ValueError):
        return None


def days_since_year_0(value: datetime) -> int:
    """`TO_DAYS`."""
    return value.date().toordinal() + 365


def of_days(value: object) -> str | None:
    """`FROM_DAYS`."""
    try:
        return date.fromordinal(int(str(value)) - 365).isoformat()
    except (OverflowError, ValueError):
        return None
