"""SQLite's error messages in the words of MySQL, as far as agents meet them often."""

import re
from collections.abc import Callable

from rro.tasks.environments.intercode_sql.statements import Statement, syntax_error

_CLAUSES = {
    "SELECT": "field list",
    "FROM": "on clause",
    "WHERE": "where clause",
    "ON": "on clause",
    "GROUP": "group statement",
    "HAVING": "having clause",
    "ORDER": "order clause",
}
"""Keyword that opens a clause, and MySQL's name for it."""


def in_words_of_mysql(message: str, statement: Statement, db: str) -> str:
    """MySQL's message for the same mistake; SQLite's own where there is no rule."""
    for pattern, write in _RULES:
        if found := pattern.match(message):
            return write(found, statement, db)
    return message


def _clause(name: str, statement: Statement) -> str:
    """The clause in which a column's name first stands."""
    wanted = name.rpartition(".")[2].upper()
    opened: list[str] = ["field list"]
    for token in statement.tokens:
        if token.text == "(":
            opened.append(opened[-1])
        elif token.text == ")" and len(opened) > 1:
            opened.pop()
        elif token.is_name and token.value.upper() == wanted:
            return opened[-1]
        elif token.value in _CLAUSES and token.text.isalpha():
            opened[-1] = _CLAUSES[token.value]
    return opened[-1]


def _no_table(found: re.Match[str], statement: Statement, db: str) -> str:
    return f"Table '{db}.{found[1].rpartition('.')[2].lower()}' doesn't exist"


def _no_column(found: re.Match[str], statement: Statement, db: str) -> str:
    return f"Unknown column '{found[1]}' in '{_clause(found[1], statement)}'"


def _prohibited(found: re.Match[str], statement: Statement, db: str) -> str:
    if found[2].upper() == "ROWID":
        return f"Unknown column '{found[2].lower()}' in 'field list'"
    return f"SELECT command denied to user 'agent'@'localhost' for table '{found[1].rpartition('.')[2]}'"


def _ambiguous(found: re.Match[str], statement: Statement, db: str) -> str:
    return f"Column '{found[1]}' in {_clause(found[1], statement)} is ambiguous"


def _no_function(found: re.Match[str], statement: Statement, db: str) -> str:
    return f"FUNCTION {db}.{found[1]} does not exist"


def _syntax(found: re.Match[str], statement: Statement, db: str) -> str:
    wanted = found[1].upper()
    places = (token.start for token in statement.tokens if token.text.upper() == wanted)
    return syntax_error(statement.source, next(places, statement.tokens[-1].start))


def _says(words: str) -> Callable[[re.Match[str], Statement, str], str]:
    return lambda found, statement, db: words.format(*found.groups(), db=db)


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Statement, str], str]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), write)
    for pattern, write in (
        (r"no such table: (.*)", _no_table),
        (r"no such column: (.*)", _no_column),
        (r"access to (.*)\.(\w+) is prohibited", _prohibited),
        (r"ambiguous column name: (.*)", _ambiguous),
        (r"no such function: (.*)", _no_function),
        (r"not authorized to use function: (.*)", _no_function),
        (r'near "(.*)": syntax error', _syntax),
        (r"incomplete input", lambda found, statement, db: statement.syntax_error()),
        (
            r"wrong number of arguments to function (\w+)",
            _says("Incorrect parameter count in the call to native function '{0}'"),
        ),
        (r"misuse of (?:aliased )?(?:aggregate|window function)", _says("Invalid use of group function")),
        (
            r"SELECTs to the left and right",
            _says("The used SELECT statements have a different number of columns"),
        ),
        (r"sub-select returns \d+ columns - expected (\d+)", _says("Operand should contain {0} column(s)")),
        (r"row value misused", _says("Operand should contain 1 column(s)")),
        (r"unknown database (.*)", _says("Unknown database '{0}'")),
        (
            r"parser stack overflow|Expression tree is too large",
            _says("Too high level of nesting for select"),
        ),
        (r"user-defined function raised exception", _says("Incorrect arguments to a function")),
        (r"cannot join using column (.*?) -", _says("Unknown column '{0}' in 'from clause'")),
    )
)
