"""The files of a prepared folder, found by a part of their name, each plain or with `.gz`.

Whatever is read is also hashed, so that a catalogue's digest stands for all that it was made of.
A new folder gets its name when all of it is there.
"""

import gzip
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any, cast

from rro.tasks.errors import UserError

CHUNK = 1 << 20


class PreparedFiles:
    """Reads a folder's files; remembers their digests."""

    def __init__(self, folder: Traversable) -> None:
        self.folder = folder
        self.names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
        self._digests: dict[str, str] = {}

    def name(self, part: str) -> str | None:
        """The file whose name has `part`; `UserError` if several do."""
        found = [name for name in self.names if part in name]
        if len(found) > 1:
            raise UserError(f"catalogue {self.folder}: {part!r} is in several names: {', '.join(found)}")
        return found[0] if found else None

    def needed(self, part: str) -> str:
        """As `name`, but a missing file is a `UserError`."""
        name = self.name(part)
        if name is None:
            raise UserError(f"catalogue {self.folder}: no file with {part!r} in its name; prepare it first")
        return name

    def rows(self, name: str | None) -> Iterator[dict[str, Any]]:
        """The objects of a file of JSON lines, one at a time; none of None."""
        for number, line in enumerate(self.lines(name), start=1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise self._wrong(name, number, f"not JSON: {error}") from None
                if not isinstance(row, dict):
                    raise self._wrong(name, number, "an object is needed")
                yield row

    def _wrong(self, name: str | None, number: int, what: str) -> UserError:
        return UserError(f"catalogue {self.folder}: {name}, line {number}: {what}")

    def table(self, name: str | None) -> dict[str, Any]:
        """The object of a JSON file; an empty one of None."""
        text = b"".join(self.lines(name))
        try:
            table = json.loads(text or b"{}")
        except ValueError as error:
            raise UserError(f"catalogue {self.folder}: {name}: not JSON: {error}") from None
        return cast("dict[str, Any]", table)

    def lines(self, name: str | None) -> Iterator[bytes]:
        """The lines of a file, ends included; the file counts as read after the last one.

        Bytes, because a text file's lines also end where a product's description has U+2028.
        """
        if name is None:
            return
        digest = sha256()
        with self._open(name) as file:
            try:
                for line in file:
                    digest.update(line)
                    yield line
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise UserError(f"catalogue {self.folder}: {name}: damaged: {error}") from None
        self._digests[name] = digest.hexdigest()

    def hash(self, name: str) -> str:
        """The digest of a file's unpacked content, read without taking it apart."""
        digest = sha256()
        with self._open(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        self._digests[name] = digest.hexdigest()
        return self._digests[name]

    def _open(self, name: str) -> IO[bytes]:
        path = self.folder.joinpath(name)
        return cast("IO[bytes]", gzip.open(path.open("rb")) if name.endswith(".gz") else path.open("rb"))

    def digest(self) -> str:
        """Hexadecimal digest of everything read so far."""
        return sha256(json.dumps(sorted(self._digests.items())).encode()).hexdigest()


@contextmanager
def becoming(out: Path) -> Iterator[Path]:
    """A new folder that is renamed to `out` if the block ends well, and removed if not."""
    if out.exists() or out.is_symlink():
        raise UserError(f"--out {out}: exists already; name a new folder, or delete this one first")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    folder.mkdir()
    try:
        yield folder
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
