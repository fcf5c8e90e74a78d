"""Random, odd and huge actions: nothing raises, nothing grows, and copies stay apart.

`RRO_FUZZ_ACTIONS` says how many actions; a million was tried (docs/intercode_sql.md).
"""

import os
import random
import resource
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rro.tasks.environments.base import Turn
from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions
from rro.tasks.environments.intercode_sql.episode import SqlEpisode
from tests.environments.contract import check_turn
from tests.environments.small_sql import write_folder
from tests.environments.sql_attacks import REFUSED

ACTIONS = int(os.environ.get("RRO_FUZZ_ACTIONS", "6000"))
GROWTH = 96 << 20
"""Bytes that remembered answers may take (64 MiB) and what Python holds back."""

_WORDS = """
    SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT JOIN ON UNION ALL DISTINCT AS IN NOT NULL IS AND OR LIKE
    BETWEEN EXISTS CASE WHEN THEN ELSE END COUNT( SUM( AVG( MAX( MIN( CONCAT( IF( LEFT( SUBSTRING( CAST( AS
    SIGNED) ROUND( DATE_ADD( INTERVAL DAY) GROUP_CONCAT( REPEAT( REPLACE( WITH RECURSIVE OVER ( PARTITION SHOW
    TABLES DESC USE boats trips id name home length built code boat_id day guests fare harbor harbor. boats.
    trips. b t * , , , . ( ) ) = <> < > + - / % DIV || && ! 1 0 2.5 -1 1e9 'a' 'Kiel' "x" '' '%' `name` `id` ;
    -- # /* */ /*! ``` submit Action: ```sql execute[ ] @x @@y ? := \\ \0 \ud83d \u202e é 漢 😀"""
WORDS = _WORDS.split()
GOOD = [
    "SELECT name FROM boats WHERE id = {}",
    "SELECT COUNT(*) FROM trips WHERE guests > {}",
    "SELECT b.name, t.day FROM boats b JOIN trips t ON b.id = t.boat_id WHERE t.fare < {} ORDER BY t.day",
    "SELECT home, AVG(length) FROM boats GROUP BY home HAVING COUNT(*) > {}",
    "DESC boats",
    "SHOW TABLES",
]


@pytest.fixture(scope="module")
def sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InterCodeSql]:
    options = {"data": str(write_folder(tmp_path_factory.mktemp("sql") / "data")), "limits": {"seconds": 0.2}}
    environment = InterCodeSql(SqlOptions.model_validate(options))
    yield environment
    environment.close()


def action_of(source: random.Random) -> str:
    """A statement that works, one with a fault, a soup of words, text of any kind, or a huge one."""
    kind = source.random()
    if kind < 0.3:
        return f"```sql\n{source.choice(GOOD).format(source.randint(-3, 99))}\n```"
    if kind < 0.45:
        good = source.choice(GOOD).format(source.random())
        at = source.randrange(len(good))
        return (
            good[:at]
            + source.choice(string.printable) * source.randint(0, 3)
            + good[at + source.randint(0, 4) :]
        )
    if kind < 0.8:
        return f"{source.choice(['', 'SELECT ', '```sql '])}{' '.join(source.choices(WORDS, k=source.randint(1, 25)))}"
    if kind < 0.9:
        return "".join(
            chr(source.randrange(1 << source.choice((7, 8, 16, 20)))) for _ in range(source.randint(0, 60))
        )
    if kind < 0.93:
        return source.choice(REFUSED)[1]
    if kind < 0.94:
        return source.choice(WORDS) * source.randint(1, 3000)
    return "submit"


def memory() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_random_actions_neither_raise_nor_leak_nor_leave_the_database_changed(sql: InterCodeSql) -> None:
    tasks = sql.tasks("test")
    source = random.Random(0)
    before = {db: sql.database.content(db) for db in ("harbor", "museum")}  # type: ignore[attr-defined]
    held, episode, done = 0, sql.start(tasks[0]), False
    for number in range(ACTIONS):
        if number == ACTIONS // 4:
            held = memory()
        if done:
            episode = sql.start(source.choice(tasks))
        action = action_of(source)
        if number % 10 == 0:
            check_copy(episode, action)
        turn = episode.step(action)
        check_turn(turn)
        assert isinstance(sql.canonical(action), str)
        done = turn.done
    assert memory() - held < GROWTH
    assert {db: sql.database.content(db) for db in before} == before  # type: ignore[attr-defined]


def check_copy(episode: SqlEpisode, action: str) -> None:
    """A copy answers as its original would, and the original does not notice."""
    twin, other = episode.copy(), episode.copy()
    before = (episode.observation, episode.turns, episode.done)
    turns: list[Turn] = [twin.step(action), other.step(action)]
    assert turns[0] == turns[1]
    assert (episode.observation, episode.turns, episode.done) == before


@settings(
    max_examples=max(100, ACTIONS // 20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.text() | st.sampled_from(WORDS), max_size=8).map(" ".join))
def test_any_text_is_an_action(sql: InterCodeSql, action: str) -> None:
    for text in (action, f"```sql\nSELECT {action}\n```"):
        episode = sql.start(sql.tasks("test")[0])
        check_copy(episode, text)
        check_turn(episode.step(text))
    assert isinstance(sql.canonical(action), str)
