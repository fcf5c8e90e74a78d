"""The scripted agent of InterCode-SQL: best without flaws, and each flaw does what it says."""

import pytest

from rro.tasks.environments.intercode_sql.data import Known
from rro.tasks.environments.intercode_sql.environment import InterCodeSql, SqlOptions
from rro.tasks.environments.intercode_sql.expert import (
    SqlExpert,
    SqlExpertOptions,
    misspelt,
    with_opposite_aggregate,
    without_distinct,
    without_last_condition,
    without_order,
)
from tests.environments.contract import act_until_done

PERFECT = dict.fromkeys(
    ("forget_condition", "forget_order", "forget_distinct", "wrong_aggregate", "misspell", "skip_look"), 0.0
)
ASKED = Known(
    task_id="one",
    db="ferry",
    gold="SELECT name FROM boats WHERE color = 'red' AND age > 4",
    question="Which red boats are older than 4?",
    tables=("boats",),
    demonstration=("DESC boats", "submit"),
)


def outcomes(environment: InterCodeSql, **flaws: float) -> list[float]:
    options = SqlExpertOptions(**{**PERFECT, **flaws})
    found = []
    for task in environment.tasks("validation")[:150]:
        *_, (_, last) = act_until_done(environment.start(task), environment.expert(0, options))
        found.append(last.outcome)
    return found


@pytest.fixture(scope="module")
def environment() -> InterCodeSql:
    return InterCodeSql(SqlOptions())


@pytest.mark.parametrize("reading", ["block", "upstream", "ipr"])
def test_without_flaws_it_earns_everything_in_every_reading(reading: str) -> None:
    environment = InterCodeSql(SqlOptions.model_validate({"reading": reading}))
    assert set(outcomes(environment)) == {1.0}


@pytest.mark.parametrize("flaw", ["forget_condition", "forget_order", "wrong_aggregate", "forget_distinct"])
def test_a_habit_pays_less_and_is_never_fatal_to_all(environment: InterCodeSql, flaw: str) -> None:
    spoilt = outcomes(environment, **{flaw: 1.0})
    assert sum(spoilt) < len(spoilt)
    assert 1.0 in spoilt


@pytest.mark.parametrize("flaw", ["misspell", "skip_look"])
def test_a_slip_costs_turns_at_most(environment: InterCodeSql, flaw: str) -> None:
    assert set(outcomes(environment, **{flaw: 1.0})) == {1.0}


def test_a_misspelt_table_is_put_right_after_the_error(environment: InterCodeSql) -> None:
    task = environment.tasks("train")[0]
    expert = environment.expert(0, SqlExpertOptions(**{**PERFECT, "misspell": 1.0}))
    valid = [turn.valid for _, turn in act_until_done(environment.start(task), expert)]
    assert valid[-3:] == [False, True, True]


@pytest.mark.parametrize("recorded", [True, False])
def test_a_recorded_run_is_replayed_on_request(recorded: bool) -> None:
    options = SqlExpertOptions(recorded=recorded)
    first = SqlExpert(0, options, {ASKED.question: ASKED}, "upstream")(ASKED.question)
    assert first == ("DESC boats" if recorded else "SHOW TABLES")


@pytest.mark.parametrize(
    ("statement", "shorter"),
    [
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t"),
        ("SELECT a FROM t WHERE b = 1 AND c = 2", "SELECT a FROM t WHERE b = 1"),
        ("SELECT a FROM t WHERE b = 1 OR c = 2 ORDER BY d", "SELECT a FROM t WHERE b = 1 ORDER BY d"),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 2 LIMIT 3", "SELECT a FROM t LIMIT 3"),
        ("SELECT a FROM t WHERE c = 'x AND y' AND b BETWEEN 1 AND 2", "SELECT a FROM t WHERE c = 'x AND y'"),
        ("SELECT a FROM t WHERE b IN (SELECT c FROM d WHERE e = 1 AND f = 2)", "SELECT a FROM t"),
        ("SELECT a FROM t", "SELECT a FROM t"),
        ("SELECT 'unfinished", "SELECT 'unfinished"),
    ],
)
def test_the_last_condition_is_left_off(statement: str, shorter: str) -> None:
    assert without_last_condition(statement).split() == shorter.split()


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("SELECT a FROM t ORDER BY b DESC", "SELECT a FROM t"),
        ("SELECT a FROM t ORDER BY b DESC LIMIT 2", "SELECT a FROM t LIMIT 2"),
        ("SELECT a FROM t", "SELECT a FROM t"),
    ],
)
def test_the_order_is_left_off(statement: str, changed: str) -> None:
    assert without_order(statement) == changed


def test_distinct_aggregate_and_name_are_changed_once() -> None:
    assert without_distinct("SELECT COUNT(DISTINCT a) FROM t") == "SELECT COUNT(a) FROM t"
    assert with_opposite_aggregate("SELECT MAX(a), MIN(a) FROM t") == "SELECT MIN(a), MIN(a) FROM t"
    assert (
        misspelt("SELECT a FROM `boats` WHERE b = 'boats'", ("boats",))
        == "SELECT a FROM `boat` WHERE b = 'boats'"
    )
