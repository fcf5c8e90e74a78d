"""No statement harms: all are answered in time and in memory, and the databases stay as they are, byte for byte."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import FAILED, Limits
from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from tests.environments.small_sql import DB, write_folder
from tests.environments.sql_attacks import ATTACKS, REFUSED

LIMITS = Limits(seconds=1, rows=1000, bytes=100_000, memory_bytes=384 << 20)
GRACE = 20
"""Seconds beyond the limit, for a computer with other things to do."""
ON_SQLITE = [(name, statement) for name, statement, engines in ATTACKS if "sqlite" in engines]
MUST_FAIL = {name for name, _, _ in REFUSED}
LEFT_BEHIND = [Path("/tmp/rro-attack"), Path("/tmp/rro-attack.db"), Path("/tmp/boats.csv")]


@pytest.fixture(scope="module")
def target(harbor: SqlData) -> Iterator[tuple[SqliteDatabase, dict[str, str]]]:
    """The database, and the digests of its contents before the first attack."""
    database = SqliteDatabase(harbor, LIMITS)
    before = {name: database.content(name) for name in harbor.schema}
    yield database, before
    database.close()


def memory_of(pid: int) -> int:
    """The most address space that a process has had, in bytes; 0 if it is gone."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmPeak:")) * 1024


def test_there_are_a_hundred_attacks_and_each_has_its_own_name() -> None:
    assert len({name for name, _, _ in ATTACKS}) == len(ATTACKS) > 300


@pytest.mark.parametrize(("name", "statement"), ON_SQLITE, ids=[name for name, _ in ON_SQLITE])
def test_an_attack_is_answered_and_changes_nothing(
    target: tuple[SqliteDatabase, dict[str, str]], name: str, statement: str
) -> None:
    database, before = target
    begun = time.monotonic()
    answer = database.run(DB, statement)
    assert time.monotonic() - begun < LIMITS.seconds + GRACE
    assert answer.rows is None or len(answer.rows) <= LIMITS.rows
    assert len(answer.observation) < LIMITS.bytes + 10_000
    if name in MUST_FAIL:
        assert answer.error is not None, answer.observation[:200]
    assert answer.error is None or answer.observation.startswith(FAILED)
    assert database.worker_pid is None or memory_of(database.worker_pid) <= LIMITS.memory_bytes
    assert {db: database.content(db) for db in before} == before
    assert database.run(DB, "SELECT COUNT(*) FROM boats").rows == ("(4,)",)
    assert not [path for path in LEFT_BEHIND if path.exists()]


@pytest.mark.parametrize("reading", ["block", "upstream", "ipr"])
def test_no_attack_earns_anything_or_raises_in_an_episode(tmp_path: Path, reading: str) -> None:
    options = {"data": str(write_folder(tmp_path / "data")), "reading": reading, "limits": {"seconds": 0.5}}
    environment = InterCodeSql(SqlOptions.model_validate(options))
    (task,) = (task for task in environment.tasks("test") if task.id == "t2")
    for name, statement, _ in REFUSED:
        for action in (statement, f"```sql\n{statement}\n```", f"Action: ```sql\n{statement}\n```"):
            episode = environment.start(task)
            episode.step(action)
            assert episode.step("Action: submit" if reading == "ipr" else "submit").raw_reward == 0, name
            environment.canonical(action)
    environment.close()
