"""Makes the shipped databases and questions from a seed.

    python -m rro.tasks.environments.intercode_sql.generate --seed 0 --out data/intercode_sql

Forty-three invented databases, thirty to train on; of each, `QUESTIONS` questions, two of three about one table.
Every gold query is run: a question is kept if its answer is not empty, and, where it asks for an order, if no
tie leaves the order open.
"""

import argparse
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from rro.tasks.environments.intercode_sql.generate.contents import Table, describe, make_tables, sql_text
from rro.tasks.environments.intercode_sql.generate.joins import ABOUT_TWO, Link
from rro.tasks.environments.intercode_sql.generate.lexicon import DOMAINS, Domain
from rro.tasks.environments.intercode_sql.generate.query import Query, hardness
from rro.tasks.environments.intercode_sql.generate.questions import ABOUT_ONE, Asked

QUESTIONS = 140
"""Questions a database."""
ABOUT_ONE_TABLE = 0.66
MOST_ROWS = 200

_WORD = re.compile(r"[A-Za-z_]+")

Row = dict[str, Any]


def generate(seed: int) -> dict[str, str]:
    """File name to text of the whole folder; the same for the same seed."""
    random = Random(seed)
    files: dict[str, str] = {}
    schema: dict[str, dict[str, Any]] = {}
    tasks: list[Row] = []
    taken: set[str] = set()
    words: set[str] = set()
    for domain in sorted(DOMAINS, key=lambda domain: domain.split != "train"):
        tables = make_tables(domain, random)
        schema[domain.name] = {name: describe(table) for name, table in tables.items()}
        files[f"databases/{domain.name}.sql"] = sql_text(tables)
        tasks += _tasks(domain, tables, taken, words, random)
    # Shuffled, so that any first part of a split is a fair sample.
    random.shuffle(tasks)
    rows = [{"id": f"made-{number:04d}", **task} for number, task in enumerate(tasks)]
    files["tasks.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    files["schema.json"] = _json(schema)
    files["about.json"] = _json(_about(seed, rows))
    return files


def _tasks(
    domain: Domain, tables: dict[str, Table], taken: set[str], words: set[str], random: Random
) -> Iterator[Row]:
    """The questions about one database.

    No text in `taken` is used again. `words` are those of the databases to train on: questions about a held-out
    one use no other, so that a tokenizer that has read the one has read the other.
    """
    links = [
        Link(child, column, tables[parent])
        for child in tables.values()
        for column, parent in child.parents.items()
    ]
    connection = sqlite3.connect(":memory:")
    connection.executescript(sql_text(tables).replace("`", '"'))
    found = 0
    while found < QUESTIONS:
        question, query = _ask(list(tables.values()), links, random)
        used = set(_WORD.findall(f"{question} {query}"))
        unknown = domain.split != "train" and not used <= words
        if question in taken or unknown or not _is_settled(connection, query):
            continue
        taken.add(question)
        if domain.split == "train":
            words |= used
        found += 1
        yield {
            "db": domain.name,
            "question": question,
            "gold": str(query),
            "hardness": hardness(query),
            "split": domain.split,
        }
    connection.close()


def _ask(tables: list[Table], links: list[Link], random: Random) -> Asked:
    if random.random() < ABOUT_ONE_TABLE:
        template = random.choices(list(ABOUT_ONE), weights=list(ABOUT_ONE.values()))[0]
        return template(random.choice(tables), random)
    joined = random.choices(list(ABOUT_TWO), weights=list(ABOUT_TWO.values()))[0]
    return joined(random.choice(links), random)


def _is_settled(connection: sqlite3.Connection, query: Query) -> bool:
    """Whether the answer has rows, not too many, and an order that does not depend on the engine."""
    rows = connection.execute(str(query)).fetchall()
    if not 0 < len(rows) <= MOST_ROWS or all(value is None for row in rows for value in row):
        return False
    return query.order is None or _without_ties(connection, query)


def _without_ties(connection: sqlite3.Connection, query: Query) -> bool:
    """No two rows, of those that are shown and the next one, are equal in what they are ordered by."""
    unlimited = str(query).partition(" LIMIT ")[0]
    keyed = unlimited.replace("SELECT ", f"SELECT {query.order}, ", 1)
    keys = [row[0] for row in connection.execute(keyed)]
    shown = keys if query.limit is None else keys[: query.limit + 1]
    return len(set(shown)) == len(shown)


def _about(seed: int, rows: list[Row]) -> dict[str, Any]:
    return {
        "made_by": f"python -m rro.tasks.environments.intercode_sql.generate --seed {seed}",
        "made_from": "invented words; nothing of Spider",
        "seed": seed,
        "databases": {
            split: sum(d.split == split for d in DOMAINS) for split in ("train", "validation", "test")
        },
        "tasks": dict(Counter(row["split"] for row in rows)),
        "hardness": dict(Counter(row["hardness"] for row in rows)),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def main() -> None:
    """Write the folder's files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the files into")
    arguments = parser.parse_args()
    for name, text in generate(arguments.seed).items():
        path = arguments.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
