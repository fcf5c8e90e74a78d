"""Files that are there whole or not at all, and a lock that dies with its process.

A file is written under a temporary name, flushed to the disk, then renamed. The temporary name ends in
`.tmp`: one that ended in `.parquet` would be read by whoever globs the folder.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rro.tasks.errors import UserError

TEMPORARY = ".tmp"
WAY_OUT = "another warehouse folder with --warehouse or RRO_WAREHOUSE"


def temporary_name(path: Path) -> Path:
    """A name beside `path` that no reader takes for a finished file and no other writer uses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}")


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, making its folders. `UserError` where the disk is full or refuses."""
    temporary = temporary_name(path)
    make_folder(path.parent)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"{path}: cannot write: {error.strerror}; free some space or choose {WAY_OUT}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make `path` and the folders above it; `UserError` where that is refused."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot make this folder: {error.strerror}; choose {WAY_OUT}") from error


def flush_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def to_json(value: Mapping[str, Any]) -> bytes:
    """`value` as indented JSON; a NaN in it is a `ValueError`, since JSON has none."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def from_json(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object that a file `where` holds; `UserError` where it is damaged."""
    try:
        value = json.loads(content)
    except ValueError as error:
        raise UserError(f"{where}: not readable as JSON ({error}); delete it and resume the run") from error
    if not isinstance(value, dict):
        raise UserError(f"{where}: not a JSON object; delete it and resume the run")
    return value


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Wait until nobody else holds `folder`, and hold it while the block runs."""
    make_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock file `path`, and hold it while the block runs."""
    make_folder(path.parent)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def owner_lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; `UserError` at once if another process holds it.

    The kernel drops the lock when its process dies, however it dies, so none is ever stale.
    """
    make_folder(path.parent)
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise UserError(
                f"{what}: another process (pid {owner}) is writing it; wait for it to end or stop it"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
