"""What a statement may not do on a server, found before the server sees it.

The server itself refuses to change anything: its user may only read, and so may the session. What it would still
do for an agent is refused here: read other databases, `information_schema` with the statements of others among
them; leave something behind for the next statement (variables, locks); write files; answer otherwise each time;
and run a single call that nothing can interrupt, as `LIKE` or `LOCATE` on two long texts would for minutes.

Functions are those that `dialect` has for SQLite, and a few more: what is on no list does not exist.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rro.tasks.environments.intercode_sql.dialect import NAMES
from rro.tasks.environments.intercode_sql.looking import DENIED
from rro.tasks.environments.intercode_sql.statements import CHANGING, Kind, Statement, StatementError, Token

SMALL_PACKET = 16_384
"""Where the server's `max_allowed_packet` is at most this, no text gets longer, and texts may be made to grow."""
MOST_WORK = 16
"""How much searching in texts one statement may do; see `_WORK`."""
LONGEST_PADDING = 255

_MORE = """addtime bin bit_and bit_count bit_length bit_or bit_xor cast char conv convert convert_tz cot crc32 database
    date_add date_sub extract find_in_set get_format if inet_aton insert interval localtime localtimestamp makedate
    maketime median microsecond nvl nvl2 oct ord percentile_cont percentile_disc period_add period_diff position
    quarter rand schema sec_to_time subdate subtime time_format time_to_sec timediff timestampadd to_seconds
    utc_date utc_time utc_timestamp yearweek"""
_NEVER = frozenset({"like", "regexp", "sysdate"})
"""The operators among SQLite's functions, and the clock that does not stand still."""
ALLOWED = frozenset(name.removesuffix("_") for name in NAMES) - _NEVER | frozenset(_MORE.split())
"""Functions that can be called, in lower case."""
GROWING = frozenset({"concat", "concat_ws", "hex", "insert", "lpad", "repeat", "replace", "rpad", "space"})
"""Functions whose result can be longer than what they are given. Nested, they make any length from nothing."""
_WORK = {
    "REGEXP": 8,
    "RLIKE": 8,
    **dict.fromkeys(("INSTR", "LOCATE", "POSITION", "REPLACE", "SUBSTRING_INDEX", "FIND_IN_SET"), 1),
}
_LIKE_A_TEXT, _LIKE_WHAT_IS_COMPUTED = 1, 8

_NO_CALLS = """ALL AND ANY AS BETWEEN BINARY BY CASE DISTINCT DISTINCTROW DIV ELSE EXCEPT EXISTS FROM HAVING IN INDEX
    INTERSECT IS JOIN KEY LATERAL LIKE LIMIT MINUS MOD NOT OFFSET ON OR OVER PARTITION REGEXP RLIKE ROW SELECT
    SOME STRAIGHT_JOIN THEN UNION USING VALUE VALUES WHEN WHERE WITH XOR
    HIGH_PRIORITY SQL_BIG_RESULT SQL_BUFFER_RESULT SQL_CACHE SQL_CALC_FOUND_ROWS SQL_NO_CACHE SQL_SMALL_RESULT
    BIGINT DEC DECIMAL DOUBLE FLOAT INT INTEGER NCHAR NUMERIC SIGNED UNSIGNED VARCHAR"""
_BEFORE_PARENTHESES = frozenset(_NO_CALLS.split())
"""Words that stand before a parenthesis and are no call."""
_AFTER_TABLES = ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "SELECT")
"""Reserved words that end a list of tables; words that could also name a table must not be here."""
_FORBIDDEN = {
    "INTO": "Results can only be shown",
    "PROCEDURE": "Procedures are not available",
    "@": "Variables are not available",
    "@@": "Variables are not available",
    ":=": "Variables are not available",
    "{": "Braces are not available",
}
_LOCKS = (("FOR", "UPDATE"), ("FOR", "SHARE"), ("LOCK", "IN"))


def permit(statement: Statement, db: str, may_grow: bool) -> None:
    """`StatementError` if a statement that reads rows may not run in database `db`."""
    tokens = statement.tokens
    for token, after in zip(tokens, (*tokens[1:], None), strict=True):
        word = keyword(token)
        if word in _FORBIDDEN:
            raise StatementError(_FORBIDDEN[word])
        if after is not None and (word, keyword(after)) in _LOCKS:
            raise StatementError("Rows cannot be locked")
    for name in databases(tokens):
        if name.lower() != db.lower():
            raise StatementError(DENIED.format(name))
    if {"NATURAL", "USING"} & {keyword(token) for token in tokens} and any(names_column_in_full(tokens)):
        # MariaDB 10.11 ends with a segmentation fault if there is no such column.
        raise StatementError("Name columns without their database in a NATURAL join and in one with USING")
    for name in calls(tokens):
        if name not in ALLOWED:
            raise StatementError(f"FUNCTION {db.lower()}.{name} does not exist")
        if name in GROWING and not may_grow:
            raise StatementError(
                f"FUNCTION {db.lower()}.{name} is not available while the server's max_allowed_packet "
                f"is above {SMALL_PACKET}"
            )
    if padding(tokens) > LONGEST_PADDING and not may_grow:
        raise StatementError(f"BINARY of more than {LONGEST_PADDING} bytes is not available")
    if work(tokens) > MOST_WORK:
        raise StatementError("Too many searches in texts (LIKE, REGEXP, LOCATE) in one statement")


def refusal(statement: Statement) -> StatementError:
    """Why a statement that does not read is not run."""
    first = statement.keyword
    if first in CHANGING:
        return StatementError(
            f"{first} command denied to user 'agent'@'localhost'; the database can only be read"
        )
    return StatementError(statement.syntax_error(statement.tokens[0]))


def keyword(token: Token) -> str:
    """The keyword or symbol that a token may be; empty for names, texts and numbers.

    Only ASCII: `U+017F` in upper case is an S for Python, and a letter of a name for a server.
    """
    found = token.kind in (Kind.WORD, Kind.SYMBOL) and token.text.isascii()
    return token.value if found else ""


@dataclass(slots=True)
class _Level:
    """What is known inside one pair of parentheses."""

    selects: bool = False
    """A SELECT began here, so a FROM that follows names tables, and is no part of a function."""
    lists_tables: bool = False


def databases(tokens: Sequence[Token]) -> Iterator[str]:
    """The databases that a statement names: before a table in FROM, or before a table and its column."""
    levels = [_Level()]
    table_follows = False
    at = 0
    while at < len(tokens):
        level, word = levels[-1], keyword(tokens[at])
        end = _dotted(tokens, at)
        # `a.b` is a table and its column, but where a table stands it is a database and its table.
        if end - at > (1 if table_follows else 3):
            yield _written(tokens[at])
        if word == "(":
            levels.append(_Level(lists_tables=table_follows))
        elif word == ")":
            levels.pop()
            levels = levels or [_Level()]
            table_follows = False
        elif word in _AFTER_TABLES and not (at and keyword(tokens[at - 1]) == "FOR"):
            # USE INDEX FOR ORDER BY (...) stands in the middle of the tables.
            level.selects |= word == "SELECT"
            level.lists_tables = table_follows = False
        elif word == "FROM" and level.selects:
            level.lists_tables = table_follows = True
        elif word in ("JOIN", "STRAIGHT_JOIN", ","):
            table_follows = level.lists_tables
        else:
            table_follows = word == "TABLE"
        at = end


def names_column_in_full(tokens: Sequence[Token]) -> Iterator[bool]:
    """For each name, whether it is `database.table.column`."""
    at = 0
    while at < len(tokens):
        end = _dotted(tokens, at)
        yield end - at > 3
        at = end


def _dotted(tokens: Sequence[Token], at: int) -> int:
    """The place after the name that begins at `at`, its parts being joined by dots; else after one token."""
    if not tokens[at].is_name:
        return at + 1
    end = at + 1
    while end < len(tokens):
        if tokens[end].text.startswith(".") and tokens[end].kind is Kind.NUMBER:
            end += 1  # `.1` after a name is a table with the name 1.
        elif tokens[end].text == "." and end + 1 < len(tokens):
            end += 2
        else:
            break
    return end


def _written(token: Token) -> str:
    return token.text if token.kind is Kind.WORD else token.value


def calls(tokens: Sequence[Token]) -> Iterator[str]:
    """Names of the functions that a statement calls, in lower case; `a.b` for one of a database."""
    closing = _closing(tokens)
    for at, token in enumerate(tokens[:-1]):
        if tokens[at + 1].text != "(" or not token.is_name or keyword(token) in _BEFORE_PARENTHESES:
            continue
        before = keyword(tokens[at - 1]) if at else ""
        if before == ".":
            yield f"{_written(tokens[at - 2])}.{_written(token)}".lower()
        # Columns follow a table's name in `WITH t (a, b) AS (...)` and in `(...) AS t (a, b)`.
        elif before not in ("AS", ")") and not _defines(tokens, closing.get(at + 1)):
            yield _written(token).lower()


def _closing(tokens: Sequence[Token]) -> dict[int, int]:
    """Where the parenthesis that opens at a place is closed."""
    opened: list[int] = []
    closing = {}
    for at, token in enumerate(tokens):
        if token.text == "(":
            opened.append(at)
        elif token.text == ")" and opened:
            closing[opened.pop()] = at
    return closing


def _defines(tokens: Sequence[Token], closed: int | None) -> bool:
    if closed is None or closed + 2 >= len(tokens):
        return False
    return keyword(tokens[closed + 1]) == "AS" and tokens[closed + 2].text == "("


def padding(tokens: Sequence[Token]) -> int:
    """The longest `BINARY(n)`, which fills a value up to n bytes."""
    sizes = [
        int(number.value)
        for word, opened, number in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if keyword(word) == "BINARY" and opened.text == "(" and number.value.isdecimal()
    ]
    return max(sizes, default=0)


def work(tokens: Sequence[Token]) -> int:
    """How much a statement searches in texts, an upper bound of what one row may cost."""
    done = 0
    for at, token in enumerate(tokens[:-1]):
        word = keyword(token)
        if word == "LIKE":
            simple = tokens[at + 1].kind is Kind.TEXT
            done += _LIKE_A_TEXT if simple else _LIKE_WHAT_IS_COMPUTED
        elif token.is_name:
            done += _WORK.get(token.value.upper(), 0)
    return done
