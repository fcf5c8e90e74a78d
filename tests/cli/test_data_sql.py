"""`rro data import intercode-sql`, `rro data check` and `rro verify intercode-sql` on small files."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Rro
from tests.environments.small_sql import write_folder
from tests.environments.test_sql_import import write

REWARDS: list[dict[str, Any]] = [
    {"task": "t1", "agent_rows": ["(4,)"], "gold_rows": ["(4,)"], "agent_sql": "SELECT 4", "reward": 1.0},
    {"task": "t1", "agent_rows": None, "agent_sql": "USE harbor", "reward": 0.0},
    {"task": "t2", "agent_rows": ["('bella',)"], "agent_sql": "SELECT 'bella'", "reward": 1 / 3},
]
ANSWERS: list[dict[str, Any]] = [
    {"task": "t1", "ok": True, "rows": ["(Decimal('4.0000'),)"]},
    {"task": "t3", "ok": True, "rows": ["('Cosmo',)", "('Ardo',)"]},
    {"task": "t6", "ok": False, "rows": []},
]


def recording(folder: Path, name: str, rows: list[dict[str, Any]]) -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(write_folder(tmp_path / "data"))


def test_an_import_says_what_it_made_and_a_check_finds_it_whole(rro: Rro, tmp_path: Path) -> None:
    sources = write(tmp_path / "in", spiderman=True, recorded={})
    words = [
        "--tasks",
        str(sources.tasks),
        "--dump",
        str(sources.dump),
        "--spiderman",
        str(sources.spiderman),
    ]
    out = str(tmp_path / "out")
    made = rro(
        "data", "import", "intercode-sql", *words, "--recorded", str(sources.recorded[0]), "--out", out
    )
    lines = [" ".join(line.split()) for line in made.out.splitlines()]
    assert made.code == 0
    assert "tasks: train 2" in lines
    assert "dropped: training tasks whose gold query fails 1" in lines
    assert lines[-1] == f"{out}: prepared"
    checked = rro("data", "check", out)
    lines = [" ".join(line.split()) for line in checked.out.splitlines()]
    assert checked.code == 0
    assert "databases 3 (1 train, 1 validation, 1 test)" in lines
    assert "rows 8" in lines
    assert lines[-1] == f"{out}: whole"


def test_a_check_names_what_is_damaged(rro: Rro, tmp_path: Path) -> None:
    sources = write(tmp_path / "in")
    out = tmp_path / "out"
    assert (
        rro(
            "data",
            "import",
            "intercode-sql",
            "--tasks",
            str(sources.tasks),
            "--dump",
            str(sources.dump),
            "--out",
            str(out),
        ).code
        == 0
    )
    (out / "demonstrations.jsonl.gz").unlink()
    (out / "databases" / "empty.sql.gz").rename(out / "databases" / "empty.sql")
    checked = rro("data", "check", str(out))
    assert checked.code == 1
    assert "problem: demonstrations.jsonl.gz: missing" in checked.out
    assert "problem: databases/empty.sql.gz: missing" in checked.out


def test_a_check_names_gold_queries_that_fail_and_tables_that_differ(rro: Rro, folder: str) -> None:
    schema = json.loads((Path(folder) / "schema.json").read_text())
    schema["museum"]["rooms"].append(["floor", "int", "YES", "", None, ""])
    (Path(folder) / "schema.json").write_text(json.dumps(schema))
    checked = rro("data", "check", folder)
    assert checked.code == 1
    assert "problem: task t6, database harbor: Unknown column 'nothing' in 'field list'" in checked.out
    assert "problem: database museum: Unknown column 'floor' in 'field list'" in checked.out
    assert "not whole, 2 problems" in checked.out


def test_recordings_that_agree_pass(rro: Rro, folder: str, tmp_path: Path) -> None:
    rewards, answers = recording(tmp_path, "rewards", REWARDS), recording(tmp_path, "gold", ANSWERS)
    ended = rro(
        "verify",
        "intercode-sql",
        "--data",
        folder,
        "--rewards",
        rewards,
        "--answers",
        answers,
        "--episodes",
        rewards,
    )
    assert ended.out.splitlines() == [
        "rewards: 3 passed, 0 failed",
        "answers: 2 passed, 0 failed",
        "episodes: 3 passed, 0 failed",
    ]
    assert ended.code == 0


def test_recordings_that_differ_are_told_in_full_and_end_with_1(
    rro: Rro, folder: str, tmp_path: Path
) -> None:
    wrong = [{**REWARDS[0], "reward": 0.5}, *REWARDS[1:]]
    answers = [{**ANSWERS[1], "rows": ["('Ardo',)", "('Bella',)"]}]
    ended = rro(
        "verify",
        "intercode-sql",
        "--data",
        folder,
        "--rewards",
        recording(tmp_path, "rewards", wrong),
        "--answers",
        recording(tmp_path, "answers", answers),
    )
    assert ended.code == 1
    assert (
        "rewards: line 1, task t1: How many boats are there?\nreward: ours 1.0, recorded 0.5\n" in ended.out
    )
    assert "only ours: ('Cosmo',)\nonly recorded: ('Bella',)" in ended.out
    assert ended.out.splitlines()[-2:] == ["rewards: 2 passed, 1 failed", "answers: 0 passed, 1 failed"]


def test_recorded_answers_beside_the_rewards_are_found(rro: Rro, folder: str, tmp_path: Path) -> None:
    rows = [{"task": "t2", "agent_rows": ["('x',)"], "reward": 1.0}]
    recording(tmp_path, "my_gold_results", [{"task": "t2", "ok": True, "rows": ["('x',)"]}])
    ended = rro(
        "verify", "intercode-sql", "--data", folder, "--rewards", recording(tmp_path, "rewards", rows)
    )
    assert ended.out == "rewards: 1 passed, 0 failed\n"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"task": "t99", "reward": 1}], "the recording is about task 't99', which the data does not have"),
        ([{"i": 3, "reward": 1}], "the recording is about task 'intercode-3'"),
        ([{"task": "t1", "agent_rows": []}], "a line of the recording has no 'reward'"),
    ],
)
def test_recordings_of_something_else_are_refused(
    rro: Rro, folder: str, tmp_path: Path, rows: list[dict[str, Any]], words: str
) -> None:
    ended = rro(
        "verify", "intercode-sql", "--data", folder, "--rewards", recording(tmp_path, "rewards", rows)
    )
    assert ended.code == 2
    assert words in ended.err


def test_a_recording_must_be_named(rro: Rro, folder: str) -> None:
    ended = rro("verify", "intercode-sql", "--data", folder)
    assert ended.code == 2
    assert "no recording to replay; name one: --rewards FILE, --answers FILE, --episodes FILE" in ended.err


def test_intercodes_own_files_with_recorded_rewards_beside_them_are_enough(rro: Rro, tmp_path: Path) -> None:
    sources = write(tmp_path / "in")
    for path, name in ((sources.tasks, "ic_spider_dev.json"), (sources.dump, "ic_spider_dbs.sql")):
        path.rename(path.with_name(name + "".join(path.suffixes[-1:] if path.suffix == ".gz" else [])))
    recording(tmp_path / "in", "recorded_rewards", [{"i": 0, "agent_rows": None, "reward": 0.0}])
    ended = rro("verify", "intercode-sql", "--data", str(tmp_path / "in"))
    assert (ended.code, ended.out) == (0, "rewards: 1 passed, 0 failed\n")
