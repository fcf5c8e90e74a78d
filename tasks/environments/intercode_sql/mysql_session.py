"""A session on a MySQL or MariaDB server in which nothing can be changed and nothing lasts long.

The session is read only and its limits are the server's own. Behind them stands the socket itself: it gives up
when an answer takes too long or gets too big, whatever the server does. TLS is off, because the limits would not
see through it; the password is not sent in clear all the same. Use a tunnel where the network is not yours.
"""

import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING

from rro.tasks.environments.intercode_sql.database import Limits
from rro.tasks.environments.intercode_sql.dates import NOW
from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD, Address
from rro.tasks.errors import UserError

try:
    import pymysql
    from pymysql.connections import Connection
except ImportError:
    raise UserError(
        "a database server is asked through PyMySQL; install it: pip install 'rro[mysql]'"
    ) from None

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SECONDS = 10.0
"""How long logging in and each small statement of ours may take."""
BYTES = 16 << 20
"""More than any answer to a statement of ours has."""
ACCESS_DENIED = (1044, 1045, 1698)
_CONFUSING = (
    "ANSI ANSI_QUOTES DB2 IGNORE_SPACE MAXDB MSSQL NO_BACKSLASH_ESCAPES ORACLE PIPES_AS_CONCAT POSTGRESQL"
)
CONFUSING_MODES = frozenset(_CONFUSING.split())
"""SQL modes under which a server would read a statement otherwise than `statements` does."""

ServerError = pymysql.MySQLError
"""What PyMySQL raises: the server's refusals, and lost connections."""
Row = tuple[object, ...]


class Exceeded(Exception):
    """An answer that took too long or was too big; the message is what the agent reads."""


class Wire(socket.socket):
    """A socket whose reads end when a time has come or enough bytes have."""

    deadline = 0.0
    left = 0
    too_slow = too_big = ""

    def allow(
        self, seconds: float, size: int, too_slow: str = "no answer in time", too_big: str = ""
    ) -> None:
        """Let the next answer take so many seconds and bytes, beyond which `Exceeded` is raised."""
        self.deadline = time.monotonic() + seconds
        self.left, self.too_slow, self.too_big = size, too_slow, too_big

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        """As a socket's, within what was allowed."""
        seconds = self.deadline - time.monotonic()
        if self.left <= 0:
            raise Exceeded(self.too_big)
        if seconds <= 0:
            raise Exceeded(self.too_slow)
        self.settimeout(seconds)
        try:
            received = super().recv_into(buffer, nbytes, flags)
        except TimeoutError:
            raise Exceeded(self.too_slow) from None
        self.left -= received
        return received


class Session:
    """A session; PyMySQL's errors and `Exceeded` pass through, `reported` says them to a person."""

    def __init__(self, address: Address) -> None:
        """Log in; `UserError` with the address where that fails."""
        self.database = ""
        self._wire = _dial(address)
        self._connection = Connection(
            user=address.user,
            password=address.password.encode(),
            host=address.host,
            port=address.port,
            charset="utf8mb4",
            collation="utf8mb4_general_ci",
            autocommit=True,
            write_timeout=SECONDS,
            ssl_disabled=True,
            defer_connect=True,
        )
        with reported(address):
            self.allow()
            self._connection.connect(self._wire)
        self.thread = int(self._connection.thread_id())
        """The server's number for this session."""

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return bool(self._connection.open)

    def allow(
        self, seconds: float = SECONDS, size: int = BYTES, too_slow: str = "", too_big: str = ""
    ) -> None:
        """What the next answer may take."""
        self._wire.allow(seconds, size, too_slow or f"no answer within {seconds:g} seconds", too_big)

    def rows(self, sql: str) -> tuple[Row, ...] | None:
        """The rows of one statement; None where it has no result. Takes what was allowed, and no more."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return None if cursor.description is None else tuple(cursor.fetchall())

    def ask(self, sql: str) -> tuple[Row, ...]:
        """The rows of a statement of ours."""
        self.allow()
        return self.rows(sql) or ()

    def use(self, database: str) -> None:
        """Make it the database in which names are looked up."""
        self.allow()
        self._connection.select_db(database)
        self.database = database

    def close(self) -> None:
        """Log out."""
        if self.is_open:
            with contextlib.suppress(ServerError):
                self._connection.close()

    def confine(self, limits: Limits) -> None:
        """Make it read only and bounded, its clock stand still, and SQL read as `statements` reads it."""
        known = {str(name): value for name, value in self.ask("SHOW SESSION VARIABLES")}
        modes = [mode for mode in str(known["sql_mode"]).split(",") if mode not in CONFUSING_MODES]
        name, value = _time_limit(known, limits.seconds)
        self.ask("SET SESSION TRANSACTION READ ONLY")
        self.ask(f"SET SESSION sql_mode = '{','.join(modes)}', SESSION {name} = {value}")
        for name, value in _wanted(limits).items():
            # Not every server lets every user set these, and none of them is the only guard against anything.
            with contextlib.suppress(ServerError):
                if name in known:
                    self.ask(f"SET SESSION {name} = {value}")


@contextlib.contextmanager
def reported(address: Address) -> Iterator[None]:
    """`UserError` with the address where what is done inside fails."""
    try:
        yield
    except ServerError as error:
        number, message = (*error.args, error)[:2]
        hint = f"; the password is read from the environment variable {PASSWORD}"
        raise UserError(f"{address}: {message}{hint if number in ACCESS_DENIED else ''}") from None
    except (Exceeded, RuntimeError) as error:
        # RuntimeError: MySQL 8 wants passwords encrypted, for which PyMySQL may need another package.
        raise UserError(f"{address}: {error}") from None


def _dial(address: Address) -> Wire:
    try:
        plain = socket.create_connection((address.host, address.port), timeout=SECONDS)
    except OSError as error:
        raise UserError(
            f"{address}: no database server answers there ({error}); start it, or correct the address"
        ) from None
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(plain.family, plain.type, plain.proto, plain.detach())


def _time_limit(known: dict[str, object], seconds: float) -> tuple[str, str]:
    if "max_statement_time" in known:
        return "max_statement_time", f"{seconds:.3f}"
    if "max_execution_time" in known:
        return "max_execution_time", f"{max(1, round(seconds * 1000))}"
    raise UserError(
        f"the server ({known['version']}) cannot limit the time of a statement; "
        "MariaDB 10.1 and MySQL 5.7.8 are the oldest that can"
    )


def _wanted(limits: Limits) -> dict[str, str]:
    seconds = max(1, round(limits.seconds))
    return {
        "cte_max_recursion_depth": "1000",
        "group_concat_max_len": "16384",
        "innodb_lock_wait_timeout": f"{seconds}",
        "lock_wait_timeout": f"{seconds}",
        "max_recursive_iterations": "1000",
        "max_session_mem_used": f"{limits.memory_bytes}",
        "max_tmp_session_space_usage": f"{limits.memory_bytes}",
        "time_zone": "'+00:00'",
        "timestamp": f"{NOW.replace(tzinfo=UTC).timestamp():.0f}",
        "tmp_disk_table_size": f"{limits.memory_bytes}",
        # In memory, rows that tie come in the order of their addresses, another one in each session.
        "tmp_memory_table_size": "0",
    }
