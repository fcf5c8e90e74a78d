"""`prepare`: what becomes of a MySQL dump, of SpiderMan's files and of recorded runs."""

import csv
import gzip
import json
import tarfile
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.environments.intercode_sql.data import SPLITS, SqlData
from rro.tasks.environments.intercode_sql.database import Limits
from rro.tasks.environments.intercode_sql.dump import read_dump
from rro.tasks.environments.intercode_sql.prepare import Sources, prepare, split_databases, statement_of
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from rro.tasks.errors import UserError

DUMP = r"""
CREATE USER 'admin'@'%' IDENTIFIED BY 'admin';
CREATE DATABASE IF NOT EXISTS `Fleet` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;
USE `Fleet`;
-- MySQL dump
/*!40101 SET NAMES utf8 */;
DROP TABLE IF EXISTS `Ships`;
CREATE TABLE `Ships` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `Name` text COLLATE utf8mb4_general_ci,
  `Class` varchar(20) COLLATE utf8mb4_general_ci DEFAULT 'A''1',
  `Tons` decimal(10,2) DEFAULT NULL,
  `Speed` double NOT NULL DEFAULT '0',
  `Port_ID` int DEFAULT NULL,
  `Launched` datetime DEFAULT NULL,
  `Seen` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`ID`),
  UNIQUE KEY `u` (`Class`),
  KEY `ships_fk` (`Port_ID`),
  CONSTRAINT `ships_fk` FOREIGN KEY (`Port_ID`) REFERENCES `Ports` (`ID`)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4;
LOCK TABLES `Ships` WRITE;
INSERT INTO `Ships` VALUES (2,'O\'Hara; DROP',NULL,-12.50,7,1,'1999-04-01 00:00:00','2020-01-01 00:00:00'),
(1,'two\nlines','B',NULL,1.5,2,NULL,'2020-01-01 00:00:01');
UNLOCK TABLES;
CREATE TABLE `Ports` (`ID` int NOT NULL, `Name` char(3) NOT NULL, PRIMARY KEY (`ID`, `Name`));
INSERT INTO `Ports` VALUES (1,'Kie'),(2,'Vig');
CREATE DATABASE `Empty`;
USE `Empty`;
CREATE TABLE `nothing` (`x` float(4,1) DEFAULT NULL);
"""
TASKS = [
    {
        "db": "Fleet",
        "query": "Which ships?",
        "gold": "SELECT Name FROM SHIPS",
        "hardness": "easy",
        "db_tables": {},
    },
    {"db": "Fleet", "query": "How many?", "gold": "SELECT COUNT(*) FROM ships", "hardness": "easy"},
    {"db": "Empty", "query": "What is nothing?", "gold": "SELECT x FROM nothing", "hardness": "hard"},
]
DESCRIBED = [
    ("ID", "int", "NO", "PRI", None, "auto_increment"),
    ("Name", "text", "YES", "", None, ""),
    ("Class", "varchar(20)", "YES", "UNI", "A'1", ""),
    ("Tons", "decimal(10,2)", "YES", "", None, ""),
    ("Speed", "double", "NO", "", "0", ""),
    ("Port_ID", "int", "YES", "MUL", None, ""),
    ("Launched", "datetime", "YES", "", None, ""),
    ("Seen", "timestamp", "NO", "", "CURRENT_TIMESTAMP", "DEFAULT_GENERATED"),
]
SCHEMA_SQL = """-- Dialect: mysql | Database: garden
CREATE TABLE `garden`.`Beds` (
    `id` INTEGER,
    `name` TEXT NOT NULL,
    `area` NUMERIC,
    `dug` DATE,
    `open` BOOLEAN,
    `code` CHAR (3),
    PRIMARY KEY (`id`)
);
CREATE TABLE `garden`.`Plants` (
    `bed_id` INTEGER,
    `latin` VARCHAR(20),
    FOREIGN KEY (`bed_id`) REFERENCES `garden`.`Beds` (`id`)
);
CREATE TABLE `garden`.`Lost` (`id` INT);
"""
BEDS = [
    ["id", "name", "area", "dug", "open", "code"],
    ["2.0", "NULL?", "1.5", "2020/1/2", "1", "x,y"],
    ["1", "a\nb", "NULL", "NULL", "0", ""],
]
PLANTS = [["bed_id", "latin"], ["1", "Rosa 'Alba'"], ["2", "back\\slash"]]
QUERIES = [
    ["database", "question", "sql"],
    ["garden", "How many beds?", "SELECT COUNT(*) FROM `Beds`"],
    ["garden", "How many beds?", "SELECT COUNT(*) FROM `Beds` AS b"],
    ["garden", "How many?", "SELECT 1"],
    ["garden", "What is lost?", "SELECT * FROM `Lost`"],
    ["garden", "Which plants?", "SELECT `latin` FROM `Plants`"],
    ["fleet", "Which test data?", "SELECT 1"],
]


def table(rows: list[list[str]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def write(folder: Path, spiderman: bool = False, recorded: dict[str, Any] | None = None) -> Sources:
    """Source files in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "dev.json").write_text(json.dumps(TASKS))
    (folder / "dump.sql.gz").write_bytes(gzip.compress(DUMP.encode(), mtime=0))
    if spiderman:
        data = folder / "spiderman" / "databases" / "garden" / "data"
        data.mkdir(parents=True)
        (data.parent / "schema.sql").write_text(SCHEMA_SQL)
        (data / "Beds.csv").write_text(table(BEDS), newline="")
        (data / "Plants.csv").write_text(table(PLANTS), newline="")
        (folder / "spiderman" / "train_queries.csv").write_text(table(QUERIES), newline="")
    if recorded is not None:
        (folder / "runs.json").write_text(json.dumps(recorded))
    runs = [folder / "runs.json"] if recorded is not None else []
    return Sources(
        folder / "dev.json", folder / "dump.sql.gz", folder / "spiderman" if spiderman else None, runs
    )


@pytest.fixture(scope="module")
def spider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("import")
    prepare(write(folder / "in", spiderman=True), folder / "out")
    return folder / "out"


def test_descriptions_are_what_mysql_8_would_print(spider: Path) -> None:
    assert list(SqlData(spider).schema["fleet"]["ships"]) == DESCRIBED


def test_rows_come_through_with_quotes_newlines_and_numbers(spider: Path) -> None:
    database = SqliteDatabase(SqlData(spider), Limits())
    assert database.run("fleet", "SELECT * FROM ships").rows == (
        "(1, 'two\\nlines', 'B', None, 1.5, 2, None, datetime.datetime(2020, 1, 1, 0, 0, 1))",
        '(2, "O\'Hara; DROP", None, -12.5, 7.0, 1, datetime.datetime(1999, 4, 1, 0, 0), '
        "datetime.datetime(2020, 1, 1, 0, 0))",
    )
    assert database.run("garden", "SELECT * FROM beds").rows == (
        "(1, 'a\\nb', None, None, 0, '')",
        "(2, 'NULL?', 1.5, datetime.date(2020, 1, 2), 1, 'x,y')",
    )
    assert database.run("garden", "SELECT latin FROM plants").rows == (
        "(\"Rosa 'Alba'\",)",
        "('back\\\\slash',)",
    )
    database.close()


def test_spidermans_queries_are_for_training_and_those_that_repeat_or_fail_are_counted(spider: Path) -> None:
    data = SqlData(spider)
    about = json.loads((spider / "about.json").read_text())
    assert {task.id: task.split for task in data.tasks if task.db == "garden"} == {
        "spiderman-0": "train",
        "spiderman-4": "train",
    }
    assert about["dropped"] == {
        "training tasks whose question was asked before": 2,
        "training tasks on a database held out": 1,
        "training tasks whose gold query fails": 1,
    }
    assert "lost" not in data.schema["garden"]


def test_a_tar_file_is_read_as_its_folder(spider: Path, tmp_path: Path) -> None:
    sources = write(tmp_path / "in", spiderman=True)
    assert sources.spiderman is not None
    with tarfile.open(tmp_path / "spiderman.tar.xz", "w:xz") as archive:
        archive.add(sources.spiderman, "spiderman")
    prepare(Sources(sources.tasks, sources.dump, tmp_path / "spiderman.tar.xz"), tmp_path / "out")
    assert SqlData(tmp_path / "out").digest == SqlData(spider).digest


def test_the_same_sources_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        prepare(write(tmp_path / "in"), tmp_path / name, seed=3)
    files = [
        sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*")) for name in "ab"
    ]
    assert files[0] == files[1]
    assert all(
        (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        for file in files[0]
        if file.suffix
    )


@pytest.mark.parametrize("train", [True, False])
def test_splits_are_by_database_and_drawn_from_the_seed(train: bool) -> None:
    databases = [f"db{number}" for number in range(20)]
    splits = [split_databases(databases, seed, train) for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]
    assert set(splits[0]) == set(databases)
    counts = {split: list(splits[0].values()).count(split) for split in SPLITS}
    assert counts == (
        {"train": 10, "validation": 4, "test": 6} if train else {"train": 0, "validation": 8, "test": 12}
    )


def run(question: str, actions: list[str], rewards: list[float]) -> dict[str, Any]:
    return {"query": question, "turn_history": {"actions": actions, "rewards": rewards}}


def test_recorded_runs_that_succeed_here_too_are_demonstrations(tmp_path: Path) -> None:
    recorded = {
        "0": run(
            "Which ships?", ["execute[SHOW TABLES]", "execute[SELECT Name FROM Ships]", "submit"], [0, 0, 1]
        ),
        "1": run("How many?", ["SELECT 7", "SELECT 2", "SELECT 3"], [0, 1.0, 0]),
        "2": run("What is nothing?", ["SELECT 'x'"], [1]),
        "3": run("Unknown?", ["SELECT 1"], [1]),
        "4": run("Which ships?", ["SELECT 1"], [0.5]),
    }
    about = prepare(write(tmp_path / "in", recorded=recorded), tmp_path / "out")
    blocks = {
        "intercode-0": ("```sql\nSHOW TABLES\n```", "```sql\nSELECT Name FROM Ships\n```", "submit"),
        "intercode-1": ("```sql\nSELECT 7\n```", "```sql\nSELECT 2\n```", "submit"),
    }
    assert SqlData(tmp_path / "out").demonstrations == blocks
    assert about["demonstrations"] == 2
    assert about["dropped"] == {"recorded runs that earn less here": 1}


@pytest.mark.parametrize(
    ("action", "statement"),
    [
        ("execute[SELECT 1]", "SELECT 1"),
        ("execute[SELECT 1]\nObservation 5", "SELECT 1"),
        ("execute[SELECT a\nFROM t]", "SELECT a\nFROM t"),
        ("SELECT 1;", "SELECT 1;"),
        ("execute[SELECT 1", None),
        ("submit", None),
        ("I think so", None),
    ],
)
def test_statements_of_recorded_actions(action: str, statement: str | None) -> None:
    assert statement_of(action) == statement


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.tasks.write_text("[]"), "a list of objects with db, gold, hardness, query is needed"),
        (lambda s: s.tasks.write_text("{"), "dev.json: not JSON"),
        (lambda s: s.tasks.write_text(json.dumps([{**TASKS[0], "db": "other"}])), "no database 'other'"),
        (lambda s: s.tasks.unlink(), "dev.json: no such file"),
        (lambda s: s.dump.write_text("CREATE TABLE `x` ('"), "the SQL cannot be read"),
    ],
)
def test_sources_that_cannot_be_used_are_named(tmp_path: Path, change: Any, words: str) -> None:
    sources = write(tmp_path / "in")
    change(sources)
    with pytest.raises(UserError) as refused:
        prepare(sources, tmp_path / "out")
    assert words in str(refused.value)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(UserError, match="the folder is not empty; name another one"):
        prepare(write(tmp_path / "in"), tmp_path / "out")


def test_what_is_no_spiderman_is_refused(tmp_path: Path) -> None:
    sources = write(tmp_path / "in")
    with pytest.raises(UserError, match="neither a folder nor a tar file"):
        prepare(Sources(sources.tasks, sources.dump, sources.tasks), tmp_path / "out")
    with pytest.raises(UserError, match=r"no train_queries\.csv in it"):
        prepare(Sources(sources.tasks, sources.dump, tmp_path / "in"), tmp_path / "out")


def test_a_dump_without_use_puts_tables_where_their_names_say() -> None:
    assert [table.name for table in read_dump(SCHEMA_SQL)["garden"]] == ["Beds", "Plants", "Lost"]
