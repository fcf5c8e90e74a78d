"""Loading databases into a server, and which of its users may be an agent's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Limits
from rro.tasks.environments.intercode_sql.load_mysql import for_mysql, load, statements
from rro.tasks.environments.intercode_sql.mysql_access import harmless
from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD
from rro.tasks.environments.intercode_sql.mysql_database import MySqlDatabase
from rro.tasks.errors import UserError
from tests.environments import mariadb
from tests.environments.small_sql import DB, write_folder

needs_server = pytest.mark.skipif(mariadb.MISSING is not None, reason=str(mariadb.MISSING))

SECRET = "it's \\ secret"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SqlData:
    return SqlData.load(str(write_folder(tmp_path_factory.mktemp("small"))))


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mariadb.MariaDb]:
    folder = tmp_path_factory.mktemp("m")
    with pytest.MonkeyPatch.context() as patch, mariadb.running(folder / "d") as running:
        patch.setenv(PASSWORD, SECRET)
        list(load(str(write_folder(folder / "small")), running.admin))
        yield running


def folder_with(folder: Path, db: str, script: str) -> Path:
    """A folder with one database of one table `t`, whose key is the text `a`."""
    (folder / "databases").mkdir(parents=True)
    (folder / "databases" / f"{db}.sql").write_text(script)
    (folder / "schema.json").write_text(f'{{"{db}": {{"t": [["a", "text", "NO", "PRI", null, ""]]}}}}')
    (folder / "tasks.jsonl").write_text("")
    return folder


def test_scripts_are_cut_between_statements() -> None:
    script = (
        "CREATE TABLE `a;b` (`c` int);\nINSERT INTO `a;b` VALUES\n('x''; y', 'z\\'), ('', ';');\n\n;SELECT 1"
    )
    assert list(statements(script)) == [
        "CREATE TABLE `a;b` (`c` int)",
        "INSERT INTO `a;b` VALUES\n('x''; y', 'z\\'), ('', ';')",
        "SELECT 1",
    ]


def test_what_sqlite_does_not_know_is_put_in() -> None:
    schema = {"t": (("a", "text", "NO", "PRI", None, ""), ("b", "int", "YES", "UNI", None, ""))}
    table = "CREATE TABLE `t` (\n  `a` text NOT NULL,\n  `b` int,\n  PRIMARY KEY (`b`, `a`)\n)"
    assert for_mysql(table, schema).endswith("PRIMARY KEY (`b`, `a`(255))\n)")
    assert for_mysql("CREATE INDEX `i` ON `t` (`b`)", schema) == "CREATE UNIQUE INDEX `i` ON `t` (`b`)"
    assert for_mysql("CREATE INDEX `i` ON `t` (`a`)", schema) == "CREATE INDEX `i` ON `t` (`a`)"


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("GRANT USAGE ON *.* TO `rro`@`%` IDENTIFIED BY PASSWORD '*AB'", True),
        ("GRANT SELECT ON `shop`.* TO `rro`@`%`", True),
        ("GRANT SELECT, SHOW VIEW ON `a\\_b`.* TO `rro`@`%`", True),
        ("GRANT SELECT (`a`, `b`) ON `shop`.`t` TO `rro`@`%`", True),
        ("GRANT SELECT ON *.* TO `rro`@`%`", False),
        ("GRANT SELECT ON `%`.* TO `rro`@`%`", False),
        ("GRANT SELECT ON `m%`.* TO `rro`@`%`", False),
        ("GRANT SELECT ON `mysql`.* TO `rro`@`%`", False),
        ("GRANT SELECT, INSERT ON `shop`.* TO `rro`@`%`", False),
        ("GRANT SELECT, INSERT (`a`) ON `shop`.`t` TO `rro`@`%`", False),
        ("GRANT SELECT ON `shop`.* TO `rro`@`%` WITH GRANT OPTION", False),
        ("GRANT FILE ON *.* TO `rro`@`%`", False),
        ("GRANT EXECUTE ON `shop`.* TO `rro`@`%`", False),
        ("GRANT ALL PRIVILEGES ON `shop`.* TO `rro`@`%`", False),
        ("GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", False),
        ("GRANT `readers` TO `rro`@`%`", False),
        ("GRANT SELECT, INSERT ON `test`.* TO PUBLIC", False),
        ("SET DEFAULT ROLE `readers` FOR `rro`@`%`", False),
    ],
)
def test_grants_are_read(grant: str, expected: bool) -> None:
    assert harmless(grant) is expected


@needs_server
def test_a_loaded_server_answers(server: mariadb.MariaDb, small: SqlData) -> None:
    database = MySqlDatabase(server.url("rro"), small, Limits())
    assert database.run(DB, "SELECT name FROM boats WHERE home = 'MALAGA'").rows == ('("D\'Arc",)',)
    database.close()


@needs_server
def test_a_user_who_may_do_more_is_refused_with_the_sql_that_helps(
    server: mariadb.MariaDb, small: SqlData
) -> None:
    with pytest.raises(UserError, match="may do more than read") as refused:
        MySqlDatabase(server.url("root:"), small, Limits())
    message = str(refused.value)
    assert "GRANT ALL PRIVILEGES ON *.*" in message
    assert "PASSWORD" not in message.partition("\n")[0]
    for line in message.splitlines()[1:]:
        helped = line.replace("'rro'", "'helped'").replace("'...'", "'given'")
        server.ask(helped.partition("--")[0].strip().rstrip(";"))
    MySqlDatabase(server.url("helped:given"), small, Limits()).close()
    server.ask("DROP USER helped")


@needs_server
def test_a_missing_database_is_named_with_what_helps(server: mariadb.MariaDb, small: SqlData) -> None:
    server.ask("CREATE USER few IDENTIFIED BY 'given'")
    server.ask(f"GRANT SELECT ON {DB}.* TO few")
    with pytest.raises(UserError, match=r"no database museum .*load-mysql") as refused:
        MySqlDatabase(server.url("few:given"), small, Limits())
    server.ask(str(refused.value).splitlines()[-1])
    MySqlDatabase(server.url("few:given"), small, Limits()).close()
    server.ask("DROP USER few")


@needs_server
def test_a_wrong_password_is_told_and_not_shown(
    server: mariadb.MariaDb, small: SqlData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, "wrong-one")
    with pytest.raises(
        UserError, match=r"mysql://rro@127\.0\.0\.1:\d+: Access denied.*RRO_DATABASE_PASSWORD"
    ) as told:
        MySqlDatabase(server.url("rro"), small, Limits())
    assert "wrong-one" not in str(told.value)


def test_an_absent_server_is_told_with_its_address(small: SqlData) -> None:
    with pytest.raises(UserError, match=r"mysql://rro@127\.0\.0\.1:1: no database server answers there"):
        MySqlDatabase("mysql://rro@127.0.0.1:1", small, Limits())


@needs_server
def test_loading_changes_nothing_that_is_there(server: mariadb.MariaDb, tmp_path: Path) -> None:
    before = mariadb.everything(server)
    with pytest.raises(UserError, match=f"{DB}, museum already, and nothing is overwritten"):
        list(load(str(write_folder(tmp_path / "again")), server.admin))
    other = folder_with(tmp_path / "other", "other", "CREATE TABLE `t` (`a` int);\n")
    with pytest.raises(UserError, match="a user 'rro' already"):
        list(load(str(other), server.admin))
    assert mariadb.everything(server) == before


@needs_server
def test_a_load_that_fails_leaves_nothing_behind(server: mariadb.MariaDb, tmp_path: Path) -> None:
    before = mariadb.everything(server)
    script = "CREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES ('x', 2);\n"
    with pytest.raises(UserError, match=r"mysql://root@.*Column count"):
        list(load(str(folder_with(tmp_path, "new_one", script)), server.admin, user="late"))
    assert mariadb.everything(server) == before


@needs_server
def test_a_password_is_made_up_where_none_is_given(
    server: mariadb.MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "CREATE TABLE `t` (\n  `a` text,\n  PRIMARY KEY (`a`)\n);\nINSERT INTO `t` VALUES\n('c:\\x; it''s');\n"
    folder = str(folder_with(tmp_path, "new_two", script))
    monkeypatch.delenv(PASSWORD)
    said = list(load(folder, server.admin, user="reader_2"))
    (told,) = (line for line in said if "shown this once" in line)
    monkeypatch.setenv(PASSWORD, told.rpartition("=")[2])
    database = MySqlDatabase(server.url("reader_2"), SqlData.load(folder), Limits())
    assert database.run("new_two", "SELECT * FROM t").observation == repr([("c:\\x; it's",)])
    database.close()
    assert not any(SECRET in line or "VALUES\n" in line for line in said)


@needs_server
def test_a_server_that_ends_is_told_with_its_address_and_found_when_it_is_back(tmp_path: Path) -> None:
    folder = str(
        folder_with(tmp_path / "f", "brief", "CREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (7);\n")
    )
    with mariadb.running(tmp_path / "d") as first:
        list(load(folder, first.admin))
        database = MySqlDatabase(first.url("rro"), SqlData.load(folder), Limits())
        assert database.run("brief", "SELECT a FROM t").rows == ("(7,)",)
        first.stop()
        with pytest.raises(UserError, match=rf"127\.0\.0\.1:{first.port}: no database server answers"):
            database.run("brief", "SELECT a + 1 FROM t")
        again = mariadb.start(tmp_path / "d", port=first.port)
        try:
            assert database.run("brief", "SELECT a + 2 FROM t").rows == ("(9,)",)
        finally:
            again.stop()


@needs_server
def test_table_names_must_not_depend_on_letter_case(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "small")
    with (
        mariadb.running(tmp_path / "d", "--lower-case-table-names=0") as running,
        pytest.raises(UserError, match="lower-case-table-names=1"),
    ):
        list(load(str(folder), running.admin))
