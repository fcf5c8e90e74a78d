"""Tables and rows of the made-up databases, and how they are written down for SQLite, MySQL and `DESC`."""

import json
from dataclasses import dataclass
from random import Random

from rro.tasks.environments.intercode_sql.generate.lexicon import (
    CHOICES,
    DECIMALS,
    KINDS,
    NAMES,
    NUMBERS,
    Domain,
    Kind,
)

Value = str | int | float
Described = list[list[str | None]]
"""What `DESC` answers: Field, Type, Null, Key, Default, Extra of each column."""

ROWS = (14, 34)
COLUMNS = (3, 5)
"""Fewest and most rows of a table, and columns beside its keys and its name."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its rows; `parents` maps a referring column to the table it refers to."""

    kind: Kind
    columns: tuple[str, ...]
    parents: dict[str, str]
    rows: tuple[tuple[Value, ...], ...]

    @property
    def name(self) -> str:
        """What SQL calls it."""
        return self.kind.table

    def values(self, column: str) -> list[Value]:
        """A column's values, row by row."""
        at = self.columns.index(column)
        return [row[at] for row in self.rows]

    @property
    def numbers(self) -> tuple[str, ...]:
        """Its columns that count or measure."""
        return tuple(c for c in self.columns if c in NUMBERS or c in DECIMALS)

    @property
    def choices(self) -> tuple[str, ...]:
        """Its columns of a few words."""
        return tuple(c for c in self.columns if c in CHOICES)


def make_tables(domain: Domain, random: Random) -> dict[str, Table]:
    """The tables of a database, each with columns drawn from those its kind may have."""
    tables: dict[str, Table] = {}
    for name, parents in domain.tables:
        kind = KINDS[name]
        links = {f"{KINDS[parent].one}_id": parent for parent in parents}
        count = random.randint(*ROWS)
        referred = {column: len(tables[parent].rows) for column, parent in links.items()}
        columns = ("id", *(["name"] if kind.named else []), *_choose(kind, random), *links)
        drawn = [_column(column, count, referred, random) for column in columns]
        tables[name] = Table(kind, columns, links, tuple(zip(*drawn, strict=True)))
    return tables


def _choose(kind: Kind, random: Random) -> list[str]:
    """Some of the kind's columns in shuffled order; at least a number and a word, so that there is what to ask."""
    while True:
        chosen = random.sample(kind.columns, k=min(len(kind.columns), random.randint(*COLUMNS)))
        if any(c in CHOICES for c in chosen) and any(c in NUMBERS for c in chosen):
            return chosen


def _column(column: str, count: int, referred: dict[str, int], random: Random) -> list[Value]:
    """Values of one column. Numbers are unique, so an order or a maximum by them has no ties."""
    if column == "id":
        return list(range(1, count + 1))
    if column == "name":
        return list(random.sample(NAMES, k=count))
    if column in referred:
        return [_skewed(referred[column], random) for _ in range(count)]
    if column in NUMBERS:
        low, high = NUMBERS[column]
        return list(random.sample(range(low, high + 1), k=count))
    if column in DECIMALS:
        low, high = DECIMALS[column]
        return [tenths / 10 for tenths in random.sample(range(low, high + 1), k=count)]
    few = random.sample(CHOICES[column], k=min(len(CHOICES[column]), random.randint(3, 6)))
    return [few[_skewed(len(few), random) - 1] for _ in range(count)]


def _skewed(most: int, random: Random) -> int:
    """A number from 1 to `most`, small ones more often: some parents have many children, some have none."""
    return 1 + int(most * random.random() ** 1.6)


def describe(table: Table) -> Described:
    """The rows that MySQL answers to `DESC`."""
    described: Described = []
    for column in table.columns:
        key = "PRI" if column == "id" else "MUL" if column in table.parents else ""
        described.append([column, _type(column), "NO" if column == "id" else "YES", key, None, ""])
    return described


def _type(column: str) -> str:
    if column in DECIMALS:
        return "double"
    return "varchar(40)" if column == "name" or column in CHOICES else "int"


def sql_text(tables: dict[str, Table]) -> str:
    """The database as SQL that SQLite, MySQL and MariaDB load: referred tables come first."""
    return "".join(_create(table) + _insert(table) for table in tables.values())


def _create(table: Table) -> str:
    lines = [f"  `{c}` {_type(c)}{' NOT NULL' if c == 'id' else ' DEFAULT NULL'}" for c in table.columns]
    lines.append("  PRIMARY KEY (`id`)")
    lines += [f"  FOREIGN KEY (`{c}`) REFERENCES `{parent}` (`id`)" for c, parent in table.parents.items()]
    inside = ",\n".join(lines)
    return f"CREATE TABLE `{table.name}` (\n{inside}\n);\n"


def _insert(table: Table) -> str:
    rows = ",\n".join(f"({', '.join(map(literal, row))})" for row in table.rows)
    return f"INSERT INTO `{table.name}` VALUES\n{rows};\n"


def literal(value: Value) -> str:
    """A value as SQL writes it. No word of the lexicon has a quotation mark."""
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)
