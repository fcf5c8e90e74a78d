"""How results are printed."""

import io
import json
import re

import pytest
from rich.console import Console

from rro.flows.command_line.bars import bars, figure
from rro.flows.command_line.output import cell, printable
from rro.tasks.progress import Progress
from tests.cli.conftest import Rro

HOSTILE = "SELECT '[red]a[/red]' AS x, chr(27) || '[2Jb' AS y, 'c|d' AS z, chr(10) AS n, 0.5::DOUBLE AS v"


def test_a_table_shows_markup_and_control_characters_as_text(rro: Rro) -> None:
    shown = rro("sql", HOSTILE).out
    assert "[red]a[/red]" in shown
    assert "\\x1b[2Jb" in shown
    assert "\x1b" not in shown


def test_markdown_shows_text_literally(rro: Rro) -> None:
    lines = rro("sql", HOSTILE, "--format", "md").out.splitlines()
    assert lines == [
        "| x | y | z | n | v |",
        "| --- | --- | --- | --- | --- |",
        r"| \[red\]a\[/red\] | \\x1b\[2Jb | c\|d | \\n | 0.5 |",
    ]


def test_csv_and_json_hold_the_values_themselves(rro: Rro) -> None:
    assert rro("sql", "SELECT 'a,b' AS x, NULL AS y", "--format", "csv").out == 'x,y\n"a,b",\n'
    (record,) = json.loads(rro("sql", HOSTILE, "--format", "json").out)
    assert record == {"x": "[red]a[/red]", "y": "\x1b[2Jb", "z": "c|d", "n": "\n", "v": 0.5}


def test_a_long_table_says_what_it_leaves_out(rro: Rro) -> None:
    shown = rro("sql", "SELECT range AS n FROM range(600)").out
    assert len(re.findall(r"^│ +\d+ │$", shown, re.MULTILINE)) == 500
    assert "100 more rows" in shown
    assert len(rro("sql", "SELECT range AS n FROM range(600)", "--format", "csv").out.splitlines()) == 601


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\tb", "a\\tb"), ("\u202eb", "\\u202eb"), ("\x9b", "\\x9b"), ("é ж", "é ж"), (None, ""), (3, "3")],
)
def test_printable(value: object, text: str) -> None:
    assert printable(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.1235"), (12345.6, "12,346"), (7, "7"), (True, "True"), (None, "")]
)
def test_cell(value: object, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1,234"), (0.1234, "0.123"), (3.0, "3"), ("x", "x")])
def test_figure(value: float | str, text: str) -> None:
    assert figure(value) == text


def test_bars_show_every_stage_with_its_figures() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140, color_system=None)
    with bars(console) as show:
        show(Progress("sft", 0, 10, 100, "updates", {"loss": 1.25}))
        show(Progress("sft", 0, 100, 100, "updates", finished=True, note="loss 0.9"))
        show(Progress("explore", 2, 7, 20, "tasks", {"pairs so far": 4}))
    last = screen.getvalue().split("\x1b[2K")[-1]
    assert re.search(r"sft +━+ 100/100 updates .*loss 0\.9", last)
    assert re.search(r"explore 2 +━+\S* *━* *7/20 tasks .*4 pairs so far", last)
