"""Makes a database in memory as MySQL would hold it: rows in the order of their key, text compared as there.

SQLite has no type for times, so a time is the text that MySQL would print; `Times` knows in which databases such
a text is always a time, and prints it as MySQL's connector does.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rro.tasks.environments.intercode_sql.collation import COLLATION
from rro.tasks.environments.intercode_sql.dates import moment

PATTERNS = {
    "DATE": "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]",
    "DATETIME": "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]",
}
"""How values of these types are written, for GLOB."""
_LENGTHS = {10: "DATE", 19: "DATETIME"}
_SAME = {"TIMESTAMP": "DATETIME"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    type: str
    """Without its length, in upper case."""
    declared: str
    place: int
    """In the primary key, from 1; 0 if it is no part of it."""


def fill(
    connection: sqlite3.Connection, name: str, script: str
) -> tuple[frozenset[str], Callable[[Any], str]]:
    """Make the database under its own name, so that `name.table` means it; returns tables, and how rows print.

    The script is run as it is; then each table is made again under its name in lower case
    (lower_case_table_names = 1).
    """
    connection.executescript(script)
    connection.execute(f"ATTACH ':memory:' AS {quoted(name)}")
    made = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
    tables = {table: list(_columns(connection, table)) for (table,) in made}
    times = set(PATTERNS)
    for table, columns in tables.items():
        times -= _written_in_texts(connection, table, columns)
    times &= {column.type for columns in tables.values() for column in columns}
    for table, columns in tables.items():
        _make_again(connection, name, table, columns)
    return frozenset(map(str.lower, tables)), _printer(times)


def _columns(connection: sqlite3.Connection, table: str) -> Iterator[Column]:
    for _, name, declared, _, _, place in connection.execute(f"PRAGMA main.table_info({quoted(table)})"):
        kind = declared.upper().replace("AUTO_INCREMENT", "").strip()
        short = kind.partition("(")[0].strip()
        yield Column(name, _SAME.get(short, short), kind, place)


def _written_in_texts(connection: sqlite3.Connection, table: str, columns: list[Column]) -> set[str]:
    """The types whose values are also written in a column of another type, where they must stay texts."""
    found = set()
    for column in columns:
        for kind, pattern in PATTERNS.items():
            if column.type != kind:
                query = f"SELECT 1 FROM main.{quoted(table)} WHERE {quoted(column.name)} GLOB ? LIMIT 1"
                found |= {kind} if connection.execute(query, (pattern,)).fetchone() else set()
    return found


def _make_again(connection: sqlite3.Connection, name: str, table: str, columns: list[Column]) -> None:
    target, source = f"{quoted(name)}.{quoted(table.lower())}", f"main.{quoted(table)}"
    key = [quoted(column.name) for column in sorted(columns, key=lambda c: c.place) if column.place]
    body = [f"{quoted(column.name)} {column.declared} COLLATE {COLLATION}" for column in columns]
    body += [f"PRIMARY KEY ({', '.join(key)})"] if key else []
    order = ", ".join(f"{column} COLLATE {COLLATION}" for column in key) or "rowid"
    connection.execute(f"CREATE TABLE {target} ({', '.join(body)})")
    connection.execute(f"INSERT INTO {target} SELECT * FROM {source} ORDER BY {order}")
    for number, index in enumerate(_indexes(connection, table)):
        connection.execute(
            f"CREATE INDEX {quoted(name)}.{quoted(f'{table.lower()} {number}')} ON {quoted(table.lower())} ({index})"
        )
    connection.execute(f"DROP TABLE {source}")


def _indexes(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Columns of the indexes that the script makes: they save joins of text much time."""
    for _, name, _, origin, _ in connection.execute(f"PRAGMA main.index_list({quoted(table)})").fetchall():
        if origin == "c":
            yield ", ".join(
                quoted(row[2]) for row in connection.execute(f"PRAGMA main.index_info({quoted(name)})")
            )


def _printer(times: set[str]) -> Callable[[Any], str]:
    """How a row prints: as the tuple that MySQL's connector makes of it."""

    def value(one: Any) -> Any:
        is_time = isinstance(one, str) and _LENGTHS.get(len(one)) in times and one[4] == "-" == one[7]
        found = moment(one) if is_time else None
        if found is None:
            return one
        return found if len(one) == 19 else found.date()

    return (lambda row: str(tuple(map(value, row)))) if times else str


def quoted(name: str) -> str:
    """A name as SQLite reads it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
