"""Makes a prepared folder (see `data`) from InterCode's files, and from SpiderMan's where they are given.

tasks    princeton-nlp/intercode, data/sql/spider/ic_spider_dev.json
dump     the same, ic_spider_dbs.sql
spider   cloudera/spiderman, training queries and their databases
recorded recorded runs of the same repository (data/results/sql/...), for demonstrations
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from rro.tasks.environments.intercode_sql.actions import SUBMIT, read_action
from rro.tasks.environments.intercode_sql.data import SqlData, SqlTask
from rro.tasks.environments.intercode_sql.database import Database, Limits
from rro.tasks.environments.intercode_sql.dump import read_dump
from rro.tasks.environments.intercode_sql.episode import Rules, SqlEpisode
from rro.tasks.environments.intercode_sql.spiderman import SpiderMan
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from rro.tasks.environments.intercode_sql.tables import Table
from rro.tasks.errors import UserError
from rro.tasks.files import file_digest

FORMAT = 1
"""Of prepared folders."""
TASKS, DUMP = "ic_spider_dev.json", "ic_spider_dbs.sql"
"""InterCode's own files."""
SHARES = {"train": 0.5, "validation": 0.2, "test": 0.3}
"""Databases of each split, where InterCode's are all there is; with SpiderMan to train on, train gets none."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files to read."""

    tasks: Path
    dump: Path
    spiderman: Path | None = None
    recorded: Sequence[Path] = ()

    def __iter__(self) -> Iterator[Path]:
        return (path for path in (self.tasks, self.dump, self.spiderman, *self.recorded) if path is not None)


@dataclass(slots=True)
class Prepared:
    """What is going to be written."""

    tasks: list[SqlTask] = field(default_factory=list)
    databases: dict[str, list[Table]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    """Tasks and runs that were left out, by reason."""


def prepare(sources: Sources, out: Path, seed: int = 0) -> Mapping[str, Any]:
    """Read the sources, write the folder `out`, and return what `about.json` says of it."""
    if out.exists() and any(out.iterdir()):
        raise UserError(f"--out {out}: the folder is not empty; name another one, or empty it")
    prepared = _intercode(sources, seed)
    if sources.spiderman is not None:
        _add_spiderman(prepared, SpiderMan(sources.spiderman))
    _write(prepared, out)
    with closing(SqliteDatabase(SqlData(out), Limits())) as database:
        _drop_failing(prepared, database)
        _write_lines(out / "tasks.jsonl.gz", (asdict(task) for task in prepared.tasks))
        runs = [run for path in sources.recorded for run in read_runs(path)]
        demonstrations = _demonstrations(runs, prepared, database)
    _write_lines(out / "demonstrations.jsonl.gz", demonstrations)
    about = _about(prepared, sources, out, seed, len(demonstrations))
    (out / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return about


@contextmanager
def opened(source: str) -> Iterator[SqlData]:
    """A prepared folder; or one with InterCode's own files, which are prepared for as long as the block runs."""
    folder = Path(source).expanduser()
    own = [sorted(folder.glob(f"{name}*")) for name in (TASKS, DUMP)]
    if list(folder.glob("schema.json*")) or not all(own):
        yield SqlData.load(source)
        return
    with TemporaryDirectory(prefix="rro-intercode-") as made:
        prepare(Sources(own[0][0], own[1][0]), Path(made))
        yield SqlData.load(made)


def _intercode(sources: Sources, seed: int) -> Prepared:
    databases = {db.lower(): tables for db, tables in read_dump(_text(sources.dump)).items()}
    rows = _rows(sources.tasks)
    used = sorted({row["db"].lower() for row in rows})
    missing = [db for db in used if db not in databases]
    if missing:
        raise UserError(
            f"--dump {sources.dump}: no database {missing[0]!r}, which {sources.tasks} asks about"
        )
    splits = split_databases(used, seed, train=sources.spiderman is None)
    tasks = [
        SqlTask(
            f"intercode-{i}", db := row["db"].lower(), row["query"], row["gold"], row["hardness"], splits[db]
        )
        for i, row in enumerate(rows)
    ]
    return Prepared(tasks, {db: databases[db] for db in used})


def split_databases(databases: Sequence[str], seed: int, train: bool) -> Mapping[str, str]:
    """A split for each database, drawn from `seed`."""
    order = sorted(databases)
    Random(seed).shuffle(order)
    shares = SHARES if train else {name: share for name, share in SHARES.items() if name != "train"}
    splits: dict[str, str] = {}
    bound = 0.0
    for name, share in shares.items():
        bound += share / sum(shares.values()) * len(order)
        splits |= {db: name for db in order[: round(bound)] if db not in splits}
    return splits


def _add_spiderman(prepared: Prepared, spiderman: SpiderMan) -> None:
    """Its queries become the training tasks, but for questions that were asked before."""
    databases = {db.lower(): tables for db, tables in spiderman.databases().items()}
    questions = {task.question for task in prepared.tasks}
    for number, query in enumerate(spiderman.queries()):
        db = query.db.lower()
        if db in {task.db for task in prepared.tasks if task.split != "train"}:
            prepared.dropped["training tasks on a database held out"] += 1
        elif query.question in questions:
            prepared.dropped["training tasks whose question was asked before"] += 1
        else:
            questions.add(query.question)
            task = SqlTask(f"spiderman-{number}", db, query.question, query.sql, "unknown", "train")
            prepared.tasks.append(task)
    prepared.databases |= {db: tables for db, tables in databases.items() if db not in prepared.databases}


def _drop_failing(prepared: Prepared, database: Database) -> None:
    """Training tasks whose gold query fails, most of them for a table that SpiderMan does not hold."""
    kept = []
    for task in prepared.tasks:
        if task.split == "train" and database.run(task.db, task.gold).error is not None:
            prepared.dropped["training tasks whose gold query fails"] += 1
        else:
            kept.append(task)
    prepared.tasks = kept


@dataclass(frozen=True, slots=True)
class Run:
    """A recorded run that earned the full reward there."""

    question: str
    statements: tuple[str, ...]


def read_runs(path: Path) -> Iterator[Run]:
    """The successful runs of a file of InterCode's results, up to the statement whose result was the answer."""
    for run in json.loads(_text(path)).values():
        history = run["turn_history"]
        if 1 not in history["rewards"]:
            continue
        last = history["rewards"].index(1)
        statements = [statement_of(action) for action in history["actions"][: last + 1]]
        yield Run(run["query"], tuple(one for one in statements if one is not None))


def statement_of(action: str) -> str | None:
    """The statement of a recorded action, which may stand in `execute[...]`; None for other actions."""
    inner = _EXECUTE.match(action)
    statement = (inner[1] if inner else action).strip()
    return statement if read_action(statement, "block").statement and "execute[" not in statement else None


_EXECUTE = re.compile(r"\s*execute\[(.*)\]", re.DOTALL)


def _demonstrations(runs: Iterable[Run], prepared: Prepared, database: Database) -> list[dict[str, Any]]:
    """Runs that succeed here too, one for each task."""
    tasks = {task.question: task for task in prepared.tasks}
    rules = Rules(database, "block", max_turns=1000, observation_chars=0)
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        task = tasks.get(run.question)
        if task is None or task.id in found:
            continue
        actions = [*(f"```sql\n{statement}\n```" for statement in run.statements), SUBMIT]
        episode = SqlEpisode(rules, task)
        if [episode.step(action) for action in actions][-1].raw_reward == 1:
            found[task.id] = {"task": task.id, "actions": actions}
        else:
            prepared.dropped["recorded runs that earn less here"] += 1
    return list(found.values())


def _write(prepared: Prepared, out: Path) -> None:
    """The folder with all tasks, and the databases that they ask about."""
    (out / "databases").mkdir(parents=True, exist_ok=True)
    used = sorted({task.db for task in prepared.tasks})
    schema = {}
    for db in used:
        tables = sorted(prepared.databases[db], key=lambda table: table.name.lower())
        schema[db] = {table.name.lower(): table.described() for table in tables}
        _pack(
            out / "databases" / f"{db}.sql.gz", "".join(line for table in tables for line in table.script())
        )
    _pack(out / "schema.json.gz", json.dumps(schema))
    _write_lines(out / "tasks.jsonl.gz", (asdict(task) for task in prepared.tasks))


def _about(prepared: Prepared, sources: Sources, out: Path, seed: int, demonstrations: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "sources": [{"name": path.name, "sha256": file_digest(path)} for path in sources],
        "seed": seed,
        "tasks": dict(Counter(task.split for task in prepared.tasks)),
        "databases": dict(Counter({task.db: task.split for task in prepared.tasks}.values())),
        "demonstrations": demonstrations,
        "dropped": dict(prepared.dropped),
        "files": {path.relative_to(out).as_posix(): file_digest(path) for path in sorted(out.rglob("*.gz"))},
    }


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        rows = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"--tasks {path}: not JSON ({error.msg}, line {error.lineno})") from None
    if not isinstance(rows, list) or not rows or not set(rows[0]) >= _FIELDS:
        raise UserError(f"--tasks {path}: a list of objects with {', '.join(sorted(_FIELDS))} is needed")
    return rows


_FIELDS = {"db", "query", "gold", "hardness"}


def _text(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    _pack(path, "".join(json.dumps(row) + "\n" for row in rows))


def _pack(path: Path, text: str) -> None:
    # No time of making in it, so that the same sources give the same bytes.
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
