"""Answers the statements with which an agent looks around: SHOW, DESC and USE, from the schema alone.

There is no other database: asking for one is refused as by a server whose user may not see it. In upstream's
MySQL every database is open to the agent.
"""

from collections.abc import Iterable

from rro.tasks.environments.intercode_sql.collation import like
from rro.tasks.environments.intercode_sql.data import Column, Schema
from rro.tasks.environments.intercode_sql.database import Answer
from rro.tasks.environments.intercode_sql.statements import Kind, Statement, StatementError, Token

DENIED = "Access denied for user 'agent'@'localhost' to database '{}'"
MISSING = "Table '{}.{}' doesn't exist"


def look(statement: Statement, db: str, schema: Schema) -> Answer:
    """The answer to SHOW, DESC, DESCRIBE, EXPLAIN or USE; `StatementError` with what is wrong."""
    return _Look(statement, db, schema).answer()


class _Look:
    """One such statement, read token by token."""

    def __init__(self, statement: Statement, db: str, schema: Schema) -> None:
        self._statement = statement
        self._db = db
        self._schema = schema
        self._at = 0

    def answer(self) -> Answer:
        if self._took("USE"):
            self._own(self._name())
            return self._end(None)
        if self._took("SHOW"):
            return self._show()
        self._at += 1
        table = self._table()
        return self._end(self._schema[table], wanted=self._pattern(self._next()))

    def _show(self) -> Answer:
        full = self._took("FULL")
        if self._took("DATABASES", "SCHEMAS"):
            return self._end([(self._db,)], wanted=self._like())
        if self._took("TABLES"):
            self._other_database()
            rest = ("BASE TABLE",) if full else ()
            return self._end([(table, *rest) for table in self._schema], wanted=self._like())
        if self._took("COLUMNS", "FIELDS") and self._took("FROM", "IN"):
            table = self._table()
            self._other_database()
            columns = self._schema[table]
            return self._end([_in_full(c) for c in columns] if full else columns, wanted=self._like())
        if self._took("CREATE") and self._took("TABLE"):
            table = self._table()
            return self._end([(table, _create_table(table, self._schema[table]))])
        raise self._wrong()

    def _next(self) -> Token | None:
        tokens = self._statement.tokens
        return tokens[self._at] if self._at < len(tokens) else None

    def _took(self, *words: str) -> bool:
        """Whether the next token is one of these; then it is behind us."""
        token = self._next()
        found = token is not None and token.says(*words)
        self._at += found
        return found

    def _name(self) -> str:
        token = self._next()
        if token is None or not token.is_name:
            raise self._wrong()
        self._at += 1
        return token.text if token.kind is Kind.WORD else token.value

    def _table(self) -> str:
        name = self._name()
        if self._took("."):
            self._own(name)
            name = self._name()
        if name.lower() not in self._schema:
            raise StatementError(MISSING.format(self._db, name.lower()))
        return name.lower()

    def _own(self, db: str) -> None:
        if db.lower() != self._db.lower():
            raise StatementError(DENIED.format(db))

    def _other_database(self) -> None:
        if self._took("FROM", "IN"):
            self._own(self._name())

    def _like(self) -> str | None:
        return self._pattern(self._next()) if self._took("LIKE") else None

    def _pattern(self, token: Token | None) -> str | None:
        """The name or the pattern that rows are asked for with; None where all are."""
        if token is None:
            return None
        self._at += 1
        return token.text if token.kind is Kind.WORD else token.value

    def _end(self, rows: Iterable[tuple[str | None, ...]] | None, wanted: str | None = None) -> Answer:
        if self._next() is not None:
            raise self._wrong()
        if rows is None:
            return Answer()
        return Answer(tuple(str(row) for row in rows if wanted is None or like(wanted, row[0])))

    def _wrong(self) -> StatementError:
        return StatementError(self._statement.syntax_error(self._next()))


def _in_full(column: Column) -> tuple[str | None, ...]:
    name, kind, *rest = column
    texts = any(word in kind for word in ("char", "text", "enum", "set"))
    return name, kind, "utf8mb4_general_ci" if texts else None, *rest, "select", ""


def _create_table(table: str, columns: Iterable[Column]) -> str:
    lines = [_definition(*column) for column in columns]
    if key := [f"`{column[0]}`" for column in columns if column[3] == "PRI"]:
        lines.append(f"  PRIMARY KEY ({','.join(key)})")
    return f"CREATE TABLE `{table}` (\n" + ",\n".join(lines) + "\n)"


def _definition(name: str, kind: str, null: str, key: str, default: str | None, extra: str) -> str:
    parts = [f"  `{name}` {kind}", "NOT NULL" if null == "NO" else ""]
    parts += ["" if default is None else f"DEFAULT '{default}'", extra.upper()]
    return " ".join(part for part in parts if part)
