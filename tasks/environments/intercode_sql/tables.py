"""Tables on their way into a prepared folder: written for MySQL and SQLite alike."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rro.tasks.environments.intercode_sql.data import Column as Described

Value = str | int | float | None
ROWS_AT_ONCE = 200
"""Rows of one INSERT."""

_WHOLE = ("int", "tinyint", "smallint", "mediumint", "bigint", "year")


@dataclass(slots=True)
class Column:
    """A column as MySQL 8 describes it."""

    name: str
    type: str
    null: bool = True
    default: str | None = None
    extra: str = ""

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return any(word in self.type for word in ("char", "text", "enum", "set("))

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers."""
        return self.type.partition("(")[0].partition(" ")[0] in _WHOLE


@dataclass(slots=True)
class Table:
    """A table with its keys and rows."""

    name: str
    columns: list[Column] = field(default_factory=list)
    primary: list[str] = field(default_factory=list)
    unique: list[list[str]] = field(default_factory=list)
    keys: list[list[str]] = field(default_factory=list)
    """Other indexes, those of foreign keys among them."""
    rows: list[tuple[Value, ...]] = field(default_factory=list)

    def described(self) -> list[Described]:
        """The rows of DESC."""
        return [self._described(column) for column in self.columns]

    def _described(self, column: Column) -> Described:
        return (
            column.name,
            column.type,
            "YES" if column.null and column.name not in self.primary else "NO",
            self._key(column.name),
            column.default,
            column.extra,
        )

    def _key(self, name: str) -> str:
        if name in self.primary:
            return "PRI"
        if [name] in self.unique:
            return "UNI"
        return "MUL" if any(key[0] == name for key in [*self.unique, *self.keys]) else ""

    def script(self) -> Iterator[str]:
        """Statements that make the table and its rows, in words that both MySQL and SQLite understand.

        Texts have no escapes but the doubled quote, so MySQL needs the mode NO_BACKSLASH_ESCAPES.
        """
        lines = [f"  {_declaration(column, self.primary)}" for column in self.columns]
        lines += [f"  PRIMARY KEY ({_names(self.primary)})"] if self.primary else []
        yield f"CREATE TABLE {_name(self.name)} (\n" + ",\n".join(lines) + "\n);\n"
        for begin in range(0, len(self.rows), ROWS_AT_ONCE):
            rows = (f"({', '.join(map(_literal, row))})" for row in self.rows[begin : begin + ROWS_AT_ONCE])
            yield f"INSERT INTO {_name(self.name)} VALUES\n" + ",\n".join(rows) + ";\n"
        for number, key in enumerate(self._indexes(), 1):
            title = _name(f"{self.name}_key_{number}")
            yield f"CREATE INDEX {title} ON {_name(self.name)} ({_names(key)});\n"

    def _indexes(self) -> Iterator[list[str]]:
        """Keys that both can make: MySQL needs a length for those of long texts, which SQLite does not know."""
        long = {column.name for column in self.columns if column.type.endswith("text")}
        for key in map(list, dict.fromkeys(map(tuple, [*self.unique, *self.keys]))):
            if key != self.primary[: len(key)] and not long & set(key):
                yield key


def _declaration(column: Column, primary: Sequence[str]) -> str:
    # SQLite takes all words before NOT NULL for the type, so it does not stumble over MySQL's AUTO_INCREMENT.
    kind = f"{column.type} AUTO_INCREMENT" if column.extra == "auto_increment" else column.type
    needed = " NOT NULL" if not column.null or column.name in primary else ""
    default = "" if column.default is None else f" DEFAULT {_default(column.default)}"
    return f"{_name(column.name)} {kind}{needed}{default}"


def _default(value: str) -> str:
    return value if value == "CURRENT_TIMESTAMP" else _literal(value)


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(_name, names))


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
