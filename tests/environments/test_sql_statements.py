"""How a statement is read into tokens, and what is refused before anything is run."""

import pytest

from rro.tasks.environments.intercode_sql.statements import (
    LONGEST,
    Kind,
    StatementError,
    read_statement,
    tokenize,
)


def values(source: str) -> list[str]:
    return [token.value for token in read_statement(source).tokens]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("select a.b FROM t", ["SELECT", "A", ".", "B", "FROM", "T"]),
        ("SELECT 'it''s', \"it's\", 'it\\'s'", ["SELECT", "it's", ",", "it's", ",", "it's"]),
        ("SELECT 'a\\nb\\%\\\\'", ["SELECT", "a\nb\\%\\"]),
        ('SELECT "a""b"', ["SELECT", 'a"b']),
        ("SELECT `a b`, `c``d`", ["SELECT", "a b", ",", "c`d"]),
        ("SELECT 1.5e3, .5, 0xFF, 2abc", ["SELECT", "1.5e3", ",", ".5", ",", "0xFF", ",", "2ABC"]),
        ("SELECT 1 -- two\n+ 3", ["SELECT", "1", "+", "3"]),
        ("SELECT 1--1", ["SELECT", "1", "-", "-", "1"]),
        ("SELECT 1 # two", ["SELECT", "1"]),
        ("SELECT/* a /* b */1", ["SELECT", "1"]),
        ("a <=> b && c || d != e <> f", ["A", "<=>", "B", "&&", "C", "||", "D", "!=", "E", "<>", "F"]),
        ("SELECT 1;;\n ;", ["SELECT", "1"]),
        ("SELECT größe FROM größen", ["SELECT", "GRÖSSE", "FROM", "GRÖSSEN"]),
    ],
)
def test_tokens_are_mysqls(source: str, expected: list[str]) -> None:
    assert values(source) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "Query was empty"),
        (" ;\n-- nothing\n", "Query was empty"),
        ("SELECT 1; SELECT 2", "near 'SELECT 2' at line 1"),
        ("SELECT 1;\n;\nDROP TABLE t", "near ';\nDROP TABLE t' at line 2"),
        ("SELECT 1 /*! + 1 */", "Comments that a server executes"),
        ("SELECT 1 /*M! + 1 */", "Comments that a server executes"),
        ("SELECT 1 /* ", "near '/* ' at line 1"),
        ("SELECT 'abc", "near ''abc' at line 1"),
        ("SELECT `abc", "near '`abc' at line 1"),
        ("SELECT 1\0", "Invalid utf8mb4 character string"),
        ("SELECT '\ud83d'", "Invalid utf8mb4 character string"),
        ("SELECT '" + "a" * LONGEST + "'", "20,009 characters; at most 20,000 are allowed"),
        ("SELECT ￥", "near '￥' at line 1"),
    ],
)
def test_what_is_no_single_statement_is_refused(source: str, words: str) -> None:
    with pytest.raises(StatementError) as refused:
        read_statement(source)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT  a\nFROM t;", "select A from T -- x", True),
        ("SELECT 'A'", "SELECT 'a'", False),
        ("SELECT 'it''s'", 'SELECT "it\'s"', True),
        ("SELECT COUNT(*)", "SELECT COUNT (*)", False),
        ("SELECT a=b", "SELECT a = b", True),
    ],
)
def test_equal_statements_have_one_canonical_form(one: str, other: str, same: bool) -> None:
    assert (read_statement(one).canonical == read_statement(other).canonical) is same


def test_the_text_of_a_statement_has_its_comments_replaced_and_its_spaces_kept() -> None:
    assert read_statement("SELECT/**/COUNT(*), COUNT (*) # x").text == "SELECT COUNT(*), COUNT (*)"


def test_the_keyword_is_the_first_word_behind_parentheses() -> None:
    assert read_statement("((select 1))").keyword == "SELECT"
    assert read_statement("1").keyword == ""


def test_a_trusted_script_may_have_comments_for_the_server() -> None:
    assert [token.kind for token in tokenize("/*!40101 SET x */ ;", trusted=True)] == [Kind.SYMBOL]
