"""The commands that only look: runs, sql, query, profiles, doctor."""

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from rro.flows.command_line.output import Format, printable, show, stdout
from rro.tasks.process import warehouse_root

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Folder = Annotated[
    str | None, Parameter(help="Warehouse folder or URL [default: RRO_WAREHOUSE, else data/warehouse]")
]
Statement = Annotated[str, Parameter(allow_leading_hyphen=True)]  # SQL may begin with a comment.
Shape = Annotated[Format, Parameter(name="--format", help="How to print the rows")]

RUNS = """
WITH paired AS (SELECT run, count(*) AS pairs FROM pairs GROUP BY ALL),
rewarded AS (
    SELECT run, arg_min(reward, place) AS before, arg_max(reward, place) AS after, count(*) AS policies
    FROM (SELECT run, policy, avg(reward) AS reward FROM evaluated_tasks WHERE temperature = 0 GROUP BY ALL)
    JOIN policy_order USING (run, policy) GROUP BY ALL
)
SELECT
    run, profile, coalesce(status, 'stages only') AS status, started_at AS started, pairs,
    before AS "reward before", CASE WHEN policies > 1 THEN after END AS "reward after"
FROM (SELECT unnest($known::VARCHAR[]) AS run)
LEFT JOIN runs USING (run) LEFT JOIN paired USING (run) LEFT JOIN rewarded USING (run)
ORDER BY started DESC NULLS LAST, run
"""
"""Reward is the mean at temperature 0 on the held-out tasks: of the SFT policy, and of the last one."""


def runs(*, warehouse: Folder = None) -> None:
    """List the runs of a warehouse, the newest first."""
    from rro.tasks.storage.views import connect, query
    from rro.tasks.storage.warehouse import Warehouse

    store = Warehouse(warehouse_root(warehouse))
    known = store.runs()
    if not known:
        stdout().print(f"{store.url}: no runs yet; start one with: rro run")
        return
    show(*content(query(connect(store), RUNS, {"known": known})), "table")


def sql(statement: Statement, /, *, format: Shape = "table", warehouse: Folder = None) -> None:
    """Ask the warehouse a question in SQL (DuckDB); it can only read.

    Parameters
    ----------
    statement
        One SELECT over the tables and views, for example "SELECT strategy, count(*) FROM pairs GROUP BY 1"
    """
    from rro.tasks.storage.views import query

    show(*content(query(connection(warehouse), statement)), format)


def query(
    name: str | None = None, /, *, run: str | None = None, format: Shape = "table", warehouse: Folder = None
) -> None:
    """Answer a named question about a run; without a name, list the questions.

    Parameters
    ----------
    name
        Name of the question
    run
        The run it is about [default: the latest one]
    """
    from rro.tasks.storage.queries import list_queries, run_query

    if name is None:
        show(("query", "title"), [(named.name, named.title) for named in list_queries()], format)
        return
    show(*content(run_query(connection(warehouse), name, run)), format)


def profiles(*, format: Shape = "table") -> None:
    """List the profiles that ship with rro."""
    from rro.data import resource
    from rro.tasks.settings import profile_names

    texts = (
        (name, resource("profiles", f"{name}.toml").read_text(encoding="utf-8")) for name in profile_names()
    )
    rows = [(name, text.partition("\n")[0].lstrip("# ")) for name, text in texts]
    show(("profile", "what it is for"), rows, format)


def doctor(*, warehouse: Folder = None) -> None:
    """Check this installation, and say how to mend what is wrong."""
    from rro.tasks.doctor import examine

    console = stdout()
    with console.status("Looking; importing everything takes some twenty seconds"):
        checks = list(examine(warehouse_root(warehouse)))
    table = Table("", "check", "found", "how to mend it", box=None, pad_edge=False)
    for check in checks:
        mark = (
            Text("ok", "green")
            if check.ok
            else Text("bad", "red")
            if check.essential
            else Text("!", "yellow")
        )
        table.add_row(mark, check.name, Text(printable(check.found)), "" if check.ok else Text(check.mend))
    console.print(table)
    if any(check.essential and not check.ok for check in checks):
        sys.exit(1)


def connection(warehouse: str | None) -> "duckdb.DuckDBPyConnection":
    """A connection that can only read what the warehouse has published."""
    from rro.tasks.storage.views import connect
    from rro.tasks.storage.warehouse import Warehouse

    return connect(Warehouse(warehouse_root(warehouse)))


def content(table: "pa.Table") -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows of an Arrow table."""
    columns = [column.to_pylist() for column in table.columns]
    return table.column_names, list(zip(*columns, strict=True))
