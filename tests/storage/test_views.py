"""What a connection for questions sees, and what it refuses."""

from pathlib import Path

import duckdb
import pytest
from scipy.stats import binomtest

from rro.tasks.errors import UserError
from rro.tasks.storage.checks import KEYS
from rro.tasks.storage.tables import TABLES, table
from rro.tasks.storage.views import connect, query, rebuild
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import build, row

VIEWS = [
    "runs_latest",
    "step_summary",
    "task_summary",
    "exploration_cost",
    "cost_per_pair",
    "evaluated_tasks",
]


def test_every_table_and_view_is_there_in_an_empty_warehouse(tmp_path: Path) -> None:
    connection = connect(Warehouse.open(tmp_path))
    for name in [*TABLES, *VIEWS, "policy_order", "shards"]:
        assert query(connection, f"FROM {name}").num_rows == 0


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_view_has_the_same_types_with_and_without_files(tmp_path: Path, name: str) -> None:
    def types() -> list[tuple[str, str]]:
        described = query(connect(warehouse), f"DESCRIBE {name}")
        return list(
            zip(described["column_name"].to_pylist(), described["column_type"].to_pylist(), strict=True)
        )

    warehouse = Warehouse.open(tmp_path)
    empty = types()
    assert [column for column, _ in empty] == TABLES[name].names
    named = {"run": "r", KEYS.get(name, "run"): "r"}
    warehouse.publish("r", "s", {name: table(name, [row(name, **named)])})
    assert query(connect(warehouse), f"FROM {name}").num_rows == 1
    assert types() == empty


def test_a_table_reads_the_same_through_duckdb_and_arrow(little: Warehouse) -> None:
    through = query(connect(little), "FROM candidates WHERE run = 'late' ORDER BY candidate")
    assert through.to_pylist() == little.read("candidates", "late").sort_by("candidate").to_pylist()


def test_the_latest_run_is_the_one_that_started_last(little: Warehouse) -> None:
    assert query(connect(little), "SELECT run FROM runs_latest")["run"].to_pylist() == ["late"]


def test_task_summary_adds_up_one_task(little: Warehouse) -> None:
    (task,) = query(connect(little), "FROM task_summary WHERE run = 'late' AND task = 't2'").to_pylist()
    assert (task["steps"], task["stuck_steps"], task["candidates"], task["duplicates"]) == (2, 1, 6, 1)
    assert (task["rollouts"], task["start_rollouts"], task["failed_rollouts"], task["pairs"]) == (8, 2, 1, 1)
    assert (task["generated_tokens"], task["environment_steps"]) == (6 * 5 + 8 * 10, 28)


def test_tokens_without_rows_of_their_own_are_counted_as_unused(little: Warehouse) -> None:
    (cost,) = query(connect(little), "FROM exploration_cost WHERE run = 'early'").to_pylist()
    assert (cost["generated_tokens"], cost["unused_tokens"]) == (1 * 5 + 1 * 10 + 7, 7)


def test_step_summary_keeps_the_values_of_a_step(little: Warehouse) -> None:
    sql = "FROM step_summary WHERE run = 'late' AND task = 't1' AND step_index = 0"
    (step,) = query(connect(little), sql).to_pylist()
    assert (step["previous"], step["value"], step["highest"], step["lowest"]) == (0.25, 0.75, 0.75, 0.25)
    assert (step["candidates"], step["duplicates"], step["rollouts"], step["third"]) == (3, 1, 4, 1)
    assert (step["rose"], step["stuck"]) == (True, False)


def test_shards_lists_what_is_published(little: Warehouse) -> None:
    sql = "SELECT shard, generation, rows FROM shards WHERE run = 'late' AND shard LIKE 'ex%0%' ORDER BY ALL"
    # Episodes, candidates and rollouts: 2 + 11 + 16 and 1 + 1 + 2.
    assert [tuple(r.values()) for r in query(connect(little), sql).to_pylist()] == [
        ("explore-1-000", 1, 29),
        ("explore-1-001", 1, 4),
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELEC 1",
        "SELECT nothing FROM runs",
        "SELECT 1; SELECT 2",
        "",
        "COPY (SELECT 1) TO 'stolen.csv'",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW runs",
        "SET enable_external_access = true",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/hostname'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'stolen.csv'",
        "SELECT CAST(run AS INTEGER) FROM runs",
    ],
)
def test_bad_or_forbidden_sql_is_a_user_error(
    little: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^SQL: "):
        query(connect(little), sql)
    assert list(tmp_path.iterdir()) == []


def test_no_sql_overwrites_a_part(tmp_path: Path) -> None:
    warehouse = build(tmp_path)
    part = next((tmp_path / "runs" / "late").rglob("*.parquet"))
    before = part.read_bytes()
    with pytest.raises(UserError):
        query(connect(warehouse), f"COPY (SELECT 1) TO '{part}' (FORMAT parquet, USE_TMP_FILE false)")
    assert part.read_bytes() == before


def test_duckdbs_own_message_reaches_the_user(little: Warehouse) -> None:
    with pytest.raises(UserError, match=r"Candidate bindings: .*run"):
        query(connect(little), "SELECT rum FROM runs")


def test_a_question_may_pivot(little: Warehouse) -> None:
    assert query(connect(little), "PIVOT (FROM stages) ON stage USING sum(seconds)").num_rows > 0


@pytest.mark.parametrize("folder", ["plain", "it's here", "run=7"])
def test_rebuilt_file_answers_in_any_client(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = rebuild(build(Path(folder)))
    monkeypatch.chdir("/")
    with duckdb.connect(path, read_only=True) as client:
        assert client.execute("SELECT count(*) FROM candidates WHERE run = 'late'").fetchall() == [(12,)]
        assert client.execute("SELECT pairs FROM cost_per_pair WHERE run = 'late'").fetchall() == [(2,)]
        assert client.execute("SELECT round(wilson_low(2, 3), 3)").fetchall() == [(0.208,)]
    assert sorted(p.name for p in path.parent.iterdir()) == ["analytics.duckdb", "runs"]


def test_rebuilding_shows_new_shards_and_keeps_the_file_one_reader_has_open(tmp_path: Path) -> None:
    warehouse = build(tmp_path)
    with duckdb.connect(rebuild(warehouse), read_only=True):
        stage = row("stages", run="new", stage="sft", seconds=1.0)
        warehouse.publish("new", "run", {"stages": table("stages", [stage])})
        rebuild(warehouse)
    with duckdb.connect(warehouse.analytics_path, read_only=True) as client:
        assert client.execute("SELECT seconds FROM stages WHERE run = 'new'").fetchall() == [(1.0,)]


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 10), (250, 500), (7, 7)])
def test_wilson_macros_agree_with_scipy(little: Warehouse, k: int, n: int) -> None:
    low, high = binomtest(k, n).proportion_ci(method="wilson")
    (got,) = query(
        connect(little), f"SELECT wilson_low({k}, {n}) AS low, wilson_high({k}, {n}) AS high"
    ).to_pylist()
    assert (got["low"], got["high"]) == pytest.approx((low, high), abs=1e-7)


def test_wilson_macros_know_nothing_of_no_trials(little: Warehouse) -> None:
    (row_,) = query(connect(little), "SELECT wilson_low(0, 0) AS low, wilson_high(0, 0) AS high").to_pylist()
    assert row_ == {"low": None, "high": None}
