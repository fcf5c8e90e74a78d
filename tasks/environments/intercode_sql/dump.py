"""Reads MySQL's CREATE TABLE and INSERT statements, as `mysqldump` and SpiderMan's `schema.sql` write them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from rro.tasks.environments.intercode_sql.dates import moment
from rro.tasks.environments.intercode_sql.statements import Kind, StatementError, Token, tokenize
from rro.tasks.environments.intercode_sql.tables import Column, Table, Value
from rro.tasks.errors import UserError

Tokens = Sequence[Token]

_TYPES = {
    "integer": "int",
    "real": "double",
    "bool": "tinyint(1)",
    "boolean": "tinyint(1)",
    "character": "char",
    "dec": "decimal",
    "numeric": "decimal",
}
"""Other names of types to those that MySQL 8 prints."""
_WITHOUT_WIDTH = (
    "int",
    "smallint",
    "mediumint",
    "bigint",
    "year",
    "tinyint",
    "double",
    "date",
    "datetime",
    "timestamp",
)
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\Z")


def read_dump(text: str) -> dict[str, list[Table]]:
    """Databases and their tables with rows; statements of other kinds are passed over.

    A database is what the latest USE named; tables with a database in their name go there.
    """
    databases: dict[str, dict[str, Table]] = {}
    current = ""
    for tokens in _statements(text):
        if tokens[0].says("USE"):
            current = _written(tokens[1])
        elif tokens[0].says("CREATE") and tokens[1].says("TABLE"):
            database, table = _table(tokens, current)
            databases.setdefault(database, {})[table.name] = table
        elif tokens[0].says("INSERT"):
            _insert(tokens, databases.get(current, {}))
    return {name: list(tables.values()) for name, tables in databases.items()}


def _statements(text: str) -> Iterator[Tokens]:
    try:
        tokens = tokenize(text, trusted=True)
    except StatementError as error:
        raise UserError(f"the SQL cannot be read: {error}") from None
    begin = 0
    for end, token in enumerate(tokens):
        if token.text == ";":
            if end > begin:
                yield tokens[begin:end]
            begin = end + 1


def _table(tokens: Tokens, database: str) -> tuple[str, Table]:
    opened = next(place for place, token in enumerate(tokens) if token.text == "(")
    names = [_written(token) for token in tokens[2:opened] if token.is_name]
    table = Table(names[-1])
    if tokens[opened - 2].text == ".":
        database = names[-2]
    for part in _parts(tokens[opened + 1 :]):
        _read_part(part, table)
    return database, table


def _parts(tokens: Tokens) -> Iterator[Tokens]:
    """What stands between commas, up to the parenthesis that closes all."""
    depth, begin = 0, 0
    for place, token in enumerate(tokens):
        if (token.text == "," and not depth) or depth < 0:
            yield tokens[begin:place]
            begin = place + 1
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            yield tokens[begin:place]
            return


def _read_part(part: Tokens, table: Table) -> None:
    if part[0].says("CONSTRAINT"):
        part = part[2:]
    if part[0].says("PRIMARY"):
        table.primary = _in_parentheses(part)
    elif part[0].says("UNIQUE"):
        table.unique.append(_in_parentheses(part))
    elif part[0].says("KEY", "INDEX", "FOREIGN"):
        table.keys.append(_in_parentheses(part))
    elif not part[0].says("CHECK", "FULLTEXT", "SPATIAL"):
        table.columns.append(_column(part, table))


def _column(part: Tokens, table: Table) -> Column:
    name = _written(part[0])
    words = [token.value for token in part]
    column = Column(name, _type(part[1:]), null="NOT" not in words)
    if "AUTO_INCREMENT" in words:
        column.extra = "auto_increment"
    if "PRIMARY" in words:
        table.primary = [name]
    if "UNIQUE" in words:
        table.unique.append([name])
    if "DEFAULT" in words:
        default = part[words.index("DEFAULT") + 1]
        column.default = None if default.says("NULL") else default.value
    if column.default == "CURRENT_TIMESTAMP":
        column.extra = "DEFAULT_GENERATED"
    return column


def _type(part: Tokens) -> str:
    """The type as MySQL 8 prints it: no width of whole numbers, `decimal(10,0)` where no digits are given."""
    word = _TYPES.get(part[0].text.lower(), part[0].text.lower())
    digits = ""
    if len(part) > 1 and part[1].text == "(":
        closed = next(place for place, token in enumerate(part) if token.text == ")")
        digits = "".join(token.text for token in part[1 : closed + 1])
    if part[0].says("NUMERIC") and not digits:
        return "double"
    if word == "decimal":
        return word + (digits or "(10,0)").replace(")", ",0)" if digits and "," not in digits else ")")
    return word if word in _WITHOUT_WIDTH and digits != "(1)" else word + digits


def _in_parentheses(part: Tokens) -> list[str]:
    opened = next(place for place, token in enumerate(part) if token.text == "(")
    closed = next(place for place, token in enumerate(part) if token.text == ")" and place > opened)
    return [_written(token) for token in part[opened + 1 : closed] if token.is_name]


def _insert(tokens: Tokens, tables: dict[str, Table]) -> None:
    table = tables[
        _written(next(token for token in tokens[1:] if token.is_name and not token.says("INTO", "IGNORE")))
    ]
    values = next(place for place, token in enumerate(tokens) if token.says("VALUES"))
    row: list[Value] = []
    sign = ""
    for token in tokens[values + 1 :]:
        if token.text == "-":
            sign = "-"
        elif token.text == ")":
            table.rows.append(convert(row, table.columns))
            row = []
        elif token.text not in ("(", ","):
            row.append(None if token.says("NULL") else sign + token.value)
            sign = ""


def convert(row: Iterable[Value], columns: Sequence[Column]) -> tuple[Value, ...]:
    """A row of texts as values of the columns' types, as MySQL stores them."""
    return tuple(_stored(value, column) for value, column in zip(row, columns, strict=True))


def _stored(value: Value, column: Column) -> Value:
    if not isinstance(value, str) or column.is_text:
        return value
    if column.type in ("date", "datetime", "timestamp"):
        found = moment(value.replace("/", "-"))
        if found is None:
            return value
        return found.date().isoformat() if column.type == "date" else found.isoformat(" ")
    if not _NUMBER.match(value):
        return value
    return _number(value, column)


def _number(text: str, column: Column) -> Value:
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return text
    if column.is_whole:
        return int(exact.to_integral_value(ROUND_HALF_UP))
    return float(exact)


def _written(token: Token) -> str:
    """A name as it was written."""
    return token.text if token.kind is Kind.WORD else token.value
