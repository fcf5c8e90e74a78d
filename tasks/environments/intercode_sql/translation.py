"""Rewrites a statement from MySQL's dialect to SQLite's, token by token.

Only what differs is touched: strings in double quotes, division, logical operators, types of CAST, intervals,
functions with words between their arguments, text compared with numbers. What is left that SQLite does not know
is an error which the agent reads; docs/intercode_sql.md lists it.
"""

from functools import partial

from rro.tasks.environments.intercode_sql.calls import Call, rewritten
from rro.tasks.environments.intercode_sql.collation import COLLATION
from rro.tasks.environments.intercode_sql.data import Schema
from rro.tasks.environments.intercode_sql.dates import UNITS
from rro.tasks.environments.intercode_sql.statements import Kind, Statement, StatementError, Token

DEEPEST = 40
"""Functions that are rewritten, one inside the other."""

_COMPARISONS = ("=", "<>", "!=", "<", ">", "<=", ">=")
_INSTEAD = {
    "/": "* 1.0 /",
    "DIV": "/",
    "MOD": "%",
    "&&": "AND",
    "||": "OR",
    "!": "NOT",
    "<=>": "IS",
    "RLIKE": "REGEXP",
    "STRAIGHT_JOIN": "JOIN",
    "DISTINCTROW": "DISTINCT",
    **dict.fromkeys(("BINARY", "SQL_NO_CACHE", "SQL_CALC_FOUND_ROWS", "HIGH_PRIORITY"), ""),
}
"""Words and symbols that have another form, wherever they stand."""
_UNKNOWN = frozenset(("@", "@@", ":=", ":", "?", "{", "}", "[", "]", "\\", "->", "->>", "^"))
"""Symbols that mean something in one of the two dialects only."""
_RENAMED = {"IF": "iif", "ISNULL": "isnull_", "LEFT": "left_", "RIGHT": "right_"}
_NO_PARENTHESES = ("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP")
_RESERVED = frozenset(
    ("AUTOINCREMENT", "COMMIT", "DEFERRABLE", "ISNULL", "NOTHING", "NOTNULL", "TRANSACTION")
)
"""Names in MySQL that are keywords in SQLite."""
_NUMERIC = ("AVG", "COUNT", "SUM", "ROUND", "ABS", "STD", "STDDEV")
"""Functions whose result is a number whatever they are given."""


def to_sqlite(statement: Statement, schema: Schema) -> str:
    """The statement in SQLite's dialect; `StatementError` for what cannot be written in it."""
    return _Translator(statement, schema).text(0, len(statement.tokens))


class _Translator:
    """One statement, and which parenthesis closes which."""

    def __init__(self, statement: Statement, schema: Schema) -> None:
        self._statement = statement
        self._tokens = statement.tokens
        self._closing = self._pairs()
        columns = [column for table in schema.values() for column in table]
        self._texts = {name.upper() for name, kind, *_ in columns if "char" in kind or "text" in kind}

    def text(self, begin: int, end: int, depth: int = 0) -> str:
        """The tokens from `begin` to `end`, rewritten."""
        if depth > DEEPEST:
            raise StatementError("Too high level of nesting for select")
        written: list[tuple[int, str]] = []
        at = begin
        while at < end:
            after, words = self._next(at, depth, written)
            written.append((at, words))
            at = after
        return " ".join(words for _, words in written)

    def _pairs(self) -> dict[int, int]:
        opened, closing = [], {}
        for place, token in enumerate(self._tokens):
            if token.text == "(":
                opened.append(place)
            elif token.text == ")":
                if not opened:
                    raise StatementError(self._statement.syntax_error(token))
                closing[opened.pop()] = place
        if opened:
            raise StatementError(self._statement.syntax_error())
        return closing

    def _is(self, place: int, *words: str) -> bool:
        return 0 <= place < len(self._tokens) and self._tokens[place].says(*words)

    def _kind(self, place: int) -> Kind | None:
        return self._tokens[place].kind if 0 <= place < len(self._tokens) else None

    def _next(self, at: int, depth: int, written: list[tuple[int, str]]) -> tuple[int, str]:
        """The place after what begins at `at`, and what it becomes."""
        token = self._tokens[at]
        if token.kind is Kind.TEXT:
            return self._string(at)
        if token.kind is Kind.SYMBOL:
            return at + 1, self._symbol(at, token)
        if token.kind is Kind.NUMBER:
            return at + 1, token.text
        after = self._after_name(at)
        if token.kind is Kind.WORD and after == at + 1:
            return self._word(at, token.value, depth, written)
        return after, self._column(at, after)

    def _string(self, at: int) -> tuple[int, str]:
        """A string; neighbours are one, and beside an expression it brings MySQL's comparison with it."""
        after, value = at, ""
        while self._kind(after) is Kind.TEXT:
            value += self._tokens[after].value
            after += 1
        if "\0" in value:
            raise StatementError("Invalid utf8mb4 character string")
        compared = self._is(after, *_COMPARISONS) or (
            self._is(at - 1, *_COMPARISONS) and self._is(at - 2, ")")
        )
        return after, "'" + value.replace("'", "''") + "'" + (f" COLLATE {COLLATION}" if compared else "")

    def _symbol(self, at: int, token: Token) -> str:
        if token.text in _UNKNOWN:
            raise StatementError(self._statement.syntax_error(token))
        if token.text == "(" and self._is(at + 1, "SELECT", "WITH", "(") and self._begins_a_select(at):
            return "SELECT * FROM ("
        return _INSTEAD.get(token.text, token.text)

    def _begins_a_select(self, at: int) -> bool:
        """Whether a whole SELECT stands here: SQLite does not know those in parentheses."""
        if self._is(at - 1, "ALL", "DISTINCT"):
            at -= 1
        return at == 0 or self._is(at - 1, "UNION", "INTERSECT", "EXCEPT")

    def _after_name(self, at: int) -> int:
        """The place after the name that begins at `at`, its qualifying names included."""
        after = at + 1
        while self._is(after, ".") and after + 1 < len(self._tokens) and self._tokens[after + 1].is_name:
            after += 2
        return after

    def _word(self, at: int, word: str, depth: int, written: list[tuple[int, str]]) -> tuple[int, str]:
        if self._is(at + 1, "("):
            return self._call(at, word, depth)
        if word == "INTERVAL" and self._is(at - 1, "+", "-"):
            return self._shift(at, depth, written)
        if word == "FROM" and self._is(at + 1, "DUAL"):
            return at + 2, ""
        if word == "DISTINCT" and self._is(at - 1, "UNION"):
            return at + 1, ""
        if word == "COLLATE" and at + 1 < len(self._tokens):
            return at + 2, "COLLATE BINARY" if self._tokens[at + 1].value.endswith("_BIN") else ""
        if word in ("DATE", "TIMESTAMP", "TIME") and self._kind(at + 1) is Kind.TEXT:
            return at + 1, ""
        return at + 1, _INSTEAD[word] if word in _INSTEAD else self._column(at, at + 1)

    def _column(self, at: int, after: int) -> str:
        """A name; a column of text that is compared with a number is read as one, as MySQL does."""
        name = ".".join(self._name(token) for token in self._tokens[at:after:2])
        is_text = self._tokens[after - 1].value.upper() in self._texts
        return f"CAST({name} AS REAL)" if is_text and self._meets_number(at, after) else name

    def _name(self, token: Token) -> str:
        odd = token.text[0] in "$0123456789" or (token.kind is Kind.WORD and token.value in _RESERVED)
        return f"`{token.text}`" if odd else token.text

    def _meets_number(self, at: int, after: int) -> bool:
        if self._is(after, *_COMPARISONS, "BETWEEN"):
            return self._is_number(after + 1)
        if self._is(after + self._is(after, "NOT"), "IN"):
            return self._kind(after + self._is(after, "NOT") + 2) is Kind.NUMBER
        return self._is(at - 1, *_COMPARISONS) and self._kind(at - 2) is Kind.NUMBER

    def _is_number(self, at: int) -> bool:
        if self._is(at, "-", "+"):
            at += 1
        if self._is(at, "(") and self._is(at + 1, "SELECT"):
            at += 2
        return self._kind(at) is Kind.NUMBER or (self._is(at, *_NUMERIC) and self._is(at + 1, "("))

    def _call(self, at: int, word: str, depth: int) -> tuple[int, str]:
        """A function whose arguments are written otherwise in SQLite; of others at most the name changes."""
        begin, end = at + 2, self._closing[at + 1]
        if word in _NO_PARENTHESES and begin == end:
            return end + 1, word
        written = rewritten(
            word, Call(self._tokens, begin, end, self._closing, partial(self.text, depth=depth + 1))
        )
        if written is not None:
            return end + 1, written
        if word == "MOD" and (self._kind(at - 1) in (Kind.NUMBER, Kind.NAME) or self._is(at - 1, ")")):
            return at + 1, "%"
        return at + 1, _RENAMED.get(word, word)

    def _shift(self, at: int, depth: int, written: list[tuple[int, str]]) -> tuple[int, str]:
        """`operand + INTERVAL n unit`: takes the operand back from what is written."""
        sign = written.pop()[1]
        begin = self._operand(at - 2)
        operand = []
        while written and written[-1][0] >= begin:
            operand.append(written.pop()[1])
        after = at + 1
        while after < len(self._tokens) and self._tokens[after].value.upper() not in UNITS:
            after = self._closing[after] + 1 if self._is(after, "(") else after + 1
        if not operand or after == len(self._tokens):
            raise StatementError(self._statement.syntax_error(self._tokens[at]))
        count, unit = self.text(at + 1, after, depth + 1), self._tokens[after].value
        return after + 1, f"shifted_({' '.join(reversed(operand))}, {sign}({count}), '{unit}')"

    def _operand(self, last: int) -> int:
        """Where the operand begins that ends at `last`: a name, a value or a call."""
        begin = last
        if self._is(last, ")"):
            begin = next(opened for opened, closed in self._closing.items() if closed == last)
            begin -= self._kind(begin - 1) is Kind.WORD
        while self._is(begin - 1, "."):
            begin -= 2
        return begin
