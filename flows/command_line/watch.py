"""Progress of a command that works by itself, without a run: bars on a terminal, plain lines elsewhere."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from rro.flows.command_line.bars import bars, plain
from rro.tasks import progress


@contextmanager
def watched() -> Iterator[None]:
    """Show on stderr what is reported while the block runs, so that stdout holds the result alone.

    Ended from outside, the block is interrupted as by Ctrl-C, so that it can remove what is half done.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # Not under nohup.
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    console = Console(file=sys.stderr, highlight=False)
    with (bars if console.is_terminal else plain)(console) as show, progress.listening(show):
        yield
