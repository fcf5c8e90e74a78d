"""Checks on rows before they are published: PyArrow alone lets nulls, NaN and doubled ids through."""

import pyarrow as pa
import pyarrow.compute as pc

from rro.tasks.storage.tables import TABLES

KEYS = {
    "runs": "run",
    "policies": "policy",
    "episodes": "episode",
    "steps": "step",
    "candidates": "candidate",
    "rollouts": "rollout",
    "pairs": "pair",
}
"""The id column of every table that has one."""

SHARES = ("outcome", "value", "previous", "start_value", "best", "chosen_value", "rejected_value")
"""Columns that lie in [0, 1] wherever they are not null."""


def check_table(name: str, table: pa.Table, run: str) -> None:
    """`ValueError` naming table, column and value where rows break what the schema promises.

    Schema as in `TABLES`; every row belongs to `run`; ids are there and single; values and outcomes lie in
    [0, 1].
    """
    if name not in TABLES:
        raise ValueError(f"table {name!r}: there is no such table; known: {', '.join(TABLES)}")
    if not table.schema.equals(TABLES[name]):
        raise ValueError(f"table {name}: schema differs from the one in tables.py:\n{table.schema}")
    table.validate(full=True)
    _check_run(name, table, run)
    _check_key(name, table)
    for column in SHARES:
        if column in table.column_names:
            _check_share(name, column, table[column])


def _check_run(name: str, table: pa.Table, run: str) -> None:
    others = [value for value in pc.unique(table["run"]).to_pylist() if value != run]
    if others:
        raise ValueError(f"table {name}: rows of run {others[0]!r} in a shard of run {run!r}")


def _check_key(name: str, table: pa.Table) -> None:
    key = KEYS.get(name)
    if key is None:
        return
    if table[key].null_count:
        raise ValueError(f"table {name}: {table[key].null_count} rows have no {key}")
    for count in pc.value_counts(table[key]).to_pylist():
        if count["counts"] > 1:
            raise ValueError(f"table {name}: {key} {count['values']!r} stands {count['counts']} times")


def _check_share(name: str, column: str, values: pa.ChunkedArray) -> None:
    inside = pc.and_(pc.greater_equal(values, 0.0), pc.less_equal(values, 1.0))
    bad = values.filter(pc.invert(inside))
    if len(bad):
        raise ValueError(f"table {name}: {column} {bad[0].as_py()} lies outside [0, 1]")
