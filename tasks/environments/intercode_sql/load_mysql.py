"""Puts the databases of a prepared folder on a MySQL or MariaDB server, with a user who can only read them.

Nothing that exists is changed: a server that has one of the databases, or the user, is left as it is. Where
something fails halfway, what was made until then is dropped again.
"""

import os
import re
import secrets
from collections.abc import Iterator

from rro.tasks.environments.intercode_sql.data import Schema, SqlData
from rro.tasks.environments.intercode_sql.mysql_access import names_differ_by_case, quoted, reader_sql
from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD, Address, read_address
from rro.tasks.environments.intercode_sql.mysql_rules import SMALL_PACKET
from rro.tasks.environments.intercode_sql.mysql_session import Session, reported
from rro.tasks.errors import UserError

ADMIN_PASSWORD = "RRO_DATABASE_ADMIN_PASSWORD"
"""Environment variable with the administrator's password, where the URL has none."""
READER = "rro"
_SECONDS = 600.0
"""For one statement; an index on a large table takes its time."""
# Texts in a prepared folder have no escapes but the doubled quote.
_STATEMENT = re.compile(r"(?:[^;'`]++|'[^']*+'|`[^`]*+`)++")
_TABLE = re.compile(r"CREATE TABLE `([^`]+)`")
_INDEX = re.compile(r"CREATE INDEX `[^`]+` ON `([^`]+)` \(`([^`]+)`\)\Z")
_PRIMARY = re.compile(r"^  PRIMARY KEY \((.*)\)$", re.MULTILINE)
_NAME = re.compile(r"`([^`]+)`")
_SESSION = (
    "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO', SESSION foreign_key_checks = 0, "
    "SESSION unique_checks = 0, SESSION autocommit = 1"
)


def load(folder: str, url: str, user: str = READER) -> Iterator[str]:
    """Load all databases of a folder and make the user; yields the SQL that was run, INSERTs cut short.

    The user's password is that of `RRO_DATABASE_PASSWORD`. If there is none it is made up, and the last
    thing yielded is a comment with it.
    """
    data = SqlData.load(folder)
    address = read_address(url, ADMIN_PASSWORD)
    session = Session(address)
    try:
        with reported(address):
            _check(session, address, data, user)
            yield from _load(session, data)
            yield from _make_reader(session, user, list(data.schema))
    finally:
        session.close()


def _check(session: Session, address: Address, data: SqlData, user: str) -> None:
    if names_differ_by_case(session):
        raise UserError(
            f"{address}: names of tables depend on letter case there, and InterCode's queries do not heed it; "
            "start a server with --lower-case-table-names=1 (MySQL 8: when its data folder is made)"
        )
    there = {str(row[0]).lower() for row in session.ask("SHOW DATABASES")}
    if found := sorted(db for db in data.schema if db.lower() in there):
        raise UserError(
            f"{address} has {', '.join(found)} already, and nothing is overwritten; drop them first "
            f"(DROP DATABASE {quoted(found[0])}; ...), or load into another server"
        )
    if session.ask(f"SELECT 1 FROM mysql.user WHERE User = {literal(user)}"):
        raise UserError(
            f"{address} has a user {user!r} already; drop it first, or name another one with --user"
        )
    needed = 1024 + max(len(sql.encode()) for db in data.schema for sql in statements(data.script(db)))
    (packet,) = session.ask("SELECT @@max_allowed_packet")[0]
    if needed > int(str(packet)):
        raise UserError(
            f"{address}: max_allowed_packet is {packet} there, and the longest INSERT needs {needed}; "
            "SET GLOBAL max_allowed_packet = 16777216 while you load"
        )


def _load(session: Session, data: SqlData) -> Iterator[str]:
    session.ask(_SESSION)
    made: list[str] = []
    try:
        for db in data.schema:
            create = f"CREATE DATABASE {quoted(db)} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
            session.ask(create)
            made.append(db)
            yield create
            session.use(db)
            for sql in statements(data.script(db)):
                session.allow(_SECONDS)
                session.rows(for_mysql(sql, data.schema[db]))
                yield sql if not sql.startswith("INSERT") else sql.partition("\n")[0] + " ..."
            tables = ", ".join(map(quoted, data.schema[db]))
            session.allow(_SECONDS)
            # Equal statistics, equal plans: where rows tie, the plan decides which come first.
            session.rows(f"ANALYZE TABLE {tables}")
            yield f"ANALYZE TABLE {tables}"
    except BaseException:
        for db in made:
            session.ask(f"DROP DATABASE {quoted(db)}")
        raise


def _make_reader(session: Session, user: str, databases: list[str]) -> Iterator[str]:
    given = os.environ.get(PASSWORD, "")
    password = given or secrets.token_urlsafe(18)
    shown = reader_sql(user, databases, "'...'")
    for sql, line in zip(reader_sql(user, databases, literal(password)), shown, strict=True):
        session.ask(sql)
        yield line
    if not given:
        yield f"-- the password of {user!r}, shown this once: export {PASSWORD}={password}"
    yield (
        f"-- not run: SET GLOBAL max_allowed_packet = {SMALL_PACKET} lets agents use functions that make texts "
        "longer, like CONCAT; it holds for all users of the server"
    )


def statements(script: str) -> Iterator[str]:
    """The statements of a prepared folder's script, one by one."""
    return (found[0].strip() for found in _STATEMENT.finditer(script) if found[0].strip())


def for_mysql(sql: str, schema: Schema) -> str:
    """A statement with what SQLite does not know: the length of a long text in a key, and which indexes are unique."""
    if found := _INDEX.match(sql):
        keys = {name: key for name, _, _, key, *_ in schema[found[1].lower()]}
        return sql.replace("CREATE INDEX", "CREATE UNIQUE INDEX", 1) if keys.get(found[2]) == "UNI" else sql
    found, table = _PRIMARY.search(sql), _TABLE.match(sql)
    if found is None or table is None:
        return sql
    long = {name for name, kind, *_ in schema[table[1].lower()] if kind.endswith(("text", "blob"))}
    names = _NAME.sub(lambda name: f"{name[0]}(255)" if name[1] in long else name[0], found[1])
    return sql[: found.start(1)] + names + sql[found.end(1) :]


def literal(text: str) -> str:
    """A text as SQL, in the mode NO_BACKSLASH_ESCAPES."""
    return "'" + text.replace("'", "''") + "'"
