"""Progress of a command that works by itself, without a run: bars on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from rro.flows.command_line.bars import bars, plain
from rro.tasks import progress


@contextmanager
def watched() -> Iterator[None]:
    """Show on stderr what is reported while the block runs, so that stdout holds the result alone."""
    console = Console(file=sys.stderr, highlight=False)
    with (bars if console.is_terminal else plain)(console) as show, progress.listening(show):
        yield
