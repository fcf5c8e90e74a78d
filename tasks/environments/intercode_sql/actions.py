"""Reads what an agent wrote: a statement to run, the word that ends the episode, or neither.

Three readings, as wrappers of this benchmark differ (see docs/intercode_sql.md):

- `block`: one fenced `sql` block with all its lines; without a fence, the whole text if it is a statement.
- `upstream`: the whole text is the statement; `submit` exactly ends (princeton-nlp/intercode, ic_env.py).
- `ipr`: after `Action:`; `submit` anywhere ends; of the first block only the first line is run.
"""

import re
from dataclasses import dataclass
from typing import Literal

from rro.tasks.environments.intercode_sql.statements import STATEMENTS, StatementError, read_statement

Reading = Literal["block", "upstream", "ipr"]
SUBMIT = "submit"


@dataclass(frozen=True, slots=True)
class Action:
    """What was understood."""

    statement: str | None = None
    submits: bool = False


NOTHING = Action()
SUBMITTED = Action(submits=True)

_FENCE = re.compile(
    r"```[ \t]*(?:sql|mysql|mariadb|sqlite)?[ \t]*\r?\n?(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE
)
_LABEL = re.compile(r"\A\s*+action[ \t]*+\d*+[ \t]*+:", re.IGNORECASE)
_IPR_ACTION = re.compile(r"Action:\s?(.*)", re.DOTALL)
_IPR_BLOCK = re.compile(r"```sql(.*?)```", re.DOTALL)
_FIRST_WORD = re.compile(r"[\s(]*([A-Za-z]+)")


def read_action(text: str, reading: Reading) -> Action:
    """What `text` asks for."""
    if reading == "upstream":
        return SUBMITTED if text == SUBMIT else Action(text)
    return _read_ipr(text) if reading == "ipr" else _read_block(text)


def canonical(text: str, reading: Reading) -> str:
    """The same text for actions that do the same: statements without comments, blanks and letter case."""
    action = read_action(text, reading)
    if action.submits:
        return SUBMIT
    try:
        return text if action.statement is None else read_statement(action.statement).canonical
    except StatementError:
        return text


def _read_block(text: str) -> Action:
    fenced = _FENCE.search(text)
    inner = (fenced[1] if fenced else _LABEL.sub("", text, count=1)).strip()
    if inner.rstrip(";.").strip().lower() == SUBMIT:
        return SUBMITTED
    first = _FIRST_WORD.match(inner)
    if fenced and inner:
        return Action(inner)
    return Action(inner) if first and first[1].upper() in STATEMENTS else NOTHING


def _read_ipr(text: str) -> Action:
    found = _IPR_ACTION.search(text)
    action = found[1] if found else ""
    if SUBMIT in action:
        return SUBMITTED
    block = _IPR_BLOCK.search(action)
    line = block[1].strip().split("\n")[0] if block else ""
    return Action(line) if line else NOTHING
