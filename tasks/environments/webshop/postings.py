"""Which documents hold a key, and how often: a few flat arrays, so that millions fit and can lie in files.

A million products have a hundred million postings. Built block by block, they need memory for one block and
the keys; read back, the arrays are mapped, so that start-up reads nothing and processes share the pages.
"""

import io
import json
import tempfile
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 20
"""Postings that are sorted at a time: 12 MiB."""

NewArray = Callable[[str, int, Any], NDArray[Any]]
"""Makes an array of a name, length and type: in memory, or mapped from a new file."""


def in_memory(name: str, length: int, kind: Any) -> NDArray[Any]:
    """An array that no file holds."""
    return np.empty(length, dtype=kind)


def in_folder(folder: Path) -> NewArray:
    """Makes arrays that are files `<name>.npy` of a folder."""

    def new(name: str, length: int, kind: Any) -> NDArray[Any]:
        if not length:  # Nothing cannot be mapped.
            np.save(folder / f"{name}.npy", np.empty(0, dtype=kind))
            return np.empty(0, dtype=kind)
        made: NDArray[Any] = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            folder / f"{name}.npy", mode="w+", dtype=kind, shape=(length,)
        )
        return made

    return new


def read_array(folder: Path, name: str) -> NDArray[Any]:
    """An array that `in_folder` has made, mapped and read-only."""
    mapped: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return mapped


@dataclass(frozen=True, slots=True)
class Postings:
    """Documents and a value for each, by key."""

    keys: Mapping[str, int]
    starts: NDArray[np.int64]
    """Where a key's postings begin; one more than there are keys."""
    places: NDArray[np.int32]
    values: NDArray[np.float32]

    def find(self, key: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Documents that have `key`, in order, and their values; empty where none has."""
        number = self.keys.get(key)
        if number is None:
            return self.places[:0], self.values[:0]
        part = slice(self.starts[number], self.starts[number + 1])
        return self.places[part], self.values[part]

    def save_keys(self, folder: Path, name: str) -> None:
        """Write what `in_folder` has not."""
        (folder / f"{name}.json").write_text(json.dumps(list(self.keys)), encoding="ascii")

    @classmethod
    def read(cls, folder: Path, name: str) -> "Postings":
        """Postings built with `in_folder(folder)` and `save_keys`."""
        keys = json.loads((folder / f"{name}.json").read_text(encoding="ascii"))
        arrays = (read_array(folder, f"{name}.{part}") for part in ("starts", "places", "values"))
        return cls({key: number for number, key in enumerate(keys)}, *arrays)


class PostingsBuilder:
    """Takes documents one by one; with a folder to spill into, in memory that hardly grows with them."""

    def __init__(self, spill: Path | None = None, block: int = BLOCK) -> None:
        self._block = block
        self._keys: dict[str, int] = {}
        self._found_in = array("i")
        self._waiting = array("i")
        self._documents = 0
        # A block is kept as key, document, value, key, ...; without a folder in memory. `finish` closes it.
        self._blocks: IO[bytes] = tempfile.TemporaryFile(dir=spill) if spill else io.BytesIO()  # noqa: SIM115

    def add(self, counts: Mapping[str, int]) -> None:
        """The next document: its keys and their values."""
        for key, count in counts.items():
            number = self._keys.setdefault(key, len(self._keys))
            if number == len(self._found_in):
                self._found_in.append(0)
            self._found_in[number] += 1
            self._waiting.extend((number, self._documents, count))
        self._documents += 1
        if len(self._waiting) >= 3 * self._block:
            self._flush()

    def _flush(self) -> None:
        self._blocks.write(self._waiting.tobytes())
        self._waiting = array("i")

    def finish(self, name: str, new: NewArray = in_memory) -> Postings:
        """The postings of all documents so far, in arrays `<name>.starts`, `.places` and `.values`."""
        self._flush()
        starts = new(f"{name}.starts", len(self._keys) + 1, np.int64)
        starts[0] = 0
        np.cumsum(np.asarray(self._found_in), out=starts[1:])
        total = int(starts[-1])
        places = new(f"{name}.places", total, np.int32)
        values = new(f"{name}.values", total, np.float32)
        free = starts[:-1].copy()
        with self._blocks:
            self._blocks.seek(0)
            while block := self._blocks.read(3 * self._waiting.itemsize * self._block):
                _put(np.frombuffer(block, dtype=np.intc).reshape(-1, 3), free, places, values)
        return Postings(self._keys, starts, places, values)


def _put(
    block: NDArray[np.intc],
    free: NDArray[np.int64],
    places: NDArray[np.int32],
    values: NDArray[np.float32],
) -> None:
    """Put a block's postings where each key's next ones belong, documents in order."""
    block = block[np.argsort(block[:, 0], kind="stable")]
    keys, first, lengths = np.unique(block[:, 0], return_index=True, return_counts=True)
    targets = np.arange(len(block)) + np.repeat(free[keys] - first, lengths)
    places[targets] = block[:, 1]
    values[targets] = block[:, 2]
    free[keys] += lengths
