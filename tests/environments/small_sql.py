"""A database of two tables that can be worked out by hand, as a prepared folder."""

import json
from pathlib import Path
from typing import Any

DB = "harbor"
SCRIPT = """
CREATE TABLE `boats` (
  `id` int AUTO_INCREMENT NOT NULL,
  `name` varchar(40),
  `home` text,
  `length` double,
  `built` date,
  `code` varchar(10),
  PRIMARY KEY (`id`)
);
INSERT INTO `boats` VALUES
(1, 'Ardo', 'Kiel', 7.5, '1999-04-01', '12'),
(2, 'bella', 'Vigo ', 12.0, '2004-10-31', '9'),
(3, 'Cosmo', 'kiel', 7.5, NULL, '110'),
(4, 'D''Arc', 'Málaga', 30.25, '2010-01-15', NULL);
CREATE TABLE `trips` (
  `boat_id` int NOT NULL,
  `day` datetime NOT NULL,
  `guests` int,
  `fare` decimal(8,2),
  PRIMARY KEY (`boat_id`, `day`)
);
INSERT INTO `trips` VALUES
(1, '2020-05-01 08:00:00', 4, 10.5),
(1, '2020-05-02 08:00:00', 0, 0),
(2, '2020-05-01 09:30:00', 11, 99.99),
(3, '2021-12-31 23:59:59', NULL, 5);
"""
SCHEMA = {
    DB: {
        "boats": [
            ["id", "int", "NO", "PRI", None, "auto_increment"],
            ["name", "varchar(40)", "YES", "", None, ""],
            ["home", "text", "YES", "", None, ""],
            ["length", "double", "YES", "", None, ""],
            ["built", "date", "YES", "", None, ""],
            ["code", "varchar(10)", "YES", "", None, ""],
        ],
        "trips": [
            ["boat_id", "int", "NO", "PRI", None, ""],
            ["day", "datetime", "NO", "PRI", None, ""],
            ["guests", "int", "YES", "", None, ""],
            ["fare", "decimal(8,2)", "YES", "", None, ""],
        ],
    },
    "museum": {"rooms": [["id", "int", "NO", "PRI", None, ""], ["title", "text", "YES", "", None, ""]]},
}
MUSEUM = """
CREATE TABLE `rooms` (`id` int NOT NULL, `title` text, PRIMARY KEY (`id`));
INSERT INTO `rooms` VALUES (1, 'Secret');
"""


def task(number: int, question: str, gold: str, db: str = DB, split: str = "test") -> dict[str, Any]:
    """A row of tasks.jsonl."""
    names = {"id": f"t{number}", "db": db, "question": question, "gold": gold}
    return {**names, "hardness": "easy", "split": split}


TASKS = [
    task(1, "How many boats are there?", "SELECT COUNT(*) FROM boats"),
    task(
        2, "Name the first three boats.", 'SELECT name FROM boats WHERE home != "malaga" ORDER BY length, id'
    ),
    task(3, "Which boats are at home in Kiel?", "SELECT name FROM boats WHERE home = 'KIEL'"),
    task(4, "Which room is first?", "SELECT title FROM rooms WHERE id = 1", db="museum", split="train"),
    task(5, "Which boats have sunk?", "SELECT name FROM boats WHERE length < 0"),
    task(6, "What does nobody know?", "SELECT nothing FROM boats"),
]


def write_folder(folder: Path, tasks: list[dict[str, Any]] | None = None) -> Path:
    """Make the folder; returns it."""
    (folder / "databases").mkdir(parents=True)
    (folder / "databases" / f"{DB}.sql").write_text(SCRIPT, encoding="utf-8")
    (folder / "databases" / "museum.sql").write_text(MUSEUM, encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    rows = "".join(json.dumps(row) + "\n" for row in (TASKS if tasks is None else tasks))
    (folder / "tasks.jsonl").write_text(rows, encoding="utf-8")
    return folder
