"""The databases of a folder in SQLite, answered by a process of their own that any statement may bring down.

This side reads statements, answers those about tables and databases itself, translates the others, remembers
answers, and starts the process again where a statement ended it. Of what agents write nothing reaches SQLite but
SELECTs, translated token by token.
"""

import os
import signal
import sqlite3
import threading
from collections import OrderedDict
from dataclasses import asdict
from hashlib import sha256

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Answer, Limits
from rro.tasks.environments.intercode_sql.looking import look
from rro.tasks.environments.intercode_sql.messages import in_words_of_mysql
from rro.tasks.environments.intercode_sql.process import WorkerEnded, WorkerProcess
from rro.tasks.environments.intercode_sql.statements import (
    CHANGING,
    LOOKING,
    READING,
    Statement,
    StatementError,
    read_statement,
)
from rro.tasks.environments.intercode_sql.translation import to_sqlite
from rro.tasks.environments.intercode_sql.worker import TOO_MUCH_MEMORY, TOO_SLOW
from rro.tasks.errors import UserError

STEPS_A_SECOND = 10_000_000
"""Steps of SQLite's virtual machine allowed for a second of the time limit.

Counted, not timed, so that a slower computer gives the same answers; a second does several times as many.
"""
DENIED = "{} command denied to user 'agent'@'localhost'"


class SqliteDatabase:
    """See `Database`. Safe to use from several threads, and from processes that were forked."""

    def __init__(self, data: SqlData, limits: Limits) -> None:
        self._data = data
        self._limits = {**asdict(limits), "steps": int(limits.seconds * STEPS_A_SECOND)}
        self._answers = Answers()
        self._lock = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._owner = os.getpid()
        self._loaded: set[str] = set()
        self.digest = sha256(
            f"{data.digest} sqlite {sqlite3.sqlite_version} {self._limits}".encode()
        ).hexdigest()

    @property
    def worker_pid(self) -> int | None:
        """Of the process that answers, if it runs."""
        return self._worker.pid if self._worker else None

    def run(self, name: str, statement: str) -> Answer:
        """Answer one statement in the database `name`; see `Database.run`."""
        with self._lock:
            known = self._answers.get(name, statement)
            if known is None:
                known = self._answer(name, statement)
                self._answers.keep(name, statement, known)
            return known

    def content(self, name: str) -> str:
        """Digest of the bytes that the database `name` has now."""
        with self._lock:
            rows, _ = self._ask("content", name)
            assert rows is not None
            return rows[0]

    def close(self) -> None:
        """End the process; see `Database.close`."""
        with self._lock:
            self._forget_worker()

    def _answer(self, name: str, statement: str) -> Answer:
        try:
            read = read_statement(statement)
            if read.keyword in LOOKING:
                return look(read, name, self._data.schema[name])
            if read.keyword not in READING:
                raise StatementError(_refusal(read))
            return self._asked(name, read, to_sqlite(read, self._data.schema[name]))
        except StatementError as error:
            return Answer(error=str(error))

    def _asked(self, name: str, read: Statement, translated: str) -> Answer:
        try:
            rows, error = self._ask("run", name, translated)
        except WorkerEnded as end:
            return Answer(
                error=TOO_SLOW if end.code in (-signal.SIGPROF, -signal.SIGKILL) else TOO_MUCH_MEMORY
            )
        if error is not None:
            return Answer(error=in_words_of_mysql(error, read, name))
        return Answer(None if rows is None else tuple(rows))

    def _ask(self, kind: str, name: str, *words: str) -> tuple[list[str] | None, str | None]:
        """Ask the worker, which is started and given the database if it has not."""
        if self._owner != os.getpid():
            self._worker, self._owner = None, os.getpid()
        if self._worker is None:
            self._worker, self._loaded = WorkerProcess(self._limits), set()
        try:
            if name not in self._loaded:
                self._load(self._worker, name)
            return self._worker.ask(kind, name, *words)
        except WorkerEnded:
            self._worker = None
            raise

    def _load(self, worker: WorkerProcess, name: str) -> None:
        """Give the worker a database; if that fails, no statement is to blame."""
        try:
            _, error = worker.ask("load", name, self._data.script(name))
        except WorkerEnded as end:
            error = f"the process ended with {end.code}"
        if error is not None:
            raise UserError(f"database {name!r} cannot be loaded into SQLite: {error}")
        self._loaded.add(name)

    def _forget_worker(self) -> None:
        if self._worker is not None and self._owner == os.getpid():
            self._worker.close()
        self._worker = None


class Answers:
    """Answers by database and statement: the databases never change, and rollouts ask the same things again.

    Bounded in bytes; the ones longest unused go first, and very large ones are not kept at all.
    """

    LARGEST = 1 << 18
    MOST = 1 << 26

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[Answer, int]] = OrderedDict()
        self._size = 0

    def get(self, name: str, statement: str) -> Answer | None:
        """The answer, if it is still there."""
        found = self._kept.get((name, statement))
        if found is None:
            return None
        self._kept.move_to_end((name, statement))
        return found[0]

    def keep(self, name: str, statement: str, answer: Answer) -> None:
        """Remember an answer."""
        # About what Python's objects take: four bytes a character at worst, and a header for each text.
        size = 4 * len(statement) + sum(4 * len(row) + 60 for row in answer.rows or ()) + 500
        if size > self.LARGEST:
            return
        self._kept[name, statement] = answer, size
        self._size += size
        while self._size > self.MOST:
            self._size -= self._kept.popitem(last=False)[1][1]


def _refusal(read: Statement) -> str:
    known = read.keyword in CHANGING
    return DENIED.format(read.keyword) if known else read.syntax_error(read.tokens[0])
