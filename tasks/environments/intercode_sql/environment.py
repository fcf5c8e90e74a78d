"""InterCode-SQL (Yang et al., NeurIPS 2023) as an environment: answer a question by asking a database."""

from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, field_validator

from rro.tasks.environments.base import Expert, Strict, Task
from rro.tasks.environments.intercode_sql.actions import Reading, canonical
from rro.tasks.environments.intercode_sql.brief import View
from rro.tasks.environments.intercode_sql.data import BUNDLED, SPLITS, SqlData, SqlTask, tables_of
from rro.tasks.environments.intercode_sql.database import Database, Limits
from rro.tasks.environments.intercode_sql.episode import Rules, SqlEpisode
from rro.tasks.environments.intercode_sql.expert import SqlExpert, SqlExpertOptions
from rro.tasks.environments.intercode_sql.mysql_address import check_stored
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from rro.tasks.errors import UserError

Hardness = Literal["easy", "medium", "hard", "extra"]

RULES_VERSION = "1"
"""Raise it when the same data and options begin to behave differently."""

PROMPT = (
    "You answer a question by asking a MySQL database. Each turn, write one action: a SQL statement in a ```sql "
    "block, or the word submit. You are shown what the statement returns. SHOW TABLES lists the tables and "
    "DESC lists the columns of one. When the last result is the answer, submit."
)


_LIMITS = Limits()


class LimitOptions(Strict):
    """What one statement may use."""

    seconds: float = Field(_LIMITS.seconds, gt=0, le=600, description="processor seconds of one statement")
    rows: int = Field(_LIMITS.rows, ge=1, description="rows of one result")
    bytes: int = Field(_LIMITS.bytes, ge=1000, description="printed size of one result")
    memory_bytes: int = Field(
        _LIMITS.memory_bytes, ge=128 << 20, description="memory of the database process"
    )


class SqlOptions(Strict):
    """Settings of the databases and of the rules."""

    data: str = Field(BUNDLED, description="'bundled', or a folder made by rro data import intercode-sql")
    url: str | None = Field(
        None,
        description="a server instead of SQLite, mysql://user@host:port; password in RRO_DATABASE_PASSWORD",
    )
    reading: Reading = Field("block", description="how actions are read: 'block', 'upstream' or 'ipr'")
    max_turns: int = Field(10, ge=1, description="actions after which an episode ends with outcome 0")
    observation: View = Field("upstream", description="'brief' answers SHOW TABLES and DESC with names alone")
    observation_chars: int = Field(0, ge=0, description="cut observations after so many characters; 0: never")
    hardness: list[Hardness] = Field(default_factory=list, description="only tasks of these classes; []: all")
    most_tables: int = Field(0, ge=0, description="only tasks whose gold query names at most so many; 0: all")
    limits: LimitOptions = Field(default_factory=LimitOptions, description="what one statement may use")
    prompt: str | None = Field(None, description="replaces what the agent is told before the question")

    @field_validator("url")
    @classmethod
    def _may_be_stored(cls, value: str | None) -> str | None:
        if value is not None:
            check_stored(value)
        return value


class InterCodeSql:
    """The databases and their questions; see `Environment`."""

    Options: ClassVar[type[BaseModel]] = SqlOptions
    ExpertOptions: ClassVar[type[BaseModel]] = SqlExpertOptions
    name: str = "intercode_sql"
    splits: tuple[str, ...] = SPLITS

    def __init__(self, options: SqlOptions) -> None:
        self._data = SqlData.load(options.data)
        self._reading = options.reading
        self.database = open_database(self._data, Limits(**options.limits.model_dump()), options.url)
        self.waits = options.url is not None
        self.max_turns = options.max_turns
        self.prompt = PROMPT if options.prompt is None else options.prompt
        behaviour = options.model_dump_json(exclude={"data", "url"})
        parts = (RULES_VERSION, self._data.digest, self.database.digest, behaviour)
        self.digest = sha256(" ".join(parts).encode()).hexdigest()
        self._rules = Rules(
            self.database, options.reading, options.max_turns, options.observation_chars, options.observation
        )
        self._tasks = {task.id: task for task in self._data.tasks if self._wanted(task, options)}

    def _wanted(self, task: SqlTask, options: SqlOptions) -> bool:
        if options.hardness and task.hardness not in options.hardness:
            return False
        most = options.most_tables
        return not most or len(tables_of(task.gold, self._data.schema[task.db])) <= most

    def tasks(self, split: str) -> Sequence[Task]:
        """All tasks of a split, in the order of the folder."""
        if split not in SPLITS:
            raise UserError(f"split {split!r}: intercode_sql has {', '.join(SPLITS)}")
        return tuple(Task(t.id, split, t.question) for t in self._tasks.values() if t.split == split)

    def start(self, task: Task) -> SqlEpisode:
        """A fresh episode that shows the question."""
        if task.id not in self._tasks:
            raise UserError(f"task {task.id!r} is not of this data")
        return SqlEpisode(self._rules, self._tasks[task.id])

    def canonical(self, action: str) -> str:
        """The same text for actions that do the same: no comments, one space between, names in lower case."""
        return canonical(action, self._reading)

    def expert(self, seed: int, options: SqlExpertOptions) -> Expert:
        """A fresh scripted expert with the slips that `options` give it."""
        return SqlExpert(seed, options, self._data.known, self._reading)

    def close(self) -> None:
        """End the process or the connection that answers; the next statement starts it again."""
        self.database.close()


def open_database(data: SqlData, limits: Limits, url: str | None) -> Database:
    """The databases of `data` in SQLite, or on the server that `url` names."""
    if url is None:
        return SqliteDatabase(data, limits)
    from rro.tasks.environments.intercode_sql.mysql_database import MySqlDatabase

    return MySqlDatabase(url, data, limits)
