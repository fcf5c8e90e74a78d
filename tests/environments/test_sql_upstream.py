"""Replays recordings of the original InterCode-SQL: rewards, gold results, descriptions, recorded runs.

The recordings are not part of the repository; without them these tests are skipped and say where they are looked for.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Limits
from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions
from rro.tasks.environments.intercode_sql.prepare import Sources, prepare, statement_of
from rro.tasks.environments.intercode_sql.reward import score
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from rro.tasks.environments.intercode_sql.verify import verify

FOLDER = Path(__file__).parents[3] / "shared/benchmarks/intercode_sql"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no recordings of upstream InterCode-SQL in {FOLDER}"
)

REWARDS, ANSWERS = FOLDER / "golden_rewards.jsonl.gz", FOLDER / "mariadb_gold_results.jsonl.gz"
RUNS = ("recorded_gpt-3.5_react_10_turns.json.gz", "recorded_gpt-4_multiturn_10_turns.json.gz")
SOURCES = Sources(
    FOLDER / "ic_spider_dev.json.gz", FOLDER / "ic_spider_dbs.sql.gz", None, [FOLDER / run for run in RUNS]
)

Row = dict[str, Any]


def rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line]


def packed(name: str) -> Any:
    return json.loads(gzip.decompress((FOLDER / name).read_bytes()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("intercode") / "data"
    prepare(SOURCES, out)
    return out


@pytest.fixture(scope="module")
def data(folder: Path) -> SqlData:
    return SqlData(folder)


@pytest.fixture(scope="module")
def database(data: SqlData) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(data, Limits())
    yield made
    made.close()


def test_every_recorded_reward_is_ours() -> None:
    gold = {row["i"]: row["rows"] if row["ok"] else [] for row in rows(ANSWERS)}
    recorded = rows(REWARDS)
    for row in recorded:
        answer = row["agent_rows"]
        assert score(answer if isinstance(answer, list) else None, gold[row["i"]]) == row["reward"], row
    assert len(recorded) == 1482
    assert min(row["reward"] for row in recorded) == -1


def test_all_tasks_and_databases_are_there_and_each_database_in_one_split(data: SqlData) -> None:
    assert len(data.tasks) == 1034
    assert sum(map(len, data.schema.values())) == 81
    assert len({(task.db, task.split) for task in data.tasks}) == len(data.schema) == 20
    assert {task.split for task in data.tasks} == {"train", "validation", "test"}


def test_every_gold_query_runs_on_sqlite_and_earns_everything(folder: Path) -> None:
    environment = InterCodeSql(SqlOptions(data=str(folder)))
    for split in environment.splits:
        for task in environment.tasks(split):
            episode = environment.start(task)
            assert episode.step(f"```sql\n{episode.task.gold}\n```").valid, episode.task
            assert episode.step("submit").raw_reward == task.best == 1
    environment.close()


def test_gold_results_are_mariadbs_but_for_a_few(data: SqlData, database: SqliteDatabase) -> None:
    checks = list(verify(data, database, {"answers": ANSWERS}))
    different = {check.name for check in checks if check.difference is not None}
    assert len(checks) == 1028
    assert len(different) / len(checks) <= 0.02
    numbers = {int(re.findall(r"task intercode-(\d+)", name)[0]) for name in different}
    assert numbers <= listed_in_the_docs()


def listed_in_the_docs() -> set[int]:
    """Tasks that the document names, by cause, as having another gold result."""
    page = (Path(__file__).parents[2] / "docs/intercode_sql.md").read_text(encoding="utf-8")
    table = page.partition("| cause | tasks")[2].partition("\n\n")[0]
    return {
        int(number) for row in table.splitlines() for number in re.findall(r"\d+", row.rpartition(" | ")[2])
    }


def test_descriptions_are_mariadbs_in_the_words_of_mysql_8(data: SqlData) -> None:
    recorded = {db.lower(): tables for db, tables in packed("mariadb_describe.json.gz").items()}
    assert {db: set(tables) for db, tables in recorded.items()} == {
        db: set(t) for db, t in data.schema.items()
    }
    for db, tables in recorded.items():
        for table, text in tables.items():
            as_mysql = re.sub(r"'int\(11\)'", "'int'", text)
            as_mysql = as_mysql.replace(
                "'current_timestamp()', ''", "'CURRENT_TIMESTAMP', 'DEFAULT_GENERATED'"
            )
            assert str(list(data.schema[db][table])) == as_mysql


def replayed(database: SqliteDatabase, name: str) -> Iterator[tuple[str, str, str, float, float]]:
    """Statement, our and the recorded observation, our and the recorded reward of each recorded statement."""
    tasks = packed("ic_spider_dev.json.gz")
    for number, run in packed(name).items():
        task, history = tasks[int(number)], run["turn_history"]
        gold = database.run(task["db"].lower(), task["gold"]).rows or ()
        for action, seen, reward in zip(
            history["actions"], history["observations"], history["rewards"], strict=True
        ):
            statement = statement_of(action)
            if statement is not None:
                answer = database.run(task["db"].lower(), statement)
                yield statement, answer.observation, seen, score(answer.rows, gold), reward


def test_recorded_statements_of_gpt_4_earn_what_they_earned_but_for_a_few(database: SqliteDatabase) -> None:
    selects = [turn for turn in replayed(database, RUNS[1]) if turn[0].upper().startswith(("SELECT", "WITH"))]
    equal = sum(ours == recorded for *_, ours, recorded in selects)
    # Recorded by an older version, which did not round; see docs/intercode_sql.md.
    close = sum(abs(ours - recorded) <= 0.005 for *_, ours, recorded in selects)
    assert len(selects) == 3900
    assert equal / len(selects) >= 0.945
    assert close / len(selects) >= 0.96


def test_recorded_looks_at_tables_read_the_same(database: SqliteDatabase) -> None:
    looks = [
        turn for turn in replayed(database, RUNS[0]) if turn[0].upper().startswith(("SHOW TABLES", "DESC"))
    ]
    # Agents had made tables there, which our databases do not have; observations were cut at 350 characters.
    equal = sum(ours[:350] == seen[:350] or seen.startswith("Error") for _, ours, seen, _, _ in looks)
    assert equal / len(looks) >= 0.95


def test_most_recorded_successes_are_demonstrations(data: SqlData) -> None:
    assert 780 <= len(data.demonstrations) <= 1034
    hardness = Counter(task.hardness for task in data.tasks if task.id in data.demonstrations)
    assert set(hardness) == {"easy", "medium", "hard", "extra"}


@pytest.mark.slow
def test_spiderman_trains_and_intercode_tests(tmp_path: Path) -> None:
    sources = Sources(SOURCES.tasks, SOURCES.dump, FOLDER / "spiderman_mysql.tar.xz")
    about = prepare(sources, tmp_path / "out")
    assert about["databases"] == {"test": 12, "validation": 8, "train": 137}
    assert about["tasks"]["train"] >= 6600
    assert about["tasks"]["test"] + about["tasks"]["validation"] == 1034
    questions = Counter(task.question for task in SqlData(tmp_path / "out").tasks)
    assert questions.most_common(1)[0][1] == 1
