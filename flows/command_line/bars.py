"""How a run's progress is shown: bars on a terminal, plain lines everywhere else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from rro.tasks import progress
from rro.tasks.progress import Listener

QUIET_SECONDS = 15.0
"""Least time between two plain lines of a stage that is under way."""

WAKING = progress.Progress("start", 0, 0, 0, "", note="loading Prefect and the models' libraries")


@contextmanager
def shown(screen: TextIO) -> Iterator[None]:
    """Show what the stages report while the block runs; the first line is there at once."""
    console = Console(file=screen, highlight=False)
    display = bars(console) if console.is_terminal else plain(console)
    with display as show, progress.listening(until_first_stage(show)):
        progress.report(WAKING)
        yield


def until_first_stage(show: Listener) -> Listener:
    """`show`, told that waking up is over when the first stage reports."""
    awake = False

    def listen(report: progress.Progress) -> None:
        nonlocal awake
        if not awake and report.stage != WAKING.stage:
            awake = True
            show(replace(WAKING, finished=True, note="ready"))
        show(report)

    return listen


def label(report: progress.Progress) -> str:
    """The stage's name and iteration; iteration 0 makes and evaluates the SFT policy."""
    name = f"{report.stage} {report.iteration}" if report.iteration else report.stage
    return f"{report.part}: {name}" if report.part else name


def remarks(report: progress.Progress) -> str:
    """What came of the stage, or the figures that go with its progress."""
    return report.note or ", ".join(f"{figure(value)} {fact}" for fact, value in report.facts.items())


def figure(value: float | str) -> str:
    """A number for reading: three significant digits, or whole with thousands marked."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def amount(report: progress.Progress) -> str:
    """How much is done of how much."""
    return f"{figure(report.done)}/{figure(report.total)} {report.unit}" if report.unit else ""


@contextmanager
def bars(console: Console) -> Iterator[Listener]:
    """A bar a stage, redrawn in place; all of them stay on the screen at the end."""
    rows: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}", style="bold"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn(
            "{task.fields[remarks]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
        ),
    )
    # Unredirected, what others print goes to the log; Rich would put it above the bars.
    with Progress(
        *columns, console=console, refresh_per_second=4, redirect_stdout=False, redirect_stderr=False
    ) as live:

        def show(report: progress.Progress) -> None:
            if report.part:
                _forget(live, rows, report.part)
            row = rows.get(label(report))
            if row is None:
                row = rows[label(report)] = live.add_task(label(report), amount="", remarks="", total=None)
            total = report.total if report.unit else None
            live.update(
                row,
                total=report.done if report.finished else total,
                completed=report.done,
                amount=amount(report),
                remarks=remarks(report),
            )

        yield show


def _forget(live: Progress, rows: dict[str, TaskID], part: str) -> None:
    """Take away the bars of other parts: a comparison has more stages than a screen has lines."""
    for other in [name for name in rows if ": " in name and not name.startswith(f"{part}: ")]:
        live.remove_task(rows.pop(other))


@contextmanager
def plain(console: Console) -> Iterator[Listener]:
    """A line when a stage starts and ends, and now and then in between: for CI, cron and log files."""
    started: dict[str, float] = {}
    last: dict[str, float] = {}

    def show(report: progress.Progress) -> None:
        key, now = label(report), time.monotonic()
        first = key not in started
        started.setdefault(key, now)
        if not (first or report.finished) and now - last[key] < QUIET_SECONDS:
            return
        last[key] = now
        state = "done" if report.finished else "started" if first else "under way"
        parts = [f"{key}: {state}", amount(report), f"{now - started[key]:.0f} s", remarks(report)]
        console.print(Text(", ".join(part for part in parts if part)), soft_wrap=True)

    yield show
