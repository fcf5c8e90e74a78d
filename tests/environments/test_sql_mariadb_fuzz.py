"""Made-up statements on a real MariaDB server: whatever may run reads the own database alone, and ends no server.

The judge is the server itself: its user here may read `harbor` and not `museum`, so a statement that passes our
rules and is denied by the server for `museum` was misread by us.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from rro.tasks.environments.intercode_sql.load_mysql import load
from rro.tasks.environments.intercode_sql.mysql_address import PASSWORD, read_address
from rro.tasks.environments.intercode_sql.mysql_database import wording
from rro.tasks.environments.intercode_sql.mysql_rules import permit
from rro.tasks.environments.intercode_sql.mysql_session import ServerError, Session
from rro.tasks.environments.intercode_sql.statements import StatementError, read_statement
from tests.environments import mariadb
from tests.environments.small_sql import DB, write_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(mariadb.MISSING is not None, reason=str(mariadb.MISSING)),
]

STATEMENTS = 10_000
DENIED = (1044, 1142, 1143)
_NAMES = (
    "window offset fetch except value row of first date \u017felect l\u0131mit `select` `from` `,` `(` 1a $ x"
)
_JOINS = ", |,| JOIN | INNER JOIN | CROSS JOIN | NATURAL JOIN | STRAIGHT_JOIN | NATURAL LEFT JOIN "
_VALUES = "1|2.5|name|length|guests|NULL|'a'|NOW()|COUNT(*)|harbor.boats.id|museum.rooms.id"
_NOISE = (
    "/**/| |\n|-- \n|--\u00a0\n|#\n|(|)|,|`|\u00a0|.| museum.rooms |/*+ x */|\u017f|\u0131| , museum.rooms|.1"
)
NAMES, JOINS, VALUES, NOISE = _NAMES.split(), *(words.split("|") for words in (_JOINS, _VALUES, _NOISE))
FAR = (
    "museum.rooms",
    "`museum`.rooms",
    "museum . rooms",
    "museum/**/./**/rooms",
    "MUSEUM.ROOMS",
    "museum.`rooms`",
)
HINTS = (" USE INDEX ()", " IGNORE INDEX (`PRIMARY`)", " FORCE INDEX FOR ORDER BY (`PRIMARY`)")


class Grammar:
    """Makes SELECTs of all shapes, a few of them broken."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._aliases = 0

    def statement(self) -> str:
        made = self.select(3)
        if self.often(0.2):
            place = self._random.randrange(len(made))
            made = made[:place] + self.one(*NOISE) + made[place:]
        return made

    def often(self, share: float) -> bool:
        return self._random.random() < share

    def one(self, *choices: str) -> str:
        return self._random.choice(choices)

    def alias(self) -> str:
        self._aliases += 1
        return self.one("", f" t{self._aliases}", f" AS t{self._aliases}", f" {self.one(*NAMES)}")

    def table(self, depth: int) -> str:
        if depth <= 0 or self.often(0.75):
            own = self.one("boats", "trips", "harbor.boats") + self.alias()
            return own + (self.one(*HINTS) if self.often(0.1) else "")
        if self.often(0.1):
            return self.one(*FAR) + self.alias()
        if self.often(0.6):
            return f"({self.select(depth - 1)}){self.one(' AS ', ' ')}{self.one(*NAMES)}"
        return f"({self.tables(depth - 1)})"

    def tables(self, depth: int) -> str:
        made = self.table(depth)
        for _ in range(self._random.randint(0, 2)):
            if self.often(0.3):
                outer = self.one("LEFT", "RIGHT OUTER")
                made += f" {outer} JOIN {self.table(depth)} ON {self.expression(depth - 1)}"
            else:
                made += self.one(*JOINS) + self.table(depth)
        return made

    def expression(self, depth: int) -> str:
        if depth <= 0 or self.often(0.3):
            return self.one(*VALUES)
        inner = [self.expression(depth - 1) for _ in range(3)]
        shapes: list[Callable[[], str]] = [
            lambda: f"({self.select(depth - 1)})",
            lambda: f"EXISTS ({self.select(depth - 1)})",
            lambda: f"{inner[0]} IN ({self.select(depth - 1)})",
            lambda: f"{inner[0]} > ALL ({self.select(depth - 1)})",
            lambda: f"{self.one('COALESCE', 'IF', 'LEAST')}({', '.join(inner)})",
            lambda: f"{self.one('SUM', 'MAX', 'GROUP_CONCAT', 'STD')}({inner[0]})",
            lambda: f"{self.one('RANK()', 'LAG(name)', 'NTILE(2)')} OVER (ORDER BY {inner[0]})",
            lambda: f"EXTRACT(YEAR FROM {inner[0]})",
            lambda: f"TRIM(BOTH 'a' FROM {inner[0]})",
            lambda: f"CASE WHEN {inner[0]} THEN {inner[1]} ELSE {inner[2]} END",
            lambda: f"({inner[0]}{self.one(' + ', ' AND ', '=', ' DIV ')}{inner[1]})",
        ]
        return self._random.choice(shapes)()

    def select(self, depth: int) -> str:
        if depth > 0 and self.often(0.08):
            columns = self.one("", " (a)")
            return f"WITH {self.one(*NAMES)}{columns} AS ({self.select(depth - 1)}) {self.select(depth - 1)}"
        if self.often(0.03):
            return "TABLE " + self.one("boats", *FAR)
        columns = ", ".join(self.expression(depth) + self.alias() for _ in range(self._random.randint(1, 2)))
        made = f"SELECT {self.one('', '', 'DISTINCT ', 'STRAIGHT_JOIN ', 'SQL_NO_CACHE ')}{columns}"
        made += self.one(" FROM ", "\nFROM\t", " FROM/**/") + self.tables(depth)
        for words, share in (("WHERE", 0.3), ("GROUP BY", 0.2), ("HAVING", 0.1), ("ORDER BY", 0.2)):
            made += f" {words} {self.expression(depth - 1)}" if self.often(share) else ""
        made += self.one(" LIMIT 1", " LIMIT 1 OFFSET 1", " LIMIT 1, 2") if self.often(0.2) else ""
        if depth > 0 and self.often(0.12):
            made += self.one(" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT ") + self.select(depth - 1)
        return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mariadb.MariaDb]:
    folder: Path = tmp_path_factory.mktemp("m")
    with pytest.MonkeyPatch.context() as patch, mariadb.running(folder / "d") as running:
        patch.setenv(PASSWORD, "secret")
        list(load(str(write_folder(folder / "small")), running.admin))
        running.ask("REVOKE SELECT, SHOW VIEW ON museum.* FROM rro")
        yield running


@pytest.mark.parametrize("seed", range(2))
def test_what_may_run_reads_no_other_database_and_ends_no_server(server: mariadb.MariaDb, seed: int) -> None:
    grammar = Grammar(seed)
    session = Session(read_address(server.url("rro:secret")))
    session.ask("SET SESSION max_statement_time = 1")
    session.use(DB)
    refused = ran = 0
    for _ in range(STATEMENTS):
        statement = grammar.statement()
        try:
            read = read_statement(statement)
            permit(read, DB, may_grow=True)
        except StatementError:
            refused += 1
            continue
        try:
            session.ask(wording(read))
            ran += 1
        except ServerError as error:
            number, message = error.args
            assert session.is_open, f"ended the server: {statement}"
            assert number not in DENIED or "museum" not in message.lower(), f"misread: {statement}"
    session.close()
    assert refused > STATEMENTS / 20
    assert ran > STATEMENTS / 50
