"""The process that answers statements in SQLite, apart from everything that could be harmed.

    python -m rro.tasks.environments.intercode_sql.worker LIMITS

It reads requests from its standard input and writes answers to its standard output, each a JSON array behind
its length in four bytes. It has no file open but these two, holds databases in memory only, and may be ended at
any moment by the limits it sets itself: memory, and processor time for each statement. What it is asked:

| request | answer |
| --- | --- |
| `["load", name, script]` | `[null, null]` when the database is made |
| `["run", name, statement]` | `[rows, null]`, rows being printed tuples, or `[null, error]` |
| `["content", name]` | `[[digest], null]`, of the database's bytes as they are now |
"""

import contextlib
import json
import os
import resource
import select
import signal
import sqlite3
import struct
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from rro.tasks.environments.intercode_sql.dates import parsed
from rro.tasks.environments.intercode_sql.dialect import CHANCE, register
from rro.tasks.environments.intercode_sql.filling import fill
from rro.tasks.environments.intercode_sql.statements import LONGEST as LONGEST_STATEMENT

LENGTH = struct.Struct(">I")
AT_ONCE = 1 << 16
"""Bytes read at once: a pipe holds no more."""
TOO_SLOW = "Query execution was interrupted, maximum statement execution time exceeded"
"""MySQL's words."""
TOO_MUCH_MEMORY = "Out of memory"
OUT_OF_MEMORY = 77
"""Exit code of a worker that ran out of memory where it could not say so."""
CALLED_EVERY = 1000
"""Steps of SQLite's virtual machine between two looks at the statement's budget."""
WATCH = 5.0
"""Seconds between two looks whether the parent still lives."""

_LOWERED = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 2 * LONGEST_STATEMENT,
    sqlite3.SQLITE_LIMIT_COLUMN: 500,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

Reply = tuple[list[str] | None, str | None]


class TooMuch(Exception):
    """A result beyond what the limits allow; the message is what the agent reads."""


Gate = Callable[[int, str | None, str | None, str | None, str | None], int]


def gate(name: str, tables: frozenset[str], functions: frozenset[str], own: frozenset[str]) -> Gate:
    """An authorizer that allows reading the tables of database `name` and calling `functions`, and nothing else.

    SQLite asks it for every column and call while it prepares a statement. Where rows are only counted, it names
    no column and no database, and the table may be one that the statement itself has named; then it must not be
    one of SQLite's own modules (`own`) or tables.
    """
    allow, deny = sqlite3.SQLITE_OK, sqlite3.SQLITE_DENY
    read, call = sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION
    harmless = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE)

    def authorize(
        action: int, first: str | None, second: str | None, where: str | None, _: str | None
    ) -> int:
        if action == read and first:
            if where == name:
                return allow if first in tables and second != "ROWID" else deny
            counted = where is None and not second
            unknown = first.lower() not in own and not first.lower().startswith(("sqlite_", "pragma_"))
            return allow if counted and unknown else deny
        if action == call and second:
            return allow if second.lower() in functions else deny
        return allow if action in harmless else deny

    return authorize


class Store:
    """One database in memory, which statements can only read."""

    def __init__(self, name: str, script: str, limits: dict[str, Any]) -> None:
        self._name = name
        self._limits = limits
        self._steps_left = 0
        self._connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)
        self._connection.text_factory = lambda data: data.decode(errors="replace")
        self._connection.execute("PRAGMA temp_store = MEMORY")
        functions = register(self._connection, name)
        own = {row[0].lower() for row in self._connection.execute("PRAGMA module_list")}
        tables, self._print = fill(self._connection, name, script)
        self._gate = gate(name, tables, functions, frozenset(own))
        self._lock()

    def _lock(self) -> None:
        connection = self._connection
        connection.execute(f"PRAGMA hard_heap_limit = {self._limits['memory_bytes'] // 2}")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(1_000_000, self._limits["bytes"]))
        for limit, value in _LOWERED.items():
            connection.setlimit(limit, value)
        if hasattr(connection, "enable_load_extension"):  # Some Pythons are built without it.
            connection.enable_load_extension(False)
        connection.set_progress_handler(self._tick, CALLED_EVERY)
        connection.set_authorizer(self._gate)

    def _tick(self) -> bool:
        self._steps_left -= CALLED_EVERY
        return self._steps_left < 0

    def run(self, statement: str) -> Reply:
        """The rows of one statement, printed, or why there are none."""
        self._steps_left = self._limits["steps"]
        CHANCE.seed(0)
        try:
            with contextlib.closing(self._connection.execute(statement)) as cursor:
                return (None, None) if cursor.description is None else (list(self._rows(cursor)), None)
        except TooMuch as error:
            return None, str(error)
        except MemoryError:
            return None, TOO_MUCH_MEMORY
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            return None, TOO_SLOW if self._steps_left < 0 else str(error)

    def _rows(self, cursor: sqlite3.Cursor) -> Iterator[str]:
        size = 0
        for number, row in enumerate(cursor, start=1):
            printed = self._print(row)
            size += len(printed)
            if number > self._limits["rows"]:
                raise TooMuch(f"The result has more than {self._limits['rows']:,} rows; add a LIMIT")
            if size > self._limits["bytes"]:
                raise TooMuch(f"The result has more than {self._limits['bytes']:,} characters; add a LIMIT")
            yield printed

    def content(self) -> str:
        """Digest of the database's bytes."""
        self._connection.set_authorizer(None)
        data = self._connection.serialize(name=self._name)
        self._connection.set_authorizer(self._gate)
        return sha256(data).hexdigest()


def serve(limits: dict[str, Any], requests: Iterator[list[str]], answer: Callable[[Reply], None]) -> None:
    """Answer requests until there are no more."""
    stores: dict[str, Store] = {}
    for kind, name, *words in requests:
        if kind == "load":
            answer((None, _load(stores, name, words[0], limits)))
        elif kind == "content":
            answer(([stores[name].content()], None))
        else:
            # Where Python cannot look, in the middle of SQLite's own code, this timer ends the process.
            signal.setitimer(signal.ITIMER_PROF, limits["seconds"])
            reply = stores[name].run(words[0])
            signal.setitimer(signal.ITIMER_PROF, 0)
            answer(reply)


def _load(stores: dict[str, Store], name: str, script: str, limits: dict[str, Any]) -> str | None:
    """Make a database; what is wrong with its script, if something is."""
    try:
        stores[name] = Store(name, script, limits)
    except (sqlite3.Error, MemoryError) as error:
        return str(error) or TOO_MUCH_MEMORY
    return None


def confine(memory_bytes: int) -> None:
    """Take from this process what it does not need: memory, new files, files that grow, core dumps."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 3,
    }
    for kind, value in limits.items():
        # Not every system has every limit; on Linux all are there.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


def read_requests() -> Iterator[list[str]]:
    """Requests from the standard input, until it is closed or the parent is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        # A process forked from the parent may hold the pipe open after the parent's death.
        if select.select([0], [], [], WATCH)[0]:
            request = _read()
            if request is None:
                return
            yield request


def _read() -> list[str] | None:
    """One request; the parent sends none before the one before is answered."""
    data, size = bytearray(), LENGTH.size
    while len(data) < size:
        part = os.read(0, AT_ONCE)
        if not part:
            return None
        data += part
        if size == LENGTH.size and len(data) >= size:
            size += LENGTH.unpack_from(data)[0]
    request: list[str] = json.loads(data[LENGTH.size :])
    return request


def write_reply(reply: Reply) -> None:
    """One answer to the standard output."""
    data = json.dumps(reply).encode()
    rest = memoryview(LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[os.write(1, rest) :]


def main() -> None:
    """Serve until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits = json.loads(sys.argv[1])
    parsed("2024", "%Y")  # Loads what strptime needs, while files can still be opened.
    confine(limits["memory_bytes"])
    try:
        serve(limits, read_requests(), write_reply)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
