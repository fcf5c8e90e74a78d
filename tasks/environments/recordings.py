"""Recordings of other people's environments, and how ours compares with them, item by item."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rro.tasks.errors import UserError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was replayed."""

    kind: str
    """`searches`, `episodes`, `steps`, `rewards`, ...: counted and reported together."""
    name: str
    """Which one, so that a person finds it in the recording."""
    difference: str | None = None
    """What ours says and what the recording says, in full; None where they agree."""


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """JSON lines, plain or gzipped by content; `UserError` with path and line where a line is no object."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _row(path, number, line)


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {number}: not JSON ({error.msg}, column {error.colno})") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: a JSON object is needed, not {type(row).__name__}")
    return row
