"""DuckDB over the warehouse's Parquet: one view a table, and the views and macros of `data/sql`.

DuckDB holds no data of its own, so `analytics.duckdb` can be deleted and rebuilt at any time. A connection
for questions cannot read other files, write any, or load extensions.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from rro.data import resource
from rro.tasks.errors import UserError
from rro.tasks.storage.files import WAY_OUT, flush_folder, make_folder, temporary_name
from rro.tasks.storage.tables import TABLES
from rro.tasks.storage.warehouse import Warehouse

SHARDS = pa.schema(
    [
        ("run", pa.string()),
        ("shard", pa.string()),
        ("generation", pa.int64()),
        ("code_version", pa.string()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
    ]
)
"""Columns of the table `shards`: every published shard, with the rows and bytes of all its parts."""


def connect(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    """An in-memory database of views over what is published now, locked against everything else.

    It sees shards as they stand at this moment; connect again to see newer ones.
    """
    connection = duckdb.connect()
    files = _define(connection, warehouse)
    connection.execute(f"SET allowed_paths = {_literal(files)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def rebuild(warehouse: Warehouse) -> Path:
    """Write `analytics.duckdb` anew with the same views, for any DuckDB client of the same version.

    A reader that has the old file open keeps it; the path names the old file or the new one, never half. Of a
    warehouse at a URL it lies in this machine's cache folder, and its client must be able to read that URL.
    """
    path = warehouse.analytics_path
    make_folder(path.parent)
    temporary = temporary_name(path)
    try:
        with duckdb.connect(temporary) as connection:
            _define(connection, warehouse)
        temporary.replace(path)
        flush_folder(path.parent)
    except (OSError, duckdb.IOException) as error:
        raise UserError(f"{path}: cannot write: {error}; choose {WAY_OUT}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def query(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> pa.Table:
    """The rows that one SELECT gives. `UserError` with DuckDB's message on anything else, or on bad SQL.

    Other statements are refused because DuckDB would let COPY overwrite the very files it may read.
    """
    try:
        statements = connection.extract_statements(sql)
        asking = (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI)  # PIVOT is several statements.
        if len(statements) != 1 or statements[0].type not in asking:
            raise UserError("SQL: give one statement that asks (SELECT, FROM, WITH, DESCRIBE, PIVOT, ...)")
        return connection.sql(sql, params=dict(parameters) if parameters else None).to_arrow_table()
    except duckdb.Error as error:
        raise UserError(f"SQL: {error}") from error


def _define(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> list[str]:
    """Make tables' views, macros and views; the Parquet files they read."""
    manifests = [manifest for run in warehouse.runs() for manifest in warehouse.shards(run)]
    located = [warehouse.files(manifest) for manifest in manifests]
    if warehouse.filesystem is not None:  # DuckDB's own extension for URLs is a download.
        from rro.tasks.storage.parts import Parts  # fsspec is slow to import.

        sizes = {
            files[p.table]: p.bytes for m, files in zip(manifests, located, strict=True) for p in m.parts
        }
        connection.register_filesystem(Parts(warehouse.filesystem, sizes))
    for name, schema in TABLES.items():
        _table_view(connection, name, schema, [files[name] for files in located if name in files])
    rows = [
        {
            "run": m.run,
            "shard": m.shard,
            "generation": m.generation,
            "code_version": m.code_version,
            "rows": sum(part.rows for part in m.parts),
            "bytes": sum(part.bytes for part in m.parts),
        }
        for m in manifests
    ]
    connection.from_arrow(pa.Table.from_pylist(rows, schema=SHARDS)).create("shards")
    for file in ("macros.sql", "views.sql"):
        connection.execute(resource("sql", file).read_text(encoding="utf-8"))
    return [path for files in located for path in files.values()]


def _table_view(
    connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, files: list[str]
) -> None:
    if files:
        # DuckDB would take a folder `run=7` above the warehouse for the column `run`.
        source = f"read_parquet({_literal(files)}, hive_partitioning = false)"
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")
        return
    types = connection.from_arrow(schema.empty_table()).types
    columns = ", ".join(
        f'NULL::{type_} AS "{column}"' for column, type_ in zip(schema.names, types, strict=True)
    )
    connection.execute(f"CREATE VIEW {name} AS SELECT {columns} WHERE false")


def _literal(values: Iterable[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"
