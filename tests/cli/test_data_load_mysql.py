"""`rro data load-mysql`, and `rro verify intercode-sql` on a server."""

import json
from pathlib import Path

import pytest

from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD
from tests.cli.conftest import Rro
from tests.environments import mariadb
from tests.environments.small_sql import write_folder


def test_an_address_that_is_none_and_a_server_that_is_absent_are_told(rro: Rro) -> None:
    wrong = rro("data", "load-mysql", "--data", "bundled", "--url", "localhost:3306")
    assert wrong.code == 2
    assert "mysql://user@host:port" in wrong.err
    absent = rro("data", "load-mysql", "--data", "bundled", "--url", "mysql://root:hush@127.0.0.1:1")
    assert absent.code == 2
    assert "mysql://root@127.0.0.1:1: no database server answers there" in absent.err
    assert "hush" not in absent.err
    nowhere = rro("data", "load-mysql", "--data", "no-such-folder", "--url", "mysql://root@127.0.0.1:1")
    assert nowhere.code == 2
    assert "no-such-folder" in nowhere.err


@pytest.mark.skipif(mariadb.MISSING is not None, reason=str(mariadb.MISSING))
def test_a_loaded_server_is_verified(rro: Rro, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "hush")
    folder = str(write_folder(tmp_path / "small"))
    answers, episodes = tmp_path / "answers.jsonl", tmp_path / "episodes.jsonl"
    answers.write_text(json.dumps({"task": "t1", "ok": True, "rows": ["(4,)"]}))
    tried = [("SELECT 4", 1.0), ("SHOW TABLES", 0.0), ("SELECT CONNECTION_ID()", 0.0), ("SELECT 4", -1.0)]
    episodes.write_text(
        "".join(
            json.dumps({"task": "t1", "agent_sql": sql, "reward": earned}) + "\n" for sql, earned in tried
        )
    )
    with mariadb.running(tmp_path / "d") as server:
        loaded = rro("data", "load-mysql", "--data", folder, "--url", server.admin)
        assert loaded.code == 0
        assert "CREATE DATABASE `harbor`" in loaded.out
        assert "GRANT SELECT, SHOW VIEW ON `museum`.* TO 'rro'@'%';" in loaded.out
        assert "hush" not in loaded.out + loaded.err
        again = rro("data", "load-mysql", "--data", folder, "--url", server.admin)
        assert again.code == 2
        assert "harbor, museum already" in again.err
        recorded = ("--answers", str(answers), "--episodes", str(episodes))
        for url in (server.url("rro"), server.url("rro:hush")):
            ended = rro("verify", "intercode-sql", "--data", folder, *recorded, "--database-url", url)
            assert ended.code == 1
            assert ended.out.splitlines()[-2:] == [
                "answers: 1 passed, 0 failed",
                "episodes: 3 passed, 1 failed",
            ]
        refused = rro(
            "verify", "intercode-sql", "--data", folder, *recorded, "--database-url", server.url("root:")
        )
        assert refused.code == 2
        assert "may do more than read" in refused.err
