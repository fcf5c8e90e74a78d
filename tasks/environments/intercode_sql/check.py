"""What a prepared folder holds, and everything that is wrong with it: the InterCode-SQL half of `rro data check`."""

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from rro.tasks import progress
from rro.tasks.environments.inspection import Inspection
from rro.tasks.environments.intercode_sql.data import SPLITS, SqlData
from rro.tasks.environments.intercode_sql.database import Limits
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from rro.tasks.errors import UserError
from rro.tasks.files import file_digest

REPORTED = 100


def inspect(folder: Path) -> Inspection:
    """Load every database, run every gold query, compare every file with what the import noted."""
    found = Inspection({"environment": "intercode_sql"})
    try:
        _about(folder, found)
        data = SqlData.load(str(folder))
    except (UserError, ValueError, KeyError, TypeError, OSError) as error:
        found.problems.append(str(error) if isinstance(error, UserError) else f"damaged: {error!r}")
        return found
    _count(data, found)
    with closing(SqliteDatabase(data, Limits())) as database:
        _ask(data, database, found)
    return found


def _about(folder: Path, found: Inspection) -> None:
    path = folder / "about.json"
    if not path.is_file():
        return
    about = json.loads(path.read_bytes())
    for source in about.get("sources", []):
        found.facts[f"from {source['name']}"] = f"sha256 {source['sha256']}"
    if "seed" in about:
        found.facts["seed"] = str(about["seed"])
    for name, digest in about.get("files", {}).items():
        if not (folder / name).is_file():
            found.problems.append(f"{name}: missing")
        elif file_digest(folder / name) != digest:
            found.problems.append(f"{name}: not as the import wrote it")


def _count(data: SqlData, found: Inspection) -> None:
    facts = found.facts
    facts["databases"] = f"{len(data.schema):,} ({_split({(task.db, task.split) for task in data.tasks})})"
    facts["tables"] = f"{sum(map(len, data.schema.values())):,}"
    facts["tasks"] = f"{len(data.tasks):,} ({_split((task.id, task.split) for task in data.tasks)})"
    hardness = Counter(task.hardness for task in data.tasks)
    facts["hardness"] = ", ".join(f"{count:,} {name}" for name, count in hardness.most_common())
    facts["demonstrations"] = f"{len(data.demonstrations):,}"
    names = {task.id for task in data.tasks}
    found.problems += [
        f"demonstrations: no task {name!r}" for name in data.demonstrations if name not in names
    ]


def _split(pairs: Iterable[tuple[str, str]]) -> str:
    counts = Counter(split for _, split in pairs)
    return ", ".join(f"{counts[split]:,} {split}" for split in SPLITS)


def _ask(data: SqlData, database: SqliteDatabase, found: Inspection) -> None:
    """Run all gold queries, and compare the tables that SQLite made with those that DESC tells of."""
    rows = 0
    broken: set[str] = set()
    for db, schema in data.schema.items():
        for table, columns in schema.items():
            names = ", ".join(f"`{column[0]}`" for column in columns)
            answer = _run(
                database, db, f"SELECT COUNT(*) FROM (SELECT {names} FROM `{table}`) q", found, broken
            )
            rows += int(answer[1:-2]) if answer else 0
    for number, task in enumerate(data.tasks, start=1):
        _run(database, task.db, task.gold, found, broken, f"task {task.id}, ")
        if number % REPORTED == 0 or number == len(data.tasks):
            done = number == len(data.tasks)
            progress.report(
                progress.Progress("gold queries", 0, number, len(data.tasks), "queries", finished=done)
            )
    found.facts["rows"] = f"{rows:,}"


def _run(
    database: SqliteDatabase, db: str, statement: str, found: Inspection, broken: set[str], what: str = ""
) -> str | None:
    """The first row; a problem and None where there is an error, told once for a database that cannot load."""
    if db in broken:
        return None
    try:
        answer = database.run(db, statement)
    except UserError as error:
        broken.add(db)
        found.problems.append(str(error))
        return None
    if answer.error is not None:
        found.problems.append(f"{what}database {db}: {answer.error}")
    return answer.rows[0] if answer.rows else None
