"""Reads SpiderMan (cloudera/spiderman): Spider 1.0 in MySQL's dialect, as a folder or as the tar file of one.

train_queries.csv          database, question, sql
databases/<db>/schema.sql  CREATE TABLE statements
databases/<db>/data/<table>.csv
"""

import csv
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rro.tasks.environments.intercode_sql.dump import convert, read_dump
from rro.tasks.environments.intercode_sql.tables import Table
from rro.tasks.errors import UserError

QUERIES = "train_queries.csv"
_NULL = "NULL"
"""How the files write that there is no value."""
_LONGEST_FIELD = 1 << 24


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the statement that answers it."""

    db: str
    question: str
    sql: str


class SpiderMan:
    """The files of the collection, by their path below its top folder."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._texts = dict(_in_folder(source) if source.is_dir() else _in_tar(source))
        if QUERIES not in self._texts:
            raise UserError(
                f"{source}: no {QUERIES} in it; --spiderman takes SpiderMan's folder or its tar file"
            )
        csv.field_size_limit(_LONGEST_FIELD)

    def queries(self) -> list[Query]:
        """The training queries."""
        rows = csv.DictReader(StringIO(self._texts[QUERIES], newline=""))
        return [Query(row["database"], row["question"], row["sql"]) for row in rows]

    def databases(self) -> Mapping[str, list[Table]]:
        """Databases with the tables that have a file of rows."""
        found = {}
        for path in sorted(self._texts):
            if path.endswith("/schema.sql"):
                folder, db = path.rpartition("/")[0], path.split("/")[-2]
                found[db] = list(self._tables(folder, db))
        return found

    def _tables(self, folder: str, db: str) -> Iterator[Table]:
        for table in read_dump(self._texts[f"{folder}/schema.sql"]).get(db, []):
            text = self._texts.get(f"{folder}/data/{table.name}.csv")
            if text is None:
                continue
            head, *rows = csv.reader(StringIO(text, newline=""))
            names = {column.name: column for column in table.columns}
            if set(head) != set(names):
                raise UserError(
                    f"{self._source}: {folder}/data/{table.name}.csv has other columns than its table"
                )
            table.columns = [names[name] for name in head]
            values = ([None if value == _NULL else value for value in row] for row in rows)
            table.rows = [convert(row, table.columns) for row in values]
            yield table


def _in_folder(folder: Path) -> Iterator[tuple[str, str]]:
    top = next((path.parent for path in folder.rglob(QUERIES)), folder)
    for path in top.rglob("*"):
        if path.suffix in (".csv", ".sql"):
            yield path.relative_to(top).as_posix(), path.read_bytes().decode()


def _in_tar(file: Path) -> Iterator[tuple[str, str]]:
    """Read in memory: nothing of the archive is written anywhere."""
    if not file.is_file() or not tarfile.is_tarfile(file):
        raise UserError(f"{file}: neither a folder nor a tar file; --spiderman takes SpiderMan's")
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None and member.name.endswith((".csv", ".sql")):
                yield member.name.partition("/")[2], content.read().decode()
