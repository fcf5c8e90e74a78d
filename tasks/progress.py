"""How long work tells whoever watches how far it is.

Stages `report` what they have done; whoever shows it (the command line's bars, the flow's log lines and
progress artifact) `listening`s. Nothing here draws or knows who listens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one stage is."""

    stage: str
    """`sft`, `explore`, `pairs`, `analyse`, `dpo`, `evaluate`, or `start` while Prefect wakes up."""
    iteration: int
    done: float
    total: float
    """In `unit`; `done == total` with `finished` ends the stage."""
    unit: str
    """`tasks`, `episodes`, `updates`, ..."""
    facts: dict[str, float | str] = field(default_factory=dict)
    """Figures worth showing beside the bar, for example `{"pairs so far": 41, "tokens/s": 5210.0}`."""
    finished: bool = False
    note: str = ""
    """One line that says what came of it, or that a finished result was reused."""
    part: str = ""
    """Which part of a larger whole the stage belongs to, for example an arm of a comparison."""


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []
_part: ContextVar[str] = ContextVar("part", default="")


def report(progress: Progress) -> None:
    """Tell every listener."""
    for listener in _listeners:
        listener(replace(progress, part=_part.get()))


@contextmanager
def part(name: str) -> Iterator[None]:
    """Let what is reported while the block runs be a part of a larger whole."""
    token = _part.set(name)
    try:
        yield
    finally:
        _part.reset(token)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear every report while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
