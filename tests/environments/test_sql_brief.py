"""Brief observations list tables and columns by name, and leave every other answer as upstream prints it."""

import pytest

from rro.tasks.environments.intercode_sql.brief import brief
from rro.tasks.environments.intercode_sql.database import Answer
from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions
from rro.tasks.environments.intercode_sql.expert import SqlExpertOptions
from tests.environments.contract import act_until_done

COLUMNS = Answer(rows=("('id', 'int', 'NO', 'PRI', None, '')", "('age', 'int', 'YES', '', None, '')"))


@pytest.mark.parametrize("statement", ["DESC boats", "describe `boats`;", "SHOW COLUMNS FROM boats"])
def test_columns_are_listed_by_name(statement: str) -> None:
    assert brief(statement, COLUMNS) == "Columns: id age"


def test_tables_are_listed_by_name() -> None:
    assert brief("show tables", Answer(rows=("('boats',)", "('harbors',)"))) == "Tables: boats harbors"


@pytest.mark.parametrize("statement", ["SELECT id FROM boats", "SHOW DATABASES", "SHOW", "'", ""])
def test_other_answers_stay(statement: str) -> None:
    assert brief(statement, COLUMNS) is None


def test_an_error_stays() -> None:
    assert brief("DESC nowhere", Answer(error="Table 'x.nowhere' doesn't exist")) is None


@pytest.mark.parametrize("view", ["upstream", "brief"])
def test_the_reward_is_the_same(view: str) -> None:
    environment = InterCodeSql(SqlOptions.model_validate({"observation": view, "observation_chars": 20}))
    episode = environment.start(environment.tasks("test")[0])
    tables = episode.step("SHOW TABLES").observation
    assert tables.startswith("Tables: ") == (view == "brief")
    assert tables.endswith("...") == (view == "upstream")
    assert episode.step("submit").outcome == 0


@pytest.mark.parametrize("classes", [["easy"], ["hard", "extra"]])
def test_only_tasks_of_the_wanted_classes_are_listed(classes: list[str]) -> None:
    environment = InterCodeSql(SqlOptions.model_validate({"hardness": classes}))
    every = InterCodeSql(SqlOptions())
    kept = {task.id for task in environment.tasks("test")}
    assert kept < {task.id for task in every.tasks("test")}
    assert kept


def test_tasks_can_be_kept_to_one_table() -> None:
    environment = InterCodeSql(SqlOptions(most_tables=1))
    actions = [
        action
        for task in environment.tasks("validation")[:60]
        for action, _ in act_until_done(environment.start(task), environment.expert(0, SqlExpertOptions()))
    ]
    assert 0 < len(environment.tasks("validation")) < len(InterCodeSql(SqlOptions()).tasks("validation"))
    assert not any("JOIN" in action for action in actions)
