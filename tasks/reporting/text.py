"""Figures and tables as text, for the terminal and for Markdown alike.

A cell may hold what a model wrote, so nothing in it works as markup, as HTML or as a terminal sequence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from rro.tasks.reporting.statistics import Estimate

MARKUP = re.compile(r"([\\`*_\[\]<>|~#!&$])")


@dataclass(frozen=True, slots=True)
class Section:
    """A table with its title: the one form that both renderings read."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def printable(text: str) -> str:
    """`text` on one line, its control and other invisible characters written out as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def escape_markdown(text: str) -> str:
    """`text` as Markdown that shows it literally, in a table cell too."""
    return MARKUP.sub(r"\\\1", printable(text))


def markdown_table(section: Section) -> str:
    """The section as a Markdown heading and table; the first column left, the others right."""
    lines = [
        list(section.columns),
        ["---", *["---:"] * (len(section.columns) - 1)],
        *([escape_markdown(cell) for cell in row] for row in section.rows),
    ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"### {escape_markdown(section.title)}\n\n{table}\n"


def rich_table(section: Section) -> Table:
    """The section as a table for the terminal."""
    table = Table(title=Text(printable(section.title)), title_justify="left")
    for index, column in enumerate(section.columns):
        table.add_column(Text(column), justify="right" if index else "left")
    for row in section.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def figure(value: float | None, digits: int = 0) -> str:
    """A number with thousands separators; a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def share(value: float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    return "-" if value is None else f"{value:.1%}"


def interval(estimate: Estimate | None, sign: bool = False) -> str:
    """An estimate as `mean [low, high]`, with plus signs if asked for; a dash where there is none."""
    if estimate is None:
        return "-"
    low, mean, high = (f"{v:{'+' if sign else ''}.3f}" for v in (estimate.low, estimate.mean, estimate.high))
    return f"{mean} [{low}, {high}]"


def table_rows(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """Name and figure pairs as rows, without those that have no figure."""
    return tuple(pair for pair in pairs if pair[1] != "-")
