"""What the warehouse asks of the place that keeps its files: a folder (`local.py`) or an object store (`remote.py`).

Files have keys, relative paths with slashes such as `runs/r/settings.json`. A file is there whole or not at all.
Every method raises `UserError`, naming the place and a way out, where the place refuses.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")
V = TypeVar("V")


class Store(Protocol):
    """A place that keeps files by key."""

    @property
    def url(self) -> str:
        """What a user calls it: an absolute path or a URL, never with a password."""

    @property
    def root(self) -> Path:
        """The local folder for what needs one: the folder itself, or a cache folder of the URL's own."""

    @property
    def filesystem(self) -> "AbstractFileSystem | None":
        """What DuckDB must read the addresses through; None where it can by itself."""

    @property
    def exclusive(self) -> bool:
        """Whether `holding` keeps everybody else out, so that whatever is left over is nobody's."""

    def prove(self) -> None:
        """Make the place if it can be made, and prove that it can be written."""

    def address(self, key: str) -> str:
        """The absolute path or URL of a file."""

    def read(self, key: str) -> bytes | None:
        """A file's content; None where there is none."""

    def seen(self, key: str) -> tuple[bytes | None, str | None]:
        """A file's content, and the version to hand to `replace`; a version is never newer than its content."""

    def write(self, key: str, content: bytes) -> None:
        """Put a file there, in place of what was."""

    def replace(self, key: str, content: bytes, version: str | None) -> bool:
        """Put a file there unless it changed since it was seen; False where it did.

        A place that cannot tell always answers True: there the last writer wins.
        """

    def has(self, key: str) -> bool:
        """Whether there is such a file."""

    def files(self, folder: str) -> dict[str, int]:
        """Name to bytes of the files that lie directly in a folder; none where there is no such folder."""

    def folders(self, folder: str) -> list[str]:
        """Names of the folders that lie directly in a folder, sorted."""

    def below(self, folder: str) -> list[str]:
        """Keys of all files below a folder."""

    def age(self, key: str) -> float | None:
        """Seconds since a file was written, by the clock of the place; None where there is none."""

    def remove(self, key: str) -> None:
        """Remove a file; nothing happens if there is none."""

    def holding(self, folder: str) -> AbstractContextManager[None]:
        """Wait until nobody else publishes in a folder, and hold it; elsewhere `replace` has to do."""

    def lock(self, key: str, what: str) -> AbstractContextManager[None]:
        """Hold a lock file; `UserError` naming its owner at once if another process does."""

    def has_folder(self, key: str) -> bool:
        """Whether a folder of files is there whole."""

    def fetch_folder(self, key: str) -> Path | None:
        """A local folder with the same files; None where there is no whole one."""

    def upload_folder(self, key: str) -> None:
        """Put the files of the local folder `root / key` there, whole or not at all; the first one stays."""

    def stale_uploads(self, folder: str) -> list[str]:
        """Keys below a folder of folders that uploads left behind which were killed long ago."""

    def gather(self, use: Callable[[V], T], items: Iterable[V]) -> list[T]:
        """`use` on every item, in order; at once where a file is far away."""


class ObjectStore(Store, Protocol):
    """What `lease.py` and `folders.py` need on top of it."""

    def create(self, key: str, content: bytes) -> bool:
        """Put a file there where there is none; False where there is one."""

    def upload(self, path: Path, key: str) -> None:
        """Put a local file there."""

    def download(self, key: str, path: Path) -> None:
        """Put a file's content into a local file."""


def open_store(root: str | Path) -> Store:
    """The store that a path or a URL names; nothing is touched. `UserError` on a URL nobody can read."""
    protocol, separator, rest = str(root).partition("://")
    if separator and protocol not in ("file", "local"):
        from rro.tasks.storage.remote import RemoteStore  # fsspec is slow to import.

        return RemoteStore(protocol, rest)
    from rro.tasks.storage.local import LocalStore

    return LocalStore(Path(rest if separator else root))
