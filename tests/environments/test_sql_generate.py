"""The shipped databases of InterCode-SQL: made from a seed, whole, varied, and fair to learn from."""

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.environments.intercode_sql.generate.__main__ import generate
from rro.tasks.environments.intercode_sql.generate.lexicon import DOMAINS, KINDS
from rro.tasks.environments.intercode_sql.generate.query import HARDNESS, Condition, Item, Query, hardness

SHIPPED = Path(__file__).parents[2] / "data" / "intercode_sql"
ALL, AGE = Item("*", "COUNT"), Item("age")
RED, OLD = Condition(Item("color"), "=", "'red'"), Condition(AGE, ">", "40")
LIKE = Condition(Item("name"), "LIKE", "'M%'")
MEAN = Condition(AGE, ">", Query((Item("age", "AVG"),), "boats"))
JOIN = ("harbors AS T2", "T1.harbor_id = T2.id")


@cache
def tasks() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SHIPPED / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def connections() -> Iterator[dict[str, sqlite3.Connection]]:
    opened = {path.stem: sqlite3.connect(":memory:") for path in sorted((SHIPPED / "databases").iterdir())}
    for name, connection in opened.items():
        connection.executescript((SHIPPED / "databases" / f"{name}.sql").read_text(encoding="utf-8"))
    yield opened
    for connection in opened.values():
        connection.close()


def test_the_shipped_files_are_what_seed_0_makes() -> None:
    shipped = {str(path.relative_to(SHIPPED)): path for path in SHIPPED.rglob("*") if path.is_file()}
    made = generate(0)
    assert set(shipped) == set(made)
    assert [name for name, text in made.items() if shipped[name].read_bytes() != text.encode()] == []


def test_another_seed_makes_other_questions() -> None:
    assert generate(1)["tasks.jsonl"] != generate(0)["tasks.jsonl"]


def test_every_gold_query_runs_and_finds_something(connections: dict[str, sqlite3.Connection]) -> None:
    empty = [t["id"] for t in tasks() if not connections[t["db"]].execute(t["gold"]).fetchall()]
    assert empty == []


def test_an_order_does_not_depend_on_how_rows_lie(connections: dict[str, sqlite3.Connection]) -> None:
    """With the rows turned round, every answer that has an order is the same."""
    for name, connection in connections.items():
        for task in tasks():
            if task["db"] == name and " ORDER BY " in task["gold"]:
                before = connection.execute(task["gold"]).fetchall()
                connection.execute("PRAGMA reverse_unordered_selects = 1")
                assert connection.execute(task["gold"]).fetchall() == before, task
                connection.execute("PRAGMA reverse_unordered_selects = 0")


def test_foreign_keys_hold(connections: dict[str, sqlite3.Connection]) -> None:
    for name, connection in connections.items():
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == [], name
        assert any(
            "REFERENCES" in row[0]
            for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        )


def test_databases_have_three_to_six_tables_and_the_schema_describes_them(
    connections: dict[str, sqlite3.Connection],
) -> None:
    schema = json.loads((SHIPPED / "schema.json").read_text(encoding="utf-8"))
    assert set(schema) == set(connections)
    for name, connection in connections.items():
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert 3 <= len(tables) <= 6, name
        assert set(schema[name]) == tables
        for table, columns in schema[name].items():
            found = [(row[1], row[2].lower()) for row in connection.execute(f"PRAGMA table_info({table})")]
            assert [(column[0], column[1]) for column in columns] == found


def test_there_is_enough_of_everything() -> None:
    by_split = {
        split: [t for t in tasks() if t["split"] == split] for split in ("train", "validation", "test")
    }
    assert len(by_split["train"]) >= 3500
    assert len(by_split["test"]) >= 1000
    for split, rows in by_split.items():
        shares = Counter(task["hardness"] for task in rows)
        assert {name: shares[name] / len(rows) > 0.05 for name in HARDNESS} == dict.fromkeys(
            HARDNESS, True
        ), split
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 2_000_000


def test_no_question_is_asked_twice_and_no_database_is_in_two_splits() -> None:
    assert max(Counter(task["question"] for task in tasks()).values()) == 1
    splits = defaultdict(set)
    for task in tasks():
        splits[task["db"]].add(task["split"])
    assert {db: len(found) for db, found in splits.items()} == dict.fromkeys(splits, 1)
    assert len(splits) == len(DOMAINS)


def test_every_word_of_a_held_out_database_stands_in_one_to_train_on() -> None:
    """A tiny model's tokenizer has read it, and the words for tables and columns are not new to the model."""
    words: dict[str, set[str]] = defaultdict(set)
    for task in tasks():
        words[task["split"]] |= set(re.findall(r"[A-Za-z_]+", f"{task['question']} {task['gold']}"))
    assert words["test"] - words["train"] == set()
    assert words["validation"] - words["train"] == set()
    trained = {table for domain in DOMAINS if domain.split == "train" for table, _ in domain.tables}
    assert {table for domain in DOMAINS for table, _ in domain.tables} - trained == set()


def test_every_kind_of_table_is_used() -> None:
    assert set(KINDS) - {table for domain in DOMAINS for table, _ in domain.tables} == set()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query((AGE,), "boats"), "easy"),
        (Query((AGE,), "boats", where=(RED,)), "easy"),
        (Query((Item("age", "MAX"),), "boats", where=(RED,)), "easy"),
        (Query((Item("color"),), "boats", group=("color",), having=(Condition(ALL, ">", "2"),)), "easy"),
        (Query((AGE, Item("color")), "boats", where=(RED,)), "medium"),
        (Query((AGE,), "boats", where=(RED, OLD)), "medium"),
        (Query((AGE,), "boats", where=(RED, OLD), connective="OR"), "medium"),
        (Query((AGE,), "boats", where=(LIKE,)), "medium"),
        (Query((AGE,), "boats", order=AGE, limit=1), "medium"),
        (Query((AGE,), "boats AS T1", joins=(JOIN,), where=(RED,)), "medium"),
        (Query((AGE,), "boats AS T1", joins=(JOIN,), where=(RED,), order=AGE), "hard"),
        (Query((AGE,), "boats", where=(RED,), order=AGE, limit=1), "hard"),
        (Query((AGE,), "boats", where=(LIKE, OLD), connective="OR"), "hard"),
        (Query((AGE,), "boats", where=(MEAN,)), "hard"),
        (Query((AGE,), "boats", union=Query((AGE,), "cars")), "hard"),
        (Query((AGE,), "boats", where=(MEAN, RED)), "extra"),
        (Query((AGE,), "boats AS T1", joins=(JOIN,), where=(RED,), order=AGE, limit=1), "extra"),
        (Query((AGE,), "boats AS T1", joins=(JOIN,), group=("color",), order=ALL, limit=1), "extra"),
    ],
)
def test_hardness_counts_what_spider_counts(query: Query, expected: str) -> None:
    assert hardness(query) == expected, str(query)
