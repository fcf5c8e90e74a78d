"""Reads WebShop's own files, which may be larger than memory, one value at a time.

A file is one JSON array (`items_shuffle*.json`, 5 GB in full), one JSON object by ASIN (`items_ins_v2*.json`,
`items_human_ins.json`) or JSON lines (a name with `.jsonl`), gzipped or plain.

Python's own decoder reads each value, as upstream's does: `NaN` and half surrogate pairs pass. ijson's yajl
refuses the first, writes `?` for the second, and is slower (170 MB/s against 220).
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from rro.tasks import progress
from rro.tasks.errors import UserError

CHUNK = 1 << 20
LONGEST = 1 << 28
"""Characters of one value; a longer one is taken for a file that is not JSON."""


class RawFile:
    """One of the benchmark's files. After it was read, `about` says which one it was."""

    def __init__(self, path: Path, stage: str) -> None:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        self.path = path
        self.about: dict[str, Any] = {}
        self._stage = stage

    def elements(self) -> Iterator[Any]:
        """The elements of the file's array, or its lines."""
        with self._stream() as stream:
            if stream.peek() == "[":
                yield from stream.array()
            else:
                yield from stream.values()

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Keys and values of the file's object, or of its lines by their `asin`."""
        with self._stream() as stream:
            if ".jsonl" not in self.path.name:
                yield from stream.object()
                return
            for row in stream.values():
                if not isinstance(row, dict) or not isinstance(row.get("asin"), str):
                    raise UserError(f"{self.path}: each line must be an object with an 'asin'")
                yield row["asin"], row

    @contextmanager
    def _stream(self) -> Iterator["JsonStream"]:
        with self.path.open("rb") as file:
            counted = _Counted(file, self.path.stat().st_size, self._stage)
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            unpacked = gzip.GzipFile(fileobj=counted) if packed else counted
            text = io.TextIOWrapper(io.BufferedReader(unpacked, CHUNK), encoding="utf-8-sig")
            try:
                yield JsonStream(text, self.path)
            except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
                raise UserError(f"{self.path}: damaged: {error}") from None
            while text.read(CHUNK):
                pass
            self.about = {"name": self.path.name, **counted.finish()}


class _Counted(io.RawIOBase):
    """A file that hashes and counts what is read of it, and reports how far it is."""

    def __init__(self, file: io.BufferedReader, size: int, stage: str) -> None:
        self._file = file
        self._size = size
        self._stage = stage
        self._digest = sha256()
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._file.readinto(buffer)
        self._digest.update(memoryview(buffer)[:read])
        self._done += read
        self._report(finished=False)
        return read

    def finish(self) -> dict[str, Any]:
        """Size and digest of the whole file."""
        self._report(finished=True)
        return {"bytes": self._done, "sha256": self._digest.hexdigest()}

    def _report(self, finished: bool) -> None:
        done, size = round(self._done / 1e6, 3), round(self._size / 1e6, 3)
        progress.report(progress.Progress(self._stage, 0, done, size, "MB", finished=finished))


class JsonStream:
    """JSON objects, lists and strings, one after the other, of a text that need not fit into memory.

    Not numbers: nothing tells that one goes on after the part that was read.
    """

    def __init__(self, file: io.TextIOBase, path: Path, chunk: int = CHUNK) -> None:
        self._file = file
        self._chunk = chunk
        self._path = path
        self._text = ""
        self._at = 0
        self._before = 0
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if not self._more(self._chunk):
                return ""

    def value(self) -> Any:
        """The next value, however long."""
        self.peek()
        while True:
            try:
                value, self._at = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                waiting = len(self._text) - self._at
                if waiting > LONGEST or not self._more(max(self._chunk, waiting)):
                    raise self._wrong(f"not JSON: {error.msg}") from None
            else:
                return value

    def values(self) -> Iterator[Any]:
        """Values up to the end of the text."""
        while self.peek():
            yield self.value()

    def array(self) -> Iterator[Any]:
        """The elements of an array."""
        self._take("[")
        while self.peek() != "]":
            yield self.value()
            if self.peek() != "]":
                self._take(",")
        self._end()

    def object(self) -> Iterator[tuple[str, Any]]:
        """Keys and values of an object."""
        self._take("{")
        while self.peek() != "}":
            key = self.value()
            self._take(":")
            yield key, self.value()
            if self.peek() != "}":
                self._take(",")
        self._end()

    def _end(self) -> None:
        self._at += 1
        if self.peek():
            raise self._wrong("something follows after the end")

    def _take(self, sign: str) -> None:
        if self.peek() != sign:
            found = repr(self.peek()) if self.peek() else "the end of the file"
            raise self._wrong(f"not JSON: {sign!r} is needed, not {found}")
        self._at += 1

    def _more(self, wanted: int) -> bool:
        """Read on and forget what was used; False at the end of the file."""
        more = self._file.read(wanted)
        self._before += self._at
        self._text = self._text[self._at :] + more
        self._at = 0
        return bool(more)

    def _wrong(self, what: str) -> UserError:
        return UserError(f"{self._path}: {what}, after {self._before + self._at} characters")
