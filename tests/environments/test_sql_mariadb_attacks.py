"""Hostile statements on a real MariaDB server: none succeeds, none takes long, and nothing is left of them."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Limits
from rro.tasks.environments.intercode_sql.load_mysql import load
from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD, read_address
from rro.tasks.environments.intercode_sql.mysql_database import MySqlDatabase
from rro.tasks.environments.intercode_sql.mysql_rules import ALLOWED, GROWING
from rro.tasks.environments.intercode_sql.mysql_session import Exceeded, ServerError, Session
from tests.environments import mariadb, sql_attacks, sql_server_attacks
from tests.environments.small_sql import DB, write_folder

pytestmark = pytest.mark.skipif(mariadb.MISSING is not None, reason=str(mariadb.MISSING))

SHORT = Limits(seconds=0.3, rows=1000, bytes=100_000)
MOST_SECONDS = 6.0
"""Wall time of one attack; the tests of other processes may want the same core."""
MOST_MEMORY = 900 << 20
"""Of the server, after all attacks."""
REFUSED = [
    *(statement for _, statement, engines in sql_attacks.REFUSED if "mysql" in engines),
    *sql_server_attacks.REFUSED,
]
BOUNDED = [
    *(statement for _, statement, engines in sql_attacks.HEAVY if "mysql" in engines),
    *sql_server_attacks.BOUNDED,
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SqlData:
    return SqlData.load(str(write_folder(tmp_path_factory.mktemp("small"))))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mariadb.MariaDb]:
    folder = tmp_path_factory.mktemp("m")
    with pytest.MonkeyPatch.context() as patch, mariadb.running(folder / "d") as running:
        patch.setenv(PASSWORD, "secret")
        list(load(str(write_folder(folder / "small")), running.admin))
        yield running


@pytest.fixture
def database(server: mariadb.MariaDb, small: SqlData) -> Iterator[MySqlDatabase]:
    opened = MySqlDatabase(server.url("rro:secret"), small, SHORT)
    yield opened
    opened.close()


def brief(statement: str) -> str:
    return f"{statement[:90]!r}"


@pytest.mark.slow
def test_no_attack_succeeds(server: mariadb.MariaDb, small: SqlData) -> None:
    before = mariadb.everything(server)
    files = leftovers(server)
    database = MySqlDatabase(server.url("rro:secret"), small, SHORT)
    assert len({*REFUSED, *BOUNDED}) >= 400
    answered = [brief(statement) for statement in REFUSED if database.run(DB, statement).error is None]
    assert answered == []
    for statement in BOUNDED:
        begun = time.monotonic()
        answer = database.run(DB, statement)
        took = time.monotonic() - begun
        assert took < MOST_SECONDS, f"{brief(statement)} took {took:.1f} s"
        assert len(answer.rows or ()) <= SHORT.rows, brief(statement)
        assert sum(map(len, answer.rows or ())) <= SHORT.bytes, brief(statement)
    assert database.run(DB, "SELECT COUNT(*) FROM boats").rows == ("(4,)",)
    database.close()
    assert server.process.poll() is None
    assert mariadb.is_quiet(server, "rro")
    assert mariadb.everything(server) == before
    assert leftovers(server) == files
    assert server.memory() < MOST_MEMORY


def leftovers(server: mariadb.MariaDb) -> list[str]:
    """Files that an attack could have made."""
    found = [*Path("/tmp").glob("rro-attack*"), *server.folder.rglob("rro-attack*")]
    return [str(path) for path in (*found, *server.folder.rglob("*.csv"), *server.folder.glob("*.so"))]


def test_nothing_of_the_server_itself_is_told(database: MySqlDatabase) -> None:
    told = " ".join(database.run(DB, statement).error or "" for statement in REFUSED)
    assert not re.search(r"rro@|'rro'|127\.0\.0\.1|/etc/passwd:|root:", told)


def test_only_functions_that_are_known_to_make_texts_longer_do(server: mariadb.MariaDb) -> None:
    session = Session(read_address(server.admin, "NO_PASSWORD"))
    texts = ["a" * 300, "1" * 300, "%W" * 150]
    for name in sorted(ALLOWED - GROWING - {"interval", "rand", "cast", "convert"}):
        for text in texts:
            for count in range(5):
                arguments = ", ".join([f"'{text}'", "100000", f"'{text}'", "100000"][:count])
                with contextlib.suppress(ServerError):
                    ((length,),) = session.ask(f"SELECT LENGTH({name}({arguments}))")
                    assert length is None or int(str(length)) <= 5 * len(arguments) + 50, (
                        f"{name}({arguments})"
                    )
    session.close()


@pytest.mark.parametrize(
    ("limits", "statement", "error"),
    [
        (Limits(rows=5), "SELECT * FROM boats t, boats u", "The result has more than 5 rows; add a LIMIT"),
        (Limits(bytes=1000), "SELECT * FROM boats t, boats u", "more than 1,000 characters"),
        (
            Limits(bytes=1000, rows=10),
            f"SELECT REVERSE('{'a' * 10_000}') FROM boats a, boats b, boats c, boats d, boats e",
            "more than 1,000 characters",
        ),
        (SHORT, f"SELECT COUNT(*) FROM {', '.join(f'boats t{n}' for n in range(15))}", "interrupted"),
    ],
)
def test_limits_are_kept(
    server: mariadb.MariaDb, small: SqlData, limits: Limits, statement: str, error: str
) -> None:
    database = MySqlDatabase(server.url("rro:secret"), small, limits)
    assert error in (database.run(DB, statement).error or "")
    assert database.run(DB, "SELECT 1").rows == ("(1,)",)
    database.close()


def test_what_a_server_does_not_end_is_given_up_and_killed(server: mariadb.MariaDb, small: SqlData) -> None:
    database = MySqlDatabase(server.url("rro:secret"), small, Limits(seconds=0.2))
    assert database._session is not None
    first = database._session.thread
    database._session.ask("SET SESSION max_statement_time = 0")
    begun = time.monotonic()
    answer = database.run(DB, f"SELECT COUNT(*) FROM {', '.join(f'boats t{n}' for n in range(20))}")
    assert time.monotonic() - begun < MOST_SECONDS
    assert answer.error == "Query execution was interrupted: it took more than 0.2 seconds"
    assert mariadb.is_quiet(server, "rro"), "a statement that was given up still runs"
    assert database.run(DB, "SELECT 1").rows == ("(1,)",)
    assert database._session.thread != first
    database.close()


def test_the_socket_gives_up_by_time_and_by_size(server: mariadb.MariaDb) -> None:
    address = read_address(server.url("rro:secret"))
    for statement, seconds, size, says in [
        ("SELECT SLEEP(20)", 0.2, 1000, "too slow"),
        ("SELECT REPEAT('a', 1000000)", 5.0, 1000, "too big"),
    ]:
        session = Session(address)
        session.allow(seconds, size, "too slow", "too big")
        with pytest.raises(Exceeded, match=says):
            session.rows(statement)
        assert not session.is_open
        server.ask(f"KILL {session.thread}") if says == "too slow" else None
    assert mariadb.is_quiet(server, "rro")


def test_texts_may_grow_where_the_server_keeps_them_short(server: mariadb.MariaDb, small: SqlData) -> None:
    (packet,) = server.ask("SELECT @@GLOBAL.max_allowed_packet")[0]
    server.ask("SET GLOBAL max_allowed_packet = 16384")
    try:
        database = MySqlDatabase(server.url("rro:secret"), small, SHORT)
        grown = database.run(
            DB, "SELECT CONCAT('a', 'b'), REPLACE('abc', 'b', ''), LENGTH(REPEAT('a', 1000000))"
        )
        assert grown.rows == ("('ab', 'ac', None)",)
        long = database.run(DB, f"SELECT '{'a' * 17_000}'")
        assert long.error == "Got a packet bigger than 'max_allowed_packet' bytes"
        for statement in (one for one in BOUNDED if "REPEAT" in one or "CONCAT" in one):
            begun = time.monotonic()
            database.run(DB, statement)
            assert time.monotonic() - begun < MOST_SECONDS, brief(statement)
        database.close()
    finally:
        server.ask(f"SET GLOBAL max_allowed_packet = {packet}")
