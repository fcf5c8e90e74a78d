"""One question's episode: statements are run, the last answer counts, `submit` ends.

Follows upstream's environment (princeton-nlp/intercode, envs/ic_env.py and envs/sql/sql_env.py): the agent first
sees the question and nothing else; a statement is answered with its printed rows, `None` or an error; submitting
shows the last answer once more.
"""

from dataclasses import dataclass
from typing import Self

from rro.tasks.environments.base import Turn
from rro.tasks.environments.intercode_sql.actions import Reading, read_action
from rro.tasks.environments.intercode_sql.brief import View, brief
from rro.tasks.environments.intercode_sql.data import SqlTask
from rro.tasks.environments.intercode_sql.database import Answer, Database
from rro.tasks.environments.intercode_sql.reward import score

NO_STATEMENT = {
    "block": "No SQL was found. Write one statement in a ```sql block, or submit to hand in the last result.",
    "upstream": "No SQL was found.",
    "ipr": (
        "Your answer was not understood. After the key word `Action:` write either one line of SQL that has a "
        "result, in a block that begins with ```sql, or the word submit. One action at a time."
    ),
}
"""What an action that is neither a statement nor `submit` is answered with, by reading."""
CUT = "..."


@dataclass(frozen=True, slots=True)
class Rules:
    """What the episodes of one environment share."""

    database: Database
    reading: Reading
    max_turns: int
    observation_chars: int
    """An observation is cut after so many characters; 0 for never."""
    view: View = "upstream"
    """`brief` lists tables and columns by their names alone."""


class SqlEpisode:
    """An episode of one task. Nothing that it holds changes, so `copy` shares all of it."""

    __slots__ = ("_answer", "_rules", "done", "observation", "task", "turns")

    def __init__(self, rules: Rules, task: SqlTask) -> None:
        self._rules = rules
        self.task = task
        self.observation = task.question
        self.turns = 0
        self.done = False
        self._answer = Answer()

    def copy(self) -> Self:
        """An independent episode in the same state."""
        twin = object.__new__(type(self))
        for name in SqlEpisode.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin

    def step(self, action: str) -> Turn:
        """Act once; see `Episode.step`."""
        if self.done:
            raise ValueError(f"the episode of {self.task.id} has ended; start another or copy an earlier one")
        self.turns += 1
        read = read_action(action, self._rules.reading)
        if read.submits:
            return self._submit()
        valid = False
        if read.statement is not None:
            self._answer = self._rules.database.run(self.task.db, read.statement)
            valid = self._answer.error is None
        self.observation = self._shown(read.statement)
        self.done = self.turns >= self._rules.max_turns
        return Turn(self.observation, done=self.done, valid=valid, truncated=self.done)

    def _submit(self) -> Turn:
        gold = self._rules.database.run(self.task.db, self.task.gold)
        reward = score(self._answer.rows, gold.rows or ())
        self.done = True
        self.observation = self._cut(self._answer.observation)
        return Turn(self.observation, done=True, outcome=min(1.0, max(0.0, reward)), raw_reward=reward)

    def _shown(self, statement: str | None) -> str:
        # IPR's wrapper stumbles over a statement without a result, and says that it did not understand.
        no_result = self._rules.reading == "ipr" and self._answer == Answer()
        if statement is None or no_result:
            return NO_STATEMENT[self._rules.reading]
        names = brief(statement, self._answer) if self._rules.view == "brief" else None
        return names or self._cut(self._answer.observation)

    def _cut(self, text: str) -> str:
        limit = self._rules.observation_chars
        return text if not limit or len(text) <= limit else text[:limit] + CUT
