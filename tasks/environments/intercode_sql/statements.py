"""Reads one statement of an agent into tokens, by MySQL's rules, so that nothing hides in a string or a comment.

Both kinds of databases look at a statement through this module before anything is run. Refused here, in the
words of a MySQL server where it has such: more than one statement, comments that a server would execute,
characters that are no text, strings and comments that never end, statements that are very long.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

LONGEST = 20_000
"""Characters of a statement; the longest gold query of InterCode-SQL has 410."""

READING = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
"""First words of statements that read rows."""
LOOKING = frozenset({"SHOW", "DESC", "DESCRIBE", "EXPLAIN", "USE"})
"""First words of statements about tables and databases."""
_CHANGING = """
    ALTER ANALYZE ATTACH BEGIN BINLOG CACHE CALL CHANGE CHECK CHECKSUM CLONE COMMIT COPY CREATE DEALLOCATE DELETE
    DELIMITER DETACH DO DROP EXECUTE FLUSH GET GRANT HANDLER HELP IMPORT INSERT INSTALL KILL LOAD LOCK MERGE
    OPTIMIZE PRAGMA PREPARE PURGE REINDEX RELEASE RENAME REPAIR REPLACE RESET RESIGNAL RESTART REVOKE ROLLBACK
    SAVEPOINT SET SHUTDOWN SIGNAL START STOP TRUNCATE UNINSTALL UNLOCK UPDATE UPSERT VACUUM XA
"""
CHANGING = frozenset(_CHANGING.split())
"""First words of all other statements, of MySQL, MariaDB and SQLite; every one of them is refused."""
STATEMENTS = READING | LOOKING | CHANGING

EMPTY = "Query was empty"
SYNTAX = (
    "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version "
    "for the right syntax to use near '{near}' at line {line}"
)
_SHOWN = 80
"""Characters of the rest of a statement that MySQL shows after a syntax error."""


class StatementError(Exception):
    """A statement that is not run; its message is what the agent reads."""


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    """A keyword, a name, or the name of a function."""
    NAME = "name"
    """A name in backticks."""
    TEXT = "text"
    """A string in single or double quotes."""
    NUMBER = "number"
    SYMBOL = "symbol"


class Token(NamedTuple):
    """One token, and where it stood."""

    kind: Kind
    text: str
    """As written."""
    value: str
    """A word in upper case; a name or a string without its quotes and escapes; else as written."""
    start: int

    @property
    def end(self) -> int:
        """The first place after it."""
        return self.start + len(self.text)

    @property
    def is_name(self) -> bool:
        """Whether it can name a table or a column."""
        return self.kind in (Kind.WORD, Kind.NAME)

    def says(self, *words: str) -> bool:
        """Whether it is one of these keywords (upper case) or symbols."""
        return self.value in words and self.kind in (Kind.WORD, Kind.SYMBOL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, its comments and final semicolons left out of the tokens."""

    source: str
    tokens: tuple[Token, ...]

    @property
    def keyword(self) -> str:
        """The first word in upper case, opening parentheses skipped; empty if no word stands there."""
        first = next((token for token in self.tokens if token.text != "("), None)
        return first.value if first is not None and first.kind is Kind.WORD else ""

    @property
    def text(self) -> str:
        """As written, but each comment or run of blanks is one space."""
        return self._joined(lambda token: token.text, lambda before, token: before.end == token.start)

    @property
    def canonical(self) -> str:
        """Equal for statements that do the same: words in lower case, strings as values, one space between.

        Only before a parenthesis a missing space counts: MySQL takes `COUNT (*)` for a syntax error.
        """
        return self._joined(_plain, lambda before, token: token.text == "(" and before.end == token.start)

    def syntax_error(self, token: Token | None = None) -> str:
        """MySQL's message for a syntax error at `token`, or at the end."""
        return syntax_error(self.source, self.tokens[-1].end if token is None else token.start)

    def _joined(self, write: Callable[[Token], str], glued: Callable[[Token, Token], bool]) -> str:
        words = [write(token) for token in self.tokens[:1]]
        for before, token in pairwise(self.tokens):
            words.append(write(token) if glued(before, token) else f" {write(token)}")
        return "".join(words)


def syntax_error(source: str, at: int) -> str:
    """MySQL's message for a syntax error at this place of `source`."""
    return SYNTAX.format(near=source[at : at + _SHOWN], line=source.count("\n", 0, at) + 1)


def read_statement(source: str) -> Statement:
    """The one statement in `source`; `StatementError` if there is none, more than one, or something refused."""
    if len(source) > LONGEST:
        raise StatementError(f"The statement has {len(source):,} characters; at most {LONGEST:,} are allowed")
    if "\0" in source or not _encodable(source):
        raise StatementError("Invalid utf8mb4 character string")
    tokens = tokenize(source)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        raise StatementError(EMPTY)
    for token, after in pairwise(tokens):
        if token.text == ";":
            raise StatementError(syntax_error(source, after.start))
    return Statement(source, tuple(tokens))


_COMMENT = re.compile(
    r"--(?=[\s\x00-\x1f]|\Z)[^\n]*+|\#[^\n]*+|/\*(?P<runs>M?!)?.*?(?P<closed>\*/|\Z)", re.DOTALL
)
_TOKEN = re.compile(
    r"""
      (?P<text>   '(?:[^'\\]++|\\.|'')*+' | "(?:[^"\\]++|\\.|"")*+" )
    | (?P<name>   `(?:[^`]++|``)*+` )
    | (?P<number> 0[xX][0-9a-fA-F]++(?![\w$]) | (?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?(?![\w$]) )
    | (?P<word>   [\w$]++ )
    | (?P<symbol> <=> | != | <> | <= | >= | && | \|\| | := | << | >> | ->>? | @@? | [-+*/%=<>!~^&|(),.;?:{}\[\]\\] )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"\s++")
_ESCAPED = {quote: re.compile(rf"\\(.)|{quote}({quote})", re.DOTALL) for quote in "'\""}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a", "%": "\\%", "_": "\\_"}
_KINDS = {kind.value: kind for kind in Kind}


def tokenize(source: str, trusted: bool = False) -> list[Token]:
    """All tokens of `source`, comments left out; a trusted one may have comments that a server executes."""
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        if skipped := _BLANK.match(source, at):
            at = skipped.end()
        elif comment := _COMMENT.match(source, at):
            if not trusted:
                _check_comment(source, comment)
            at = comment.end()
        else:
            tokens.append(_token(source, at))
            at = tokens[-1].end
    return tokens


def _token(source: str, at: int) -> Token:
    found = _TOKEN.match(source, at)
    if found is None:
        raise StatementError(syntax_error(source, at))
    kind, text = _KINDS[found.lastgroup or ""], found[0]
    return Token(kind, text, _value(kind, text), at)


def _value(kind: Kind, text: str) -> str:
    if kind is Kind.WORD:
        return text.upper()
    if kind is Kind.NAME:
        return text[1:-1].replace("``", "`")
    if kind is Kind.TEXT:
        return _ESCAPED[text[0]].sub(lambda found: found[2] or _ESCAPES.get(found[1], found[1]), text[1:-1])
    return text


def _check_comment(source: str, comment: re.Match[str]) -> None:
    """Refuse what a server would execute, and a comment that never ends."""
    if comment["runs"]:
        raise StatementError("Comments that a server executes (/*! ... */) are not allowed")
    if comment[0].startswith("/*") and not comment["closed"]:
        raise StatementError(syntax_error(source, comment.start()))


def _plain(token: Token) -> str:
    if token.kind is Kind.WORD:
        return token.text.lower()
    return repr(token.value) if token.kind is Kind.TEXT else token.text


def _encodable(text: str) -> bool:
    """Whether it is text: no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
