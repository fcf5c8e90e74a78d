"""The process that answers on SQLite: limits, ends and new beginnings, and what is remembered."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Answer, Limits
from rro.tasks.environments.intercode_sql.sqlite_database import Answers, SqliteDatabase
from rro.tasks.errors import UserError
from tests.environments.small_sql import DB, SCHEMA, write_folder

SLOW = "SELECT REPEAT('a', 60) REGEXP '^(a|a)*b'"
"""Busy in code that only a timer can end."""
LONG = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT COUNT(*) FROM t"
MANY = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {}) SELECT n FROM t"
TOO_SLOW = "Query execution was interrupted, maximum statement execution time exceeded"


@pytest.fixture
def own(harbor: SqlData) -> Iterator[SqliteDatabase]:
    """A database whose process a test may end."""
    database = SqliteDatabase(harbor, Limits(seconds=0.5, rows=100, bytes=5000))
    yield database
    database.close()


def is_gone(pid: int) -> bool:
    """Whether a process is no more, or only waits to be noticed."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def wait_until_gone(pid: int, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not is_gone(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert is_gone(pid)


def test_a_result_may_have_so_many_rows_and_no_more(own: SqliteDatabase) -> None:
    assert len(own.run(DB, MANY.format(100)).rows or ()) == 100
    answer = own.run(DB, MANY.format(101))
    assert answer == Answer(error="The result has more than 100 rows; add a LIMIT")


def test_a_result_may_have_so_many_characters_and_no_more(own: SqliteDatabase) -> None:
    assert own.run(DB, "SELECT REPEAT('a', 4995)").error is None
    answer = own.run(DB, "SELECT REPEAT('a', 4996)")
    assert answer == Answer(error="The result has more than 5,000 characters; add a LIMIT")


def test_a_long_statement_is_ended_by_its_steps_and_the_process_lives_on(own: SqliteDatabase) -> None:
    own.run(DB, "SELECT 1")
    pid = own.worker_pid
    assert own.run(DB, LONG) == Answer(error=TOO_SLOW)
    assert own.worker_pid == pid


def test_a_statement_stuck_in_native_code_is_ended_with_its_process_and_another_begins(
    own: SqliteDatabase,
) -> None:
    own.run(DB, "SELECT 1")
    pid = own.worker_pid
    assert pid is not None
    begun = time.monotonic()
    assert own.run(DB, SLOW) == Answer(error=TOO_SLOW)
    assert time.monotonic() - begun < 30
    assert is_gone(pid)
    assert own.run(DB, "SELECT COUNT(*) FROM boats").rows == ("(4,)",)
    assert own.worker_pid not in (None, pid)


def test_memory_is_limited(own: SqliteDatabase) -> None:
    heavy = (
        "SELECT COUNT(*) FROM (SELECT DISTINCT CONCAT(REPEAT(a.name, 20000), b.id, c.id, d.id, e.id, f.id) "
        "FROM boats a, boats b, boats c, boats d, boats e, boats f) q"
    )
    assert own.run(DB, heavy).error in ("Out of memory", TOO_SLOW)
    assert own.run(DB, "SELECT 1").rows == ("(1,)",)


def test_a_process_that_somebody_kills_is_replaced(own: SqliteDatabase) -> None:
    own.run(DB, "SELECT 1")
    pid = own.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    wait_until_gone(pid)
    assert own.run(DB, "SELECT 2").error == "Out of memory"
    assert own.run(DB, "SELECT 3").rows == ("(3,)",)


def test_closing_ends_the_process_and_asking_again_starts_one(own: SqliteDatabase) -> None:
    own.run(DB, "SELECT 1")
    pid = own.worker_pid
    assert pid is not None
    own.close()
    wait_until_gone(pid)
    assert own.run(DB, "SELECT 4").rows == ("(4,)",)


def test_the_process_ends_with_its_parent_however_that_ends(harbor: SqlData, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    program = f"""
import sys, time
from pathlib import Path
from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Limits
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
database = SqliteDatabase(SqlData(Path({str(folder)!r})), Limits())
database.run({DB!r}, "SELECT 1")
print(database.worker_pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not is_gone(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until_gone(pid)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_asks_a_worker_of_its_own(own: SqliteDatabase) -> None:
    own.run(DB, "SELECT 1")
    pid = own.worker_pid
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        rows = own.run(DB, "SELECT 41 + 1").rows
        os.write(write, json.dumps([rows, own.worker_pid]).encode())
        own.close()
        os._exit(0)
    os.waitpid(child, 0)
    rows, childs_pid = json.loads(os.read(read, 1000))
    os.close(read)
    os.close(write)
    assert rows == ["(42,)"]
    assert childs_pid != pid
    assert own.run(DB, "SELECT 5").rows == ("(5,)",)
    assert own.worker_pid == pid


def test_equal_statements_are_asked_once(own: SqliteDatabase) -> None:
    first = own.run(DB, "SELECT name FROM boats")
    own.close()
    assert own.run(DB, "SELECT name FROM boats") is first
    assert own.worker_pid is None


def test_remembered_answers_are_bounded_and_the_oldest_go_first() -> None:
    kept = Answers()
    big = Answer(("a" * 50_000,))
    for number in range(1000):
        kept.keep(DB, str(number), big)
        kept.get(DB, "0")
    held = [number for number in range(1000) if kept.get(DB, str(number))]
    assert 0 in held
    assert 999 in held
    assert len(held) * 200_000 <= Answers.MOST
    kept.keep(DB, "huge", Answer(("a" * 100_000,)))
    assert kept.get(DB, "huge") is None


def test_nothing_that_differs_from_call_to_call_is_answered(harbor: SqlData) -> None:
    statements = [
        "SELECT NOW(), RAND(), RAND()",
        "SELECT name FROM boats ORDER BY RAND()",
        "SELECT CURRENT_TIMESTAMP",
    ]
    seen = []
    for _ in range(2):
        database = SqliteDatabase(harbor, Limits())
        seen.append([database.run(DB, statement) for statement in statements])
        database.close()
    assert seen[0] == seen[1]
    assert all(answer.error is None for answer in seen[0])


def test_digests_tell_data_and_limits_apart(harbor: SqlData, tmp_path: Path) -> None:
    other = SqlData(write_folder(tmp_path / "data", tasks=[]))
    digests = [
        SqliteDatabase(data, limits).digest
        for data, limits in (
            (harbor, Limits()),
            (harbor, Limits()),
            (harbor, Limits(rows=5)),
            (other, Limits()),
        )
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_database_that_cannot_be_loaded_is_the_users_to_mend(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    (folder / "databases" / f"{DB}.sql").write_text("CREATE TABLE `boats` (", encoding="utf-8")
    database = SqliteDatabase(SqlData(folder), Limits())
    with pytest.raises(UserError, match=f"database '{DB}' cannot be loaded into SQLite: incomplete input"):
        database.run(DB, "SELECT 1")
    assert database.run("museum", "SELECT title FROM rooms").rows == ("('Secret',)",)
    database.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "tasks.jsonl").unlink(), "no tasks.jsonl, plain or .gz"),
        (lambda folder: (folder / "schema.json").unlink(), "no schema.json, plain or .gz"),
        (
            lambda folder: (folder / "databases" / "museum.sql").unlink(),
            "no databases/museum.sql, plain or .gz",
        ),
        (
            lambda folder: (folder / "schema.json").write_text(json.dumps({DB: SCHEMA[DB]})),
            "'t4' is about 'museum'",
        ),
    ],
)
def test_a_folder_that_is_not_whole_is_named_with_what_is_missing(
    tmp_path: Path, change: object, words: str
) -> None:
    folder = write_folder(tmp_path / "data")
    assert callable(change)
    change(folder)
    with pytest.raises(UserError, match=r".+") as refused:
        SqlData(folder)
    assert words in str(refused.value)


def test_a_database_is_in_one_split_only(tmp_path: Path) -> None:
    row = {"id": "t", "db": DB, "question": "?", "gold": "SELECT 1", "hardness": "easy"}
    rows = [{**row, "split": "test"}, {**row, "id": "u", "split": "train"}]
    with pytest.raises(UserError, match="database 'harbor' is in more than one split"):
        SqlData(write_folder(tmp_path / "data", tasks=rows))


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(UserError, match=r"data = '/nowhere': no such folder; 'bundled' is what ships"):
        SqlData.load("/nowhere")
