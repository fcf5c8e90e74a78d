"""Episodes of InterCode-SQL on a small database: what an agent sees, and what it earns."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions
from rro.tasks.environments.intercode_sql.episode import SqlEpisode
from rro.tasks.errors import UserError
from tests.environments.contract import check_environment
from tests.environments.small_sql import write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sql") / "data")


@pytest.fixture(scope="module")
def sql(folder: Path) -> Iterator[InterCodeSql]:
    environment = InterCodeSql(SqlOptions(data=str(folder)))
    yield environment
    environment.close()


def start(environment: InterCodeSql, number: int = 1) -> SqlEpisode:
    tasks = [task for split in environment.splits for task in environment.tasks(split)]
    return environment.start(next(task for task in tasks if task.id == f"t{number}"))


def earned(environment: InterCodeSql, number: int, *actions: str) -> float:
    episode = start(environment, number)
    return [episode.step(action) for action in (*actions, "submit")][-1].raw_reward


@pytest.mark.parametrize(
    "options", [{}, {"reading": "upstream"}, {"reading": "ipr", "observation_chars": 350}, {"max_turns": 4}]
)
def test_the_environment_keeps_the_contract(folder: Path, options: dict[str, object]) -> None:
    environment = InterCodeSql(SqlOptions.model_validate({"data": str(folder), **options}))
    check_environment(environment)
    environment.close()


def test_an_agent_first_sees_the_question_alone(sql: InterCodeSql) -> None:
    assert start(sql).observation == "How many boats are there?"


def test_an_agent_sees_rows_none_and_errors_as_upstream_shows_them(sql: InterCodeSql) -> None:
    episode = start(sql)
    assert episode.step("SELECT id, name, length FROM boats LIMIT 1").observation == "[(1, 'Ardo', 7.5)]"
    assert episode.step("SELECT 1 FROM boats WHERE id = 9").observation == "[]"
    assert episode.step("USE harbor").observation == "None"
    turn = episode.step("SELECT x FROM boats")
    assert turn.observation == "Error executing query: Unknown column 'x' in 'field list'"
    assert not turn.valid


@pytest.mark.parametrize(
    ("number", "actions", "reward"),
    [
        (1, ["SELECT COUNT(*) FROM boats"], 1.0),
        (1, ["SELECT 4"], 1.0),
        (1, ["SELECT COUNT(*) FROM boats", "SELECT 5"], 0.0),
        (1, ["SELECT 4", "SELECT x FROM boats"], 0.0),
        (1, ["SELECT 4", "USE harbor"], 0.0),
        (1, ["SELECT 4", "what do I do now?"], 1.0),
        (1, [], 0.0),
        (2, ["SELECT name FROM boats WHERE id < 4 ORDER BY length, id"], 1.0),
        (2, ["SELECT name FROM boats WHERE id < 4 ORDER BY length DESC, id DESC"], -1.0),
        (2, ["SELECT name FROM boats WHERE id < 3 ORDER BY id"], 0.67),
        (2, ["SELECT name FROM boats WHERE id = 1"], 1 / 3),
        (5, ["SELECT 1 FROM boats WHERE id = 9"], 1.0),
        (5, ["SELECT 1"], 0.0),
        (6, ["SELECT 1 FROM boats WHERE id = 9"], 1.0),
    ],
)
def test_the_last_answer_is_what_counts(
    sql: InterCodeSql, number: int, actions: list[str], reward: float
) -> None:
    assert earned(sql, number, *actions) == reward


def test_a_negative_reward_is_kept_raw_and_clipped_for_learning(sql: InterCodeSql) -> None:
    episode = start(sql, 2)
    episode.step("SELECT name FROM boats WHERE id < 4 ORDER BY length DESC, id DESC")
    turn = episode.step("submit")
    assert (turn.raw_reward, turn.outcome, turn.done, turn.truncated) == (-1.0, 0.0, True, False)


def test_submitting_shows_the_last_answer_and_neither_reward_nor_gold(sql: InterCodeSql) -> None:
    episode = start(sql, 2)
    before = episode.step("SELECT 'mine'").observation
    assert episode.step("submit").observation == before
    assert start(sql).step("submit").observation == "None"


def test_an_unfinished_episode_earns_nothing(folder: Path) -> None:
    environment = InterCodeSql(SqlOptions(data=str(folder), max_turns=2))
    episode = start(environment)
    episode.step("SELECT COUNT(*) FROM boats")
    turn = episode.step("SELECT COUNT(*) FROM boats")
    assert (turn.done, turn.truncated, turn.outcome, turn.raw_reward) == (True, True, 0.0, 0.0)
    with pytest.raises(ValueError, match="the episode of t1 has ended"):
        episode.step("submit")
    environment.close()


def test_submitting_in_the_last_turn_counts(folder: Path) -> None:
    environment = InterCodeSql(SqlOptions(data=str(folder), max_turns=2))
    assert earned(environment, 1, "SELECT COUNT(*) FROM boats") == 1
    environment.close()


def test_ipr_does_not_understand_statements_without_a_result(folder: Path) -> None:
    environment = InterCodeSql(SqlOptions(data=str(folder), reading="ipr", observation_chars=20))
    episode = start(environment)
    told = episode.step("Action: ```sql\nUSE harbor\n```").observation
    assert told == episode.step("hello").observation
    assert "Action:" in told
    assert episode.step("Action: ```sql\nSELECT name\nFROM boats\n```").observation.startswith(
        "Error executing quer..."
    )
    assert (
        episode.step("Action: ```sql\nSELECT name FROM boats\n```").observation == "[('Ardo',), ('bella'..."
    )
    environment.close()


def test_a_copy_goes_its_own_way(sql: InterCodeSql) -> None:
    episode = start(sql)
    episode.step("SELECT 4")
    twin = episode.copy()
    episode.step("SELECT 5")
    assert twin.step("submit").raw_reward == 1
    assert episode.step("submit").raw_reward == 0
    assert (twin.turns, episode.turns) == (2, 3)


def test_digests_differ_with_what_options_change(folder: Path) -> None:
    def digest(**options: object) -> str:
        return InterCodeSql(SqlOptions.model_validate({"data": str(folder), **options})).digest

    changes: list[dict[str, object]] = [
        {"max_turns": 9},
        {"reading": "ipr"},
        {"observation_chars": 9},
        {"limits": {"rows": 9}},
    ]
    assert digest() == digest()
    assert len({digest(), *(digest(**change) for change in changes)}) == 1 + len(changes)


@pytest.mark.parametrize(
    "bad",
    [{"nonsense": 1}, {"reading": "loud"}, {"max_turns": 0}, {"limits": {"rows": 0}}, {"limits": {"row": 1}}],
)
def test_bad_options_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SqlOptions.model_validate(bad)


def test_tasks_of_other_data_and_unknown_splits_are_refused(sql: InterCodeSql) -> None:
    with pytest.raises(UserError, match=r"split 'dev': intercode_sql has train, validation, test"):
        sql.tasks("dev")
    task = sql.tasks("test")[0]
    with pytest.raises(UserError, match="task 'other' is not of this data"):
        sql.start(type(task)("other", "test", "?"))


def test_importing_the_environment_loads_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "numpy", "scipy", "pyarrow", "duckdb", "prefect", "pymysql"}
    program = "import sys, rro.tasks.environments.intercode_sql.environment; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert not heavy & set(loaded.split())
