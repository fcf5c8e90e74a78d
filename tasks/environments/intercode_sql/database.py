"""What every kind of database promises: it answers one statement of an agent, whatever that statement is.

Rows are kept as their printed text, as upstream's reward and observations use nothing else of them
(princeton-nlp/intercode, envs/sql/sql_env.py).
"""

from dataclasses import dataclass
from typing import Protocol

FAILED = "Error executing query: "
"""How upstream's observation of a failed statement begins."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement of an agent may use; more than that is an error, and nothing of its result is kept."""

    seconds: float = 5.0
    """Processor seconds (SQLite) or wall seconds (a server), after which the statement is ended by force."""
    rows: int = 10_000
    bytes: int = 1_000_000
    """Printed size of a result."""
    memory_bytes: int = 512 << 20
    """Memory that the process that answers may hold."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a database says to one statement."""

    rows: tuple[str, ...] | None = None
    """Each row as Python prints its tuple; None for a statement without a result, and after an error."""
    error: str | None = None
    """The database's message; None where the statement succeeded."""

    @property
    def observation(self) -> str:
        """What upstream shows: the printed list of tuples, `None`, or `Error executing query: ...`."""
        if self.error is not None:
            return FAILED + self.error
        return "None" if self.rows is None else f"[{', '.join(self.rows)}]"


class Database(Protocol):
    """The databases of one data folder. They can only be read, whatever a statement says."""

    digest: str
    """Digest of contents, engine and version: equal digests answer equally."""

    def run(self, name: str, statement: str) -> Answer:
        """Answer one statement in the database `name`. Never raises on what an agent wrote."""

    def close(self) -> None:
        """End what answers; a later `run` starts it again."""
