"""Lists of tables and columns in few words, for models that read little.

Upstream prints a described column as `('age', 'int', 'YES', '', None, '')`, some twenty tokens of which an agent
needs the first. Here it is `age`. Answers to other statements stay as they are.
"""

import re
from typing import Literal

from rro.tasks.environments.intercode_sql.database import Answer
from rro.tasks.environments.intercode_sql.statements import StatementError, read_statement

View = Literal["upstream", "brief"]

_FIRST = re.compile(r"\('([^']*)'")
"""The first value of a printed row, where it is a text."""


def brief(statement: str, answer: Answer) -> str | None:
    """`Tables: boats harbors` or `Columns: id name age`; None for an answer that lists neither."""
    title = _title(statement)
    if title is None or answer.rows is None:
        return None
    return f"{title}: {' '.join(found[1] for row in answer.rows if (found := _FIRST.match(row)))}"


def _title(statement: str) -> str | None:
    try:
        first, *rest = read_statement(statement).tokens
    except StatementError:
        return None
    if first.says("DESC", "DESCRIBE"):
        return "Columns"
    listed = rest[0].value if first.says("SHOW") and rest else ""
    return {"TABLES": "Tables", "COLUMNS": "Columns", "FIELDS": "Columns"}.get(listed)
