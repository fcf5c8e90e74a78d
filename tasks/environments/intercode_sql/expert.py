"""A scripted agent that looks at tables, asks and submits, and errs the way people's demonstrations err.

It learns which task it plays by reading the question, knows the gold query, and spoils it at times. A misspelt
name is noticed (the database complains) and put right. The other flaws are habits that nobody complains about and
that pay less, so that an agent can find out by trying that there is something better.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from random import Random

from pydantic import Field

from rro.tasks.environments.base import Strict
from rro.tasks.environments.intercode_sql.actions import SUBMIT, Reading
from rro.tasks.environments.intercode_sql.data import Known
from rro.tasks.environments.intercode_sql.statements import StatementError, Token, read_statement


class SqlExpertOptions(Strict):
    """Flaws of the scripted agent, as probabilities; all 0 is the best it can do."""

    forget_condition: float = Field(0.4, ge=0, le=1, description="chance to leave off the last condition")
    forget_order: float = Field(0.2, ge=0, le=1, description="chance to leave off ORDER BY")
    forget_distinct: float = Field(0.3, ge=0, le=1, description="chance to leave off DISTINCT")
    wrong_aggregate: float = Field(0.1, ge=0, le=1, description="chance to take the opposite aggregate")
    misspell: float = Field(0.1, ge=0, le=1, description="chance to misspell a table first")
    skip_look: float = Field(0.1, ge=0, le=1, description="chance to describe only the first table")
    recorded: bool = Field(False, description="replay a recorded run where the data has one")


class SqlExpert:
    """The agent of one episode: `expert(observation)` is its next action. Equal seeds act equally."""

    def __init__(
        self,
        seed: int,
        options: SqlExpertOptions,
        known: Mapping[str, Known],
        reading: Reading = "block",
    ) -> None:
        self._random = Random(seed)
        self._options = options
        self._known = known
        self._reading = reading
        self._actions: Iterator[str] | None = None

    def __call__(self, observation: str) -> str:
        """The next action; the first observation is the question."""
        if self._actions is None:
            self._actions = iter(self._plan(self._known[observation]))
        return next(self._actions, f"Action: {SUBMIT}" if self._reading == "ipr" else SUBMIT)

    def _plan(self, task: Known) -> Sequence[str]:
        if self._options.recorded and task.demonstration:
            return task.demonstration
        looks = [f"DESC {table}" for table in task.tables]
        if self._happens(self._options.skip_look):
            looks = looks[:1]
        answer = self._answer(task.gold)
        slips = (
            [misspelt(answer, task.tables)] if task.tables and self._happens(self._options.misspell) else []
        )
        statements = ("SHOW TABLES", *looks, *slips, answer)
        return [written(statement, self._reading) for statement in statements]

    def _answer(self, gold: str) -> str:
        for habit, chance in (
            (without_last_condition, self._options.forget_condition),
            (without_order, self._options.forget_order),
            (without_distinct, self._options.forget_distinct),
            (with_opposite_aggregate, self._options.wrong_aggregate),
        ):
            if self._happens(chance):
                gold = habit(gold)
        return gold

    def _happens(self, chance: float) -> bool:
        return self._random.random() < chance


def written(statement: str, reading: Reading) -> str:
    """A statement as an action under one reading."""
    if reading == "upstream":
        return statement
    if reading == "ipr":
        return f"Action: ```sql\n{' '.join(statement.splitlines())}\n```"
    return f"```sql\n{statement}\n```"


def misspelt(statement: str, tables: Sequence[str]) -> str:
    """The statement with its first table's name cut short, so that no table is called that."""
    for token in _tokens(statement):
        if token.value.lower() in tables and token.is_name:
            short = token.text.rstrip("`")[:-1]
            while short.strip("`").lower() in tables:
                short = short[:-1]
            return _replaced(
                statement, token.start, token.end, short + token.text[-1] * (token.text[-1] == "`")
            )
    return statement


def without_last_condition(statement: str) -> str:
    """The statement without the last condition of its WHERE; without its WHERE where that has only one."""
    outer = _outer(statement)
    at = next((i for i, token in enumerate(outer) if token.says("WHERE")), None)
    if at is None:
        return statement
    start, between = outer[at], False
    for token in outer[at + 1 :]:
        if token.says("GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT"):
            return _replaced(statement, start.start, token.start, "")
        if token.says("BETWEEN"):
            between = True
        elif token.says("AND") and between:
            between = False
        elif token.says("AND", "OR"):
            start = token
    return statement[: start.start].rstrip()


def without_order(statement: str) -> str:
    """The statement without its ORDER BY; a LIMIT stays."""
    outer = _outer(statement)
    at = next((i for i, token in enumerate(outer) if token.says("ORDER")), None)
    if at is None:
        return statement
    end = next((token.start for token in outer[at:] if token.says("LIMIT")), len(statement))
    return _replaced(statement, outer[at].start, end, "").rstrip()


def without_distinct(statement: str) -> str:
    """The statement without its first DISTINCT."""
    return _first_word(statement, {"DISTINCT": ""})


def with_opposite_aggregate(statement: str) -> str:
    """The statement with the first of MAX, MIN, AVG, SUM turned into what it is taken for."""
    return _first_word(statement, {"MAX": "MIN", "MIN": "MAX", "AVG": "SUM", "SUM": "AVG"})


def _first_word(statement: str, instead: Mapping[str, str]) -> str:
    """The statement with the first of these words changed; one that becomes nothing takes its blank with it."""
    tokens = _tokens(statement)
    for token, after in pairwise(tokens):
        if token.says(*instead):
            new = instead[token.value]
            return _replaced(statement, token.start, token.end if new else after.start, new)
    return statement


def _tokens(statement: str) -> Sequence[Token]:
    """No tokens where it cannot be read: then no habit changes it."""
    try:
        return read_statement(statement).tokens
    except StatementError:
        return ()


def _outer(statement: str) -> list[Token]:
    """The tokens outside of all parentheses."""
    depth, outer = 0, []
    for token in _tokens(statement):
        depth -= token.text == ")"
        if depth == 0 and token.text not in ("(", ")"):
            outer.append(token)
        depth += token.text == "("
    return outer


def _replaced(statement: str, start: int, end: int, new: str) -> str:
    return statement[:start] + new + statement[end:]
