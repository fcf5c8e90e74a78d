"""Tasks and databases, read once from a prepared folder and never changed.

Files of a prepared folder, each plain or with `.gz`:

| name | holds |
| --- | --- |
| `tasks.jsonl` | `{"id", "db", "question", "gold", "hardness", "split"}`, one task a line, one split a database |
| `databases/<db>.sql` | `CREATE TABLE` and `INSERT` statements that SQLite and MySQL both load |
| `schema.json` | `{db: {table: [[Field, Type, Null, Key, Default, Extra], ...]}}`: the answers of `DESC` |
| `demonstrations.jsonl` | `{"task", "actions"}`, recorded runs that succeeded; optional |
| `about.json` | what the folder was made from; optional, and not read here |
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from rro.data import resource
from rro.tasks.environments.intercode_sql.statements import StatementError, read_statement
from rro.tasks.errors import UserError

BUNDLED = "bundled"
SPLITS = ("train", "validation", "test")

Column = tuple[str, str, str, str, str | None, str]
"""Field, Type, Null, Key, Default, Extra: a row of `DESC`."""
Schema = Mapping[str, tuple[Column, ...]]
"""Tables of one database, by their names in lower case, in alphabetical order."""


@dataclass(frozen=True, slots=True)
class SqlTask:
    """One question about one database."""

    id: str
    db: str
    question: str
    gold: str
    """The statement whose result is asked for."""
    hardness: str
    split: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a scripted expert knows of a task; it learns which one it plays by reading the question."""

    task_id: str
    db: str
    gold: str
    question: str
    tables: tuple[str, ...]
    """Tables that the gold query names, in its order."""
    demonstration: tuple[str, ...] | None = None
    """Actions of a recorded run that succeeded."""


class SqlData:
    """The contents of a prepared folder."""

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder
        self._hash = sha256()
        self.schema = {db: _schema(tables) for db, tables in json.loads(self._read("schema.json")).items()}
        self.tasks = tuple(SqlTask(**row) for row in _lines(self._read("tasks.jsonl")))
        recorded = _lines(self._read("demonstrations.jsonl", needed=False))
        self.demonstrations = {row["task"]: tuple(row["actions"]) for row in recorded}
        self._check()
        for db in self.schema:
            self._hash.update(self._file(f"databases/{db}.sql").read_bytes())
        self.digest = self._hash.hexdigest()
        """Digest of all files, as they are packed."""

    @classmethod
    def load(cls, source: str = BUNDLED) -> "SqlData":
        """The shipped databases, or those of a folder; `UserError` where something is missing."""
        if source == BUNDLED:
            return cls(resource("intercode_sql"))
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise UserError(f"data = {source!r}: no such folder; {BUNDLED!r} is what ships")
        return cls(folder)

    def script(self, db: str) -> str:
        """The statements that make database `db`."""
        return _text(self._file(f"databases/{db}.sql"))

    @cached_property
    def known(self) -> Mapping[str, Known]:
        """What experts know, by question."""
        return {task.question: self._known(task) for task in self.tasks}

    def _known(self, task: SqlTask) -> Known:
        tables = tables_of(task.gold, self.schema[task.db])
        return Known(task.id, task.db, task.gold, task.question, tables, self.demonstrations.get(task.id))

    def _check(self) -> None:
        splits: dict[str, str] = {}
        for task in self.tasks:
            if task.db not in self.schema:
                raise UserError(f"{self._folder}: task {task.id!r} is about {task.db!r}, not in schema.json")
            if task.split not in SPLITS:
                raise UserError(f"{self._folder}: task {task.id!r} has split {task.split!r}")
            if splits.setdefault(task.db, task.split) != task.split:
                raise UserError(f"{self._folder}: database {task.db!r} is in more than one split")

    def _read(self, name: str, needed: bool = True) -> str:
        if not needed and self._found(name) is None:
            return ""
        file = self._file(name)
        self._hash.update(name.encode() + b"\0" + file.read_bytes())
        return _text(file)

    def _found(self, name: str) -> Traversable | None:
        candidates = (self._folder.joinpath(*name.split("/")[:-1], end) for end in _names(name))
        return next((file for file in candidates if file.is_file()), None)

    def _file(self, name: str) -> Traversable:
        file = self._found(name)
        if file is None:
            raise UserError(
                f"{self._folder}: no {name}, plain or .gz; rro data import intercode-sql makes it"
            )
        return file


def tables_of(statement: str, schema: Schema) -> tuple[str, ...]:
    """Tables of `schema` that a statement names, each once, in order; none if it cannot be read."""
    try:
        tokens = read_statement(statement).tokens
    except StatementError:
        return ()
    words = (token.value.lower() for token in tokens if token.is_name)
    return tuple(dict.fromkeys(word for word in words if word in schema))


def _schema(tables: Mapping[str, list[list[Any]]]) -> Schema:
    return {name.lower(): tuple((*row,) for row in tables[name]) for name in sorted(tables, key=str.lower)}


def _names(name: str) -> tuple[str, str]:
    last = name.rpartition("/")[2]
    return last, f"{last}.gz"


def _text(file: Traversable) -> str:
    data = file.read_bytes()
    try:
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{file}: damaged: {error}") from None


def _lines(text: str) -> Iterator[dict[str, Any]]:
    # Not splitlines(): texts of databases hold U+2028 and its like.
    return (json.loads(line) for line in text.split("\n") if line)
