"""Named queries: the `.sql` files of `data/sql/queries`, each a question about a run."""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from rro.data import resource
from rro.tasks.storage.names import unknown
from rro.tasks.storage.views import query


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """One question with its SQL."""

    name: str
    title: str
    description: str
    sql: str


def list_queries() -> list[NamedQuery]:
    """All named queries, by name."""
    files = (file for file in resource("sql", "queries").iterdir() if file.name.endswith(".sql"))
    return sorted(
        (parse_query(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files),
        key=lambda named: named.name,
    )


def parse_query(name: str, text: str) -> NamedQuery:
    """A file's first comment line is the title, the comment lines after it the description."""
    comments = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        comments.append(line.removeprefix("--").strip())
    if len(comments) < 2:
        raise ValueError(f"query {name}: needs a line `-- title` and a line `-- description` on top")
    return NamedQuery(name, comments[0], " ".join(comments[1:]), text)


def run_query(connection: duckdb.DuckDBPyConnection, name: str, run: str | None = None) -> pa.Table:
    """The answer to the named query for `run`, or for the latest run.

    `UserError` with the closest names if there is no such query or run.
    """
    queries = {named.name: named for named in list_queries()}
    if name not in queries:
        raise unknown("query", name, queries)
    if run is not None:
        known = query(connection, "SELECT DISTINCT run FROM shards")["run"].to_pylist()
        if run not in known:
            raise unknown("run", run, known)
    return query(connection, queries[name].sql, {"run": run})
