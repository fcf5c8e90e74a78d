"""Keep other people's log lines out of what the command line shows.

Prefect, vLLM, transformers and TRL write to stdout and stderr, some from C and some from child processes, so
the two file descriptors themselves are pointed at the run's log file; replacing `sys.stdout` would miss most.
"""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from rro.tasks.storage.files import make_folder


@contextmanager
def captured(log: Path) -> Iterator[TextIO]:
    """Send everything that is written to stdout and stderr to the end of `log` while the block runs.

    Yields the real stdout, for what the user should see. What libraries say while Python ends goes to `log` too.
    """
    make_folder(log.parent)
    kept = [os.dup(1), os.dup(2)]
    with log.open("ab", buffering=0) as file, os.fdopen(os.dup(1), "w", encoding="utf-8") as screen:
        _redirect([file.fileno(), file.fileno()])
        try:
            yield screen
        finally:
            _redirect(kept)
            for descriptor in kept:
                os.close(descriptor)
            # Registered last, called first: before Prefect stops its server and C extensions count their leaks.
            atexit.unregister(_last_words_to)
            atexit.register(_last_words_to, log)


def _last_words_to(log: Path) -> None:
    with suppress(FileNotFoundError):  # Nobody needs them where the run has been deleted meanwhile.
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
        _redirect([descriptor, descriptor])


def _redirect(targets: list[int]) -> None:
    """Point stdout and stderr at two file descriptors, after what was written so far has gone out."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for number, target in zip((1, 2), targets, strict=True):
        os.dup2(target, number)
