"""A warehouse in a local folder: files are renamed into place, locks are the kernel's."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from rro.tasks.errors import UserError
from rro.tasks.storage.files import TEMPORARY, WAY_OUT, folder_lock, owner_lock, write_atomically

T = TypeVar("T")
V = TypeVar("V")


class LocalStore:
    """Files in a folder of this machine. The methods are those of `Store`."""

    filesystem = None
    exclusive = True

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    @property
    def url(self) -> str:
        """The folder's absolute path."""
        return str(self.root)

    def prove(self) -> None:
        """Make the folder, and write and remove a file in it."""
        probe = self.root / f".probe{TEMPORARY}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"rro")
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"warehouse {self.root}: not writable ({error.strerror}); choose {WAY_OUT}"
            ) from error

    def address(self, key: str) -> str:
        """The file's absolute path."""
        return str(self.root / key)

    def read(self, key: str) -> bytes | None:
        """The file's bytes."""
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def seen(self, key: str) -> tuple[bytes | None, str | None]:
        """The file's bytes; versions are not needed by who holds the folder."""
        return self.read(key), None

    def write(self, key: str, content: bytes) -> None:
        """Written beside, flushed, renamed."""
        write_atomically(self.root / key, content)

    def replace(self, key: str, content: bytes, version: str | None) -> bool:
        """The same: whoever replaces holds the folder."""
        self.write(key, content)
        return True

    def has(self, key: str) -> bool:
        """Whether it is a file."""
        return (self.root / key).is_file()

    def files(self, folder: str) -> dict[str, int]:
        """One look at the folder."""
        try:
            with os.scandir(self.root / folder) as entries:
                return dict(_sized(entries))
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def folders(self, folder: str) -> list[str]:
        """Names of the subfolders."""
        return sorted(path.name for path in (self.root / folder).glob("*/"))

    def below(self, folder: str) -> list[str]:
        """Relative paths of all files."""
        paths = (self.root / folder).rglob("*")
        return [str(path.relative_to(self.root)) for path in paths if path.is_file()]

    def age(self, key: str) -> float | None:
        """By the file system's time of change."""
        try:
            return time.time() - (self.root / key).stat().st_mtime
        except FileNotFoundError:  # Its writer has just renamed it.
            return None

    def remove(self, key: str) -> None:
        """Unlink it."""
        (self.root / key).unlink(missing_ok=True)

    def holding(self, folder: str) -> AbstractContextManager[None]:
        """By a lock on the folder itself."""
        return folder_lock(self.root / folder)

    def lock(self, key: str, what: str) -> AbstractContextManager[None]:
        """By a lock that dies with its process."""
        return owner_lock(self.root / key, what)

    def has_folder(self, key: str) -> bool:
        """Whoever fills a folder gives it its name when it is whole."""
        return (self.root / key).exists()

    def fetch_folder(self, key: str) -> Path | None:
        """The folder itself."""
        return self.root / key if self.has_folder(key) else None

    def upload_folder(self, key: str) -> None:
        """It is there already."""

    def stale_uploads(self, folder: str) -> list[str]:
        """Nothing is uploaded."""
        return []

    def gather(self, use: Callable[[V], T], items: Iterable[V]) -> list[T]:
        """One after the other: a disk is near."""
        return [use(item) for item in items]


def _sized(entries: Iterable["os.DirEntry[str]"]) -> Iterator[tuple[str, int]]:
    for entry in entries:
        try:
            if entry.is_file():
                yield entry.name, entry.stat().st_size
        except FileNotFoundError:  # Renamed or removed since.
            continue
