"""Replays recordings of the original InterCode-SQL on a prepared folder.

Three recordings, JSON lines each, gzipped or plain; `i` is the number of a task in InterCode's own file, or
`task` is a task's id:

| recording | one line holds | must be equal |
| --- | --- | --- |
| rewards | `agent_rows` (a list, else no result), `reward`, perhaps `gold_rows` | our reward for these rows |
| answers | `rows`, and `ok`, false where the query failed | the rows of our database for the gold query |
| episodes | `agent_sql`, `reward` | the reward when our database runs both statements |

Rows of answers are compared as multisets, numbers at three decimals, since engines print numbers differently.
The gold rows of rewards come from `gold_rows`, else from the recorded answers (named, or the one file with
`gold_results` in its name beside the rewards), else from our database.
"""

import ast
import datetime
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rro.tasks import progress
from rro.tasks.environments.intercode_sql.data import SqlData, SqlTask
from rro.tasks.environments.intercode_sql.database import Database
from rro.tasks.environments.intercode_sql.episode import Rules, SqlEpisode
from rro.tasks.environments.intercode_sql.reward import score
from rro.tasks.environments.recordings import Check, read_rows
from rro.tasks.errors import UserError

NAMED = {"rewards": "rewards", "answers": "gold_results"}
"""Kind of recording to the part of a file's name by which it is found beside another one."""
REPORTED = 100

Row = Mapping[str, Any]


def verify(data: SqlData, database: Database, recordings: Mapping[str, Path]) -> Iterator[Check]:
    """Compare each recorded item; `UserError` for a recording that is none, or of other tasks."""
    return _Replay(data, database, recordings).checks()


class _Replay:
    """One replay under way."""

    def __init__(self, data: SqlData, database: Database, recordings: Mapping[str, Path]) -> None:
        self._tasks = {task.id: task for task in data.tasks}
        self._database = database
        self._recordings = recordings
        self._answers: dict[str, Sequence[str]] = {}

    def checks(self) -> Iterator[Check]:
        """All checks, one recording after the other."""
        answers = self._recordings.get("answers") or self._beside()
        if answers is not None:
            rows = ((self._task(row), row) for row in read_rows(answers))
            self._answers = {task.id: _of(row, "rows") if _of(row, "ok") else () for task, row in rows}
        replays = {"rewards": self._reward, "answers": self._answer, "episodes": self._episode}
        for kind, replay in replays.items():
            if kind in self._recordings:
                yield from self._each(kind, replay)

    def _beside(self) -> Path | None:
        """Recorded answers in the folder of the recorded rewards."""
        rewards = self._recordings.get("rewards")
        found = sorted(rewards.parent.glob(f"*{NAMED['answers']}*.jsonl*")) if rewards else []
        return found[0] if len(found) == 1 else None

    def _each(self, kind: str, replay: Callable[[SqlTask, Row], str | None]) -> Iterator[Check]:
        number = 0
        for number, row in enumerate(read_rows(self._recordings[kind]), start=1):
            task = self._task(row)
            if row.get("ok") is False:
                continue
            yield Check(kind, f"line {number}, task {task.id}: {task.question}", replay(task, row))
            if number % REPORTED == 0:
                progress.report(progress.Progress(kind, 0, number, number, kind))
        progress.report(progress.Progress(kind, 0, number, number, kind, finished=True))

    def _task(self, row: Row) -> SqlTask:
        name = row["task"] if "task" in row else f"intercode-{row.get('i')}"
        if name not in self._tasks:
            raise UserError(f"the recording is about task {name!r}, which the data does not have")
        return self._tasks[name]

    def _reward(self, task: SqlTask, row: Row) -> str | None:
        rows = row.get("agent_rows")
        ours = score(rows if isinstance(rows, list) else None, self._gold(task, row))
        return _difference("reward", ours, _of(row, "reward"))

    def _gold(self, task: SqlTask, row: Row) -> Sequence[str]:
        if "gold_rows" in row:
            return row["gold_rows"] or ()
        if task.id in self._answers:
            return self._answers[task.id]
        return self._database.run(task.db, task.gold).rows or ()

    def _answer(self, task: SqlTask, row: Row) -> str | None:
        answer = self._database.run(task.db, task.gold)
        ours, theirs = Counter(map(comparable, answer.rows or ())), Counter(map(comparable, _of(row, "rows")))
        if ours == theirs and answer.error is None:
            return None
        more, less = list((ours - theirs).elements()), list((theirs - ours).elements())
        return f"{task.gold}\n{answer.error or ''}only ours: {_some(more)}\nonly recorded: {_some(less)}"

    def _episode(self, task: SqlTask, row: Row) -> str | None:
        episode = SqlEpisode(Rules(self._database, "upstream", max_turns=2, observation_chars=0), task)
        episode.step(_of(row, "agent_sql"))
        ours = episode.step("submit").raw_reward
        difference = _difference("reward", ours, _of(row, "reward"))
        return difference and f"{row['agent_sql']}\n{difference}"


def _of(row: Row, key: str) -> Any:
    if key not in row:
        raise UserError(f"a line of the recording has no {key!r}")
    return row[key]


def _difference(what: str, ours: object, theirs: object) -> str | None:
    return None if ours == theirs else f"{what}: ours {ours!r}, recorded {theirs!r}"


def _some(rows: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(rows) - shown:,} more" if len(rows) > shown else ""
    return f"{', '.join(rows[:shown]) or 'nothing'}{more}"


_CALLS: Mapping[str, Callable[..., Any]] = {
    "Decimal": Decimal,
    "datetime.date": datetime.date,
    "datetime.datetime": datetime.datetime,
    "datetime.timedelta": datetime.timedelta,
    "bytearray": bytes,
}
"""What a printed row may call."""


def comparable(row: str) -> str:
    """A printed row with every number at three decimals and bytes as text; as it is, if it cannot be read."""
    try:
        return repr(_value(ast.parse(row, mode="eval").body))
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return row


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Tuple):
        return tuple(map(_value, node.elts))
    if isinstance(node, ast.Call):
        call = _CALLS.get(ast.unparse(node.func))
        if call is None or node.keywords:
            raise ValueError(ast.unparse(node))
        return _rounded(call(*(ast.literal_eval(argument) for argument in node.args)))
    return _rounded(ast.literal_eval(node))


def _rounded(value: Any) -> Any:
    if isinstance(value, int | float | Decimal):
        return round(float(value), 3)
    return value.decode(errors="replace") if isinstance(value, bytes) else value
