"""What the command line prints: results in four formats, and errors in one line.

Text in a result may come from a model, so nothing of it reaches the terminal as markup or as a control
sequence.
"""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

Format = Literal["table", "csv", "json", "md"]
MOST_ROWS = 500
"""Rows of a result that a table on the terminal shows; the other formats print all."""


def stdout() -> Console:
    """A console for results; wide where nobody's terminal limits it."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, 160))


def say_error(message: str) -> None:
    """Print a message in red to stderr, unwrapped so that it can be searched for."""
    text = Text("rro: " + printable(message, keep="\n"), style="red")
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def printable(value: Any, keep: str = "") -> str:
    """A value as text whose control and other invisible characters are written out as escapes."""
    if value is None:
        return ""
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in str(value))


def show(columns: Sequence[str], rows: Sequence[Sequence[Any]], shape: Format) -> None:
    """Print a result."""
    shapes: dict[str, Callable[[Sequence[str], Sequence[Sequence[Any]], TextIO], None]] = {
        "csv": as_csv,
        "json": as_json,
        "md": as_markdown,
    }
    if shape == "table":
        as_table(columns, rows)
    else:
        shapes[shape](columns, rows, sys.stdout)


def as_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on the terminal, of the first `MOST_ROWS` rows."""
    table = Table()
    for index, column in enumerate(columns):
        number = any(is_number(row[index]) for row in rows[:MOST_ROWS])
        table.add_column(Text(printable(column)), justify="right" if number else "left")
    for row in rows[:MOST_ROWS]:
        table.add_row(*(Text(cell(value)) for value in row))
    console = stdout()
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"{len(rows) - MOST_ROWS} more rows: --format csv, json or md prints all")


def is_number(value: Any) -> bool:
    """Whether a value is shown flush right."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def cell(value: Any) -> str:
    """A value for reading: floats to four significant digits, times to the second."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if hasattr(value, "isoformat"):
        return str(value)[:19]
    return printable(value)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]], file: TextIO) -> None:
    """Comma separated, a header first; the values as they are, but on a terminal as it may show them."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([printable(value) for value in row] if file.isatty() else row for row in rows)


def as_json(columns: Sequence[str], rows: Sequence[Sequence[Any]], file: TextIO) -> None:
    """A list of objects; what JSON has no word for becomes text."""
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    file.write(json.dumps(records, indent=2, default=str) + "\n")


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]], file: TextIO) -> None:
    """A pipe table that shows its text literally."""
    from rro.tasks.reporting.text import escape_markdown

    file.write(f"| {' | '.join(map(escape_markdown, columns))} |\n| {' | '.join(['---'] * len(columns))} |\n")
    for row in rows:
        cells = ("" if value is None else escape_markdown(str(value)) for value in row)
        file.write(f"| {' | '.join(cells)} |\n")
