"""InterCode-SQL's shipped databases on a real MariaDB server, which these tests start for themselves."""

import datetime
import os
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Answer, Limits
from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions
from rro.tasks.environments.intercode_sql.load_mysql import load
from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD
from rro.tasks.environments.intercode_sql.mysql_database import MySqlDatabase
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from tests.environments import mariadb
from tests.environments.contract import check_environment

pytestmark = pytest.mark.skipif(mariadb.MISSING is not None, reason=str(mariadb.MISSING))

DB, TABLE, TEXT = "air_museum", "guides", "name"
SYNTAX = (
    "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version "
    "for the right syntax to use near '{}' at line {}"
)


@pytest.fixture(scope="module")
def data() -> SqlData:
    return SqlData.load()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mariadb.MariaDb]:
    with pytest.MonkeyPatch.context() as patch, mariadb.running(tmp_path_factory.mktemp("m")) as running:
        patch.setenv(PASSWORD, "secret")
        list(load("bundled", running.admin))
        yield running


@pytest.fixture
def database(server: mariadb.MariaDb, data: SqlData) -> Iterator[MySqlDatabase]:
    opened = MySqlDatabase(server.url("rro:secret"), data, Limits())
    yield opened
    opened.close()


def test_rows_print_as_upstreams(database: MySqlDatabase) -> None:
    statement = (
        "SELECT 1, 1.50, 1e3, 'it''s', NULL, CAST('2020-02-03' AS DATE), "
        "TIMESTAMP'2020-02-03 04:05:06', SUM(1), AVG(2) FROM DUAL"
    )
    assert database.run(DB, statement).observation == (
        "[(1, Decimal('1.50'), 1000.0, \"it's\", None, datetime.date(2020, 2, 3), "
        "datetime.datetime(2020, 2, 3, 4, 5, 6), Decimal('1'), Decimal('2.0000'))]"
    )


def test_show_desc_and_use_answer(database: MySqlDatabase, data: SqlData) -> None:
    assert database.run(DB, "SHOW TABLES").rows == tuple(f"('{name}',)" for name in sorted(data.schema[DB]))
    assert database.run(DB, "show databases").rows == (f"('{DB}',)",)
    assert database.run(DB, f"USE {DB.upper()}").observation == "None"
    described = [row.partition(",")[0] for row in database.run(DB, f"DESC {TABLE}").rows or ()]
    assert described == [f"('{name}'" for name, *_ in data.schema[DB][TABLE]]
    for same in (f"DESCRIBE {DB}.{TABLE}", f"SHOW COLUMNS FROM {TABLE}", f"explain `{TABLE}`"):
        assert database.run(DB, same) == database.run(DB, f"DESC {TABLE}")
    assert "CREATE TABLE" in database.run(DB, f"SHOW CREATE TABLE {TABLE}").observation
    assert database.run(DB, f"EXPLAIN SELECT * FROM {TABLE}").error is None


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT * FROM nowhere", f"Table '{DB}.nowhere' doesn't exist"),
        ("DESC nowhere", f"Table '{DB}.nowhere' doesn't exist"),
        ("SELECT strftime('%Y', 1)", f"FUNCTION {DB}.strftime does not exist"),
        ("USE mysql", "Access denied for user 'agent'@'localhost' to database 'mysql'"),
        ("", "Query was empty"),
        ("SELEC 1", SYNTAX.format("SELEC 1", 1)),
        (f"SELECT COUNT(*) FROM {TABLE} HAVING", SYNTAX.format("", 1)),
        (f"SELECT 1\nFORM {TABLE}\nWHERE 1", SYNTAX.format(f"{TABLE}\nWHERE 1", 2)),
    ],
)
def test_errors_are_the_servers(database: MySqlDatabase, statement: str, error: str) -> None:
    assert database.run(DB, statement).observation == f"Error executing query: {error}"


@pytest.mark.parametrize(
    "statement",
    [
        "WITH x (a, b) AS (SELECT 1, 2) SELECT a + b FROM x",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT MAX(n) FROM r",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT guides.name, city_zoo.name FROM guides, guides AS city_zoo WHERE city_zoo.name = guides.name",
        "SELECT air_museum.guides.name, guides.* FROM Air_Museum.guides LIMIT 1",
        "SELECT COUNT(DISTINCT name), EXTRACT(YEAR FROM NOW()), LEFT('ab', 1) FROM guides",
        "SELECT TRIM(LEADING 'x' FROM 'xy'), SUBSTRING('abc' FROM 2 FOR 1), POSITION('b' IN 'abc')",
        "SELECT RANK() OVER (ORDER BY name), ROW_NUMBER() OVER w FROM guides WINDOW w AS (ORDER BY name)",
        "SELECT CASE WHEN (name) IN ('a', 'b') THEN IF(1, 2, 3) ELSE COALESCE(NULL, 4) END FROM guides",
        "SELECT GROUP_CONCAT(DISTINCT name ORDER BY name SEPARATOR '; ') FROM guides",
        "SELECT DATE_ADD('2020-01-31', INTERVAL 1 MONTH), STR_TO_DATE('1 2 2020', '%d %m %Y'), CURDATE()",
        "SELECT name FROM guides WHERE name LIKE '%a%' OR name REGEXP '^[a-c]' -- a comment",
        "SELECT CAST('12' AS DECIMAL(5, 2)), CONVERT('1', SIGNED), BINARY 'a' = 'A'",
        "SELECT name /* a comment */\nFROM guides;\n# another one",
    ],
)
def test_what_agents_ask_in_earnest_is_answered(database: MySqlDatabase, statement: str) -> None:
    assert database.run(DB, statement).error is None


def test_gold_queries_answer_as_on_sqlite(database: MySqlDatabase, data: SqlData) -> None:
    lite = SqliteDatabase(data, Limits())
    tasks = data.tasks[::5]
    answers = [(task, database.run(task.db, task.gold), lite.run(task.db, task.gold)) for task in tasks]
    lite.close()
    assert [task.gold for task, one, other in answers if one.error or not alike(one, other)] == []


def alike(one: Answer, other: Answer) -> bool:
    """The same rows in any order; a mean is a decimal on a server, rounded to four places."""
    left, right = (sorted(map(values, answer.rows or ()), key=str) for answer in (one, other))
    return len(left) == len(right) and all(map(close, left, right))


def values(row: str) -> tuple[object, ...]:
    known = {"Decimal": lambda text: float(Decimal(text)), "datetime": datetime}
    found = eval(row, known)
    return tuple(float(value) if isinstance(value, int | float) else value for value in found)


def close(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return one == pytest.approx(other, abs=6e-5)


def test_answers_do_not_depend_on_the_session(server: mariadb.MariaDb, data: SqlData) -> None:
    ties = [
        f"SELECT {name}, COUNT(*) FROM {table} GROUP BY {name} ORDER BY COUNT(*) > 0 LIMIT 3"
        for table, columns in data.schema[DB].items()
        for name, *_ in columns
    ]
    asked = [*ties, "SELECT RAND(), RAND()", "SELECT NOW(), CURDATE(), UNIX_TIMESTAMP()"]
    runs = []
    for _ in range(3):
        session = MySqlDatabase(server.url("rro:secret"), data, Limits())
        runs.append([session.run(DB, statement) for statement in asked])
        session.close()
    assert runs[0] == runs[1] == runs[2]
    assert all(answer.error is None for answer in runs[0])


def test_the_environment_keeps_the_contract(server: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "secret")
    environment = InterCodeSql(SqlOptions(url=server.url("rro")))
    check_environment(environment, sample=1)
    environment.close()


def test_the_digest_is_of_the_rows(server: mariadb.MariaDb, data: SqlData) -> None:
    def digest() -> str:
        session = MySqlDatabase(server.url("rro:secret"), data, Limits())
        session.close()
        return session.digest

    before = digest()
    (name,) = server.ask(f"SELECT {TEXT} FROM {DB}.{TABLE} WHERE id = 1")[0]
    server.ask(f"UPDATE {DB}.{TABLE} SET {TEXT} = 'x' WHERE id = 1")
    changed = digest()
    server.ask(f"UPDATE {DB}.{TABLE} SET {TEXT} = '{name}' WHERE id = 1")
    assert changed != before
    assert digest() == before


def test_a_session_that_the_server_ended_is_opened_again(
    server: mariadb.MariaDb, database: MySqlDatabase
) -> None:
    database.run(DB, "SELECT 2")
    server.ask("KILL USER rro")
    assert database.run(DB, "SELECT 3").rows == ("(3,)",)
    database.close()
    assert database.run(DB, "SELECT 4").rows == ("(4,)",)


def test_threads_and_forks_share_a_database(database: MySqlDatabase) -> None:
    wrong: list[int] = []

    def ask(begin: int) -> None:
        for number in range(begin, begin + 30):
            if database.run(DB, f"SELECT {number}").rows != (f"({number},)",):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(1000 * place,)) for place in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    child = os.fork()
    if child == 0:
        os._exit(0 if database.run(DB, "SELECT 77").rows == ("(77,)",) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert database.run(DB, "SELECT 78").rows == ("(78,)",)
