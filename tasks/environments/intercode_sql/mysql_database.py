"""The databases of a data folder on a real MySQL or MariaDB server, asked through PyMySQL.

Rows print as upstream's: PyMySQL makes the same Python values as the connector that upstream uses. Statements are
looked at before they are sent (`mysql_rules`), and the session that runs them can only read and has limits
(`mysql_session`). Where a server does not keep them, the session is given up and killed from another one.
"""

import contextlib
import os
import re
import threading
from hashlib import sha256

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Answer, Limits
from rro.tasks.environments.intercode_sql.looking import look
from rro.tasks.environments.intercode_sql.mysql_access import check_access, quoted
from rro.tasks.environments.intercode_sql.mysql_address import read_address
from rro.tasks.environments.intercode_sql.mysql_rules import SMALL_PACKET, keyword, permit, refusal
from rro.tasks.environments.intercode_sql.mysql_session import Exceeded, Row, ServerError, Session, reported
from rro.tasks.environments.intercode_sql.sqlite_database import Answers
from rro.tasks.environments.intercode_sql.statements import (
    LOOKING,
    READING,
    Statement,
    StatementError,
    read_statement,
)

GRACE = 1.0
"""Seconds that a server has to end a statement itself, before the session is given up."""
LOST = frozenset({2006, 2013, 1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031})
"""Numbers of errors after which a session is of no use."""
SEED = "SET SESSION rand_seed1 = 1, rand_seed2 = 2"
"""RAND() without an argument is the same in every run."""
SETTINGS = "SELECT @@version, @@sql_mode, @@lower_case_table_names, @@max_allowed_packet"
_SUMMING_SECONDS = 600.0
"""For the digest, all rows are read once."""
_DESCRIPTIONS = 1 << 20
"""Bytes for the names of a result's columns."""
_BLANKS = re.compile(r"[ \t\r\n]*")


class Lost(Exception):
    """The session is gone, by no fault of a statement as far as one can see."""


class MySqlDatabase:
    """See `Database`. Safe to use from several threads, and from processes that were forked."""

    def __init__(self, url: str, data: SqlData, limits: Limits) -> None:
        self._address = read_address(url)
        self._answers = Answers()
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._schema = data.schema
        self._limits = limits
        self._session: Session | None = Session(self._address)
        with reported(self._address):
            check_access(self._session, self._address, data.schema)
            settings = self._session.ask(SETTINGS)[0]
            contents = self._contents(self._session)
            self._session.confine(limits)
        self._kind = "MariaDB" if "MariaDB" in str(settings[0]) else "MySQL"
        self._longest = int(str(settings[3])) - 2
        self.digest = sha256(repr((settings, contents)).encode()).hexdigest()
        """Digest of all rows on the server, of its version and of the settings that change answers."""

    def run(self, name: str, statement: str) -> Answer:
        """Answer one statement in the database `name`; `UserError` only where the server cannot be reached."""
        with self._lock:
            known = self._answers.get(name, statement)
            if known is None:
                known = self._answer(name, statement)
                if known.error is None:
                    self._answers.keep(name, statement, known)
            return known

    def close(self) -> None:
        """Log out; a later `run` logs in again."""
        with self._lock:
            self._leave()

    def _answer(self, name: str, statement: str) -> Answer:
        try:
            read = read_statement(statement)
            if (seen := self._seen(name, read)) is not None:
                return seen
        except StatementError as error:
            return Answer(error=str(error).replace("your MySQL server", f"your {self._kind} server"))
        is_random = any(token.value.upper() == "RAND" for token in read.tokens)
        for _ in range(2):
            # A server ends sessions that were idle for long, and all when it is started anew.
            with contextlib.suppress(Lost):
                return self._ask(name, wording(read), is_random)
        return Answer(error="Lost connection to server during query")

    def _leave(self) -> None:
        # What a fork inherited is the parent's: to log out there would end the parent's session.
        if self._session is not None and self._owner == os.getpid():
            self._session.close()
        self._session, self._owner = None, os.getpid()

    def _seen(self, name: str, read: Statement) -> Answer | None:
        """What is answered without the server, or None; `StatementError` for what is not allowed."""
        if read.keyword in LOOKING and not explains(read):
            answer = look(read, name, self._schema[name])
            return answer if hides_others(read) else None
        if read.keyword not in READING and not explains(read):
            raise refusal(read)
        permit(read, name, may_grow=self._longest < SMALL_PACKET)
        if len(wording(read).encode()) > self._longest:
            raise StatementError("Got a packet bigger than 'max_allowed_packet' bytes")
        return None

    def _ask(self, name: str, sql: str, is_random: bool) -> Answer:
        session = self._ready(name)
        limits = self._limits
        # A printed row is at least a quarter of what the server sends, less five bytes a row.
        size = 4 * limits.bytes + 5 * limits.rows + _DESCRIPTIONS
        too_slow = f"Query execution was interrupted: it took more than {limits.seconds:g} seconds"
        try:
            if is_random:
                session.ask(SEED)
            session.allow(limits.seconds + GRACE, size, too_slow, self._too_long())
            return self._printed(session.rows(sql))
        except Exceeded as error:
            self._replace(session)
            return Answer(error=str(error))
        except ServerError as error:
            self._check(session, error)
            return Answer(error=str((*error.args, "", "")[1]))
        except ValueError as error:
            # Bytes that are no text, or a value that Python cannot hold: the rest of the answer is unread.
            self._replace(session)
            return Answer(error=f"The result cannot be shown: {error}")

    def _ready(self, name: str) -> Session:
        if self._owner != os.getpid():
            self._leave()
        if self._session is None:
            self._session = Session(self._address)
            with reported(self._address):
                self._session.confine(self._limits)
        if self._session.database != name:
            with reported(self._address):
                try:
                    self._session.use(name)
                except ServerError as error:
                    self._check(self._session, error)
                    raise
        return self._session

    def _check(self, session: Session, error: ServerError) -> None:
        """`Lost` if it was no answer, but the end of the session."""
        if not session.is_open or (error.args and error.args[0] in LOST):
            self._leave()
            raise Lost from error

    def _replace(self, session: Session) -> None:
        """Give a session up, and end from a new one what still runs in it."""
        self._session = None
        session.close()
        fresh = Session(self._address)
        # It may have ended meanwhile, or be in the middle of what nothing can end.
        with contextlib.suppress(ServerError, Exceeded):
            fresh.ask(f"KILL {session.thread}")
        fresh.close()

    def _printed(self, found: tuple[Row, ...] | None) -> Answer:
        if found is None:
            return Answer()
        if len(found) > self._limits.rows:
            return Answer(error=f"The result has more than {self._limits.rows:,} rows; add a LIMIT")
        printed = tuple(map(str, found))
        if sum(map(len, printed)) > self._limits.bytes:
            return Answer(error=self._too_long())
        return Answer(printed)

    def _too_long(self) -> str:
        return f"The result has more than {self._limits.bytes:,} characters; add a LIMIT"

    def _contents(self, session: Session) -> tuple[Row, ...]:
        names = [f"{quoted(db)}.{quoted(table)}" for db, tables in self._schema.items() for table in tables]
        session.allow(_SUMMING_SECONDS)
        return session.rows(f"CHECKSUM TABLE {', '.join(sorted(names))}") or () if names else ()


def explains(statement: Statement) -> bool:
    """Whether it asks how a SELECT would run, not what columns a table has."""
    first, second = (*(keyword(token) for token in statement.tokens[:2]), "", "")[:2]
    return first in ("EXPLAIN", "DESC", "DESCRIBE") and second in ("SELECT", "WITH", "(")


def hides_others(statement: Statement) -> bool:
    """Whether the server would answer with what it has beside this database."""
    return any(keyword(token) in ("USE", "DATABASES", "SCHEMAS") for token in statement.tokens[:3])


def wording(statement: Statement) -> str:
    """What is sent: as written, so that errors say the same; without comments, if there are any."""
    places = [0, *(token.end for token in statement.tokens)]
    gaps = (statement.source[end : token.start] for end, token in zip(places, statement.tokens, strict=False))
    if all(_BLANKS.fullmatch(gap) for gap in gaps):
        return statement.source[: places[-1]]
    return statement.text
