"""The warehouse: the folder everything a run writes goes to, as immutable Parquet parts behind manifests.

    <root>/runs/<run>/settings.json
    <root>/runs/<run>/shards/<shard>/<table>-<generation>.parquet, manifest.json
    <root>/policies/<policy>/
    <root>/analytics.duckdb

Readers follow manifests, so a part that was torn or orphaned by a kill is never read. Only this module knows
where tables lie, so that a remote store can take the folder's place.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from rro.tasks.errors import UserError
from rro.tasks.storage.checks import check_table
from rro.tasks.storage.files import (
    TEMPORARY,
    WAY_OUT,
    folder_lock,
    owner_lock,
    read_json,
    write_atomically,
    write_json,
)
from rro.tasks.storage.manifest import MANIFEST, Manifest, Part, read_manifest
from rro.tasks.storage.names import check_name, unknown
from rro.tasks.storage.tables import SCHEMA_VERSION, TABLES

T = TypeVar("T")


class Warehouse:
    """A warehouse folder. Making one touches nothing; `open` makes the folder and proves it writable."""

    def __init__(self, root: str | Path) -> None:
        if "://" in str(root):
            raise UserError(f"warehouse {root}: only local folders are supported; choose {WAY_OUT}")
        self.root = Path(root).expanduser().absolute()

    @classmethod
    def open(cls, root: str | Path) -> Self:
        """The warehouse at `root`, made if absent. `UserError` where nothing can be written there."""
        warehouse = cls(root)
        probe = warehouse.root / f".probe{TEMPORARY}"
        try:
            warehouse.root.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"rro")
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"warehouse {warehouse.root}: not writable ({error.strerror}); choose {WAY_OUT}"
            ) from error
        return warehouse

    @property
    def analytics_path(self) -> Path:
        """Where the DuckDB file of views stands; it can be deleted and rebuilt at any time."""
        return self.root / "analytics.duckdb"

    def policy_path(self, policy: str) -> Path:
        """The folder of a policy's weights; whoever trains the policy makes it."""
        return self.root / "policies" / check_name("policy", policy)

    def runs(self) -> list[str]:
        """Names of the runs that have settings or shards, sorted."""
        folders = sorted((self.root / "runs").glob("*"))
        return [f.name for f in folders if (f / "settings.json").is_file() or (f / "shards").is_dir()]

    def save_settings(self, run: str, settings: Mapping[str, Any]) -> None:
        """Keep the settings a run started with, as plain JSON values."""
        write_json(self._run(run) / "settings.json", settings)

    def load_settings(self, run: str) -> dict[str, Any]:
        """The settings of `run`. `UserError` listing the known runs, closest names first."""
        settings = read_json(self._run(run) / "settings.json")
        if settings is None:
            raise unknown("run", run, self.runs())
        return settings

    def lock(self, run: str) -> AbstractContextManager[None]:
        """Hold `run` against other processes while a `with` block runs.

        `UserError` with the other process's pid if it is held. Shards may be published by any process of the
        holder; the lock is about two commands on one run.
        """
        return owner_lock(self._run(run) / "lock", f"run {run!r}")

    def publish(
        self, run: str, shard: str, tables: Mapping[str, pa.Table], facts: Mapping[str, Any] | None = None
    ) -> Manifest:
        """Write a shard, replacing what was published under its name.

        A kill or a full disk at any moment leaves the old shard or the new one, never a mix: parts of a new
        generation first, then the manifest that names them, then the old parts go. `ValueError` on rows that
        break their table's promise (`checks.py`), `UserError` where the disk is full or refuses.
        """
        folder = self._shard(run, shard)
        for name, table in tables.items():
            check_table(name, table, run)
        with folder_lock(folder):
            old = read_manifest(folder)
            generation = old.generation + 1 if old else 1
            parts = tuple(_write_part(folder, name, table, generation) for name, table in tables.items())
            manifest = Manifest(
                run, shard, generation, SCHEMA_VERSION, version("rro"), parts, dict(facts or {})
            )
            write_json(folder / MANIFEST, manifest.as_json())
            _remove_unlisted(folder, manifest)
        return manifest

    def finished(self, run: str, shard: str) -> Manifest | None:
        """The shard's manifest, None if it was never published.

        `UserError` naming the file if a part that it lists is missing or has another size.
        """
        folder = self._shard(run, shard)
        return _settled(folder, partial(_checked, folder))

    def shards(self, run: str, prefix: str = "") -> list[Manifest]:
        """Manifests of the published shards whose names start with `prefix`, in name order."""
        manifests = (self.finished(run, name) for name in self._shard_names(run, prefix))
        return [manifest for manifest in manifests if manifest is not None]

    def read(self, table: str, run: str, prefix: str = "") -> pa.Table:
        """All rows of `table` in the shards whose names start with `prefix`, in shard-name order.

        Without any such shard the table is empty, with its schema.
        """
        pieces = [TABLES[table].empty_table()]
        for name in self._shard_names(run, prefix):
            folder = self._shard(run, name)
            pieces += _settled(folder, partial(_rows, folder, table)) or []
        return pa.concat_tables(pieces)

    def files(self, manifest: Manifest) -> dict[str, str]:
        """Table name to the absolute path of the Parquet file that holds it: what the views read."""
        folder = self._shard(manifest.run, manifest.shard)
        return {part.table: str(folder / part.file) for part in manifest.parts}

    def discard(self, run: str, shard: str) -> None:
        """Forget a published shard; nothing happens if there is none."""
        folder = self._shard(run, shard)
        if not folder.is_dir():
            return
        with folder_lock(folder):
            (folder / MANIFEST).unlink(missing_ok=True)
            for path in folder.glob("*.parquet"):
                path.unlink()

    def sweep(self, run: str, older_than: float = 3600.0) -> list[str]:
        """Remove temporary files that killed writers left, older than so many seconds; names, sorted."""
        limit = time.time() - older_than
        stale = [path for path in self._run(run).rglob(f".*{TEMPORARY}") if _older(path, limit)]
        for path in stale:
            path.unlink(missing_ok=True)
        return sorted(path.name for path in stale)

    def _run(self, run: str) -> Path:
        return self.root / "runs" / check_name("run", run)

    def _shard(self, run: str, shard: str) -> Path:
        return self._run(run) / "shards" / check_name("shard", shard)

    def _shard_names(self, run: str, prefix: str) -> Iterator[str]:
        folders = (self._run(run) / "shards").glob("*/")
        return iter(sorted(folder.name for folder in folders if folder.name.startswith(prefix)))


def _write_part(folder: Path, name: str, table: pa.Table, generation: int) -> Part:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    path = folder / f"{name}-{generation}.parquet"
    write_atomically(path, content)
    return Part(name, path.name, table.num_rows, len(content), hashlib.sha256(content).hexdigest())


def _remove_unlisted(folder: Path, manifest: Manifest) -> None:
    """Drop older generations, and parts of a newer one whose writer was killed before its manifest."""
    listed = {part.file for part in manifest.parts}
    for path in folder.glob("*.parquet"):
        if path.name not in listed:
            path.unlink()


def _settled(folder: Path, use: Callable[[Manifest], T]) -> T | None:
    """`use` on the shard's manifest; once more if the shard was replaced while it was being read."""
    manifest = read_manifest(folder)
    while manifest is not None:
        try:
            return use(manifest)
        except (UserError, FileNotFoundError):
            newer = read_manifest(folder)
            if newer == manifest:
                raise
            manifest = newer
    return None


def _checked(folder: Path, manifest: Manifest) -> Manifest:
    for part in manifest.parts:
        path = folder / part.file
        size = path.stat().st_size if path.is_file() else None
        if size != part.bytes:
            found = "missing" if size is None else f"{size} bytes long instead of {part.bytes}"
            raise UserError(
                f"{path}: a part of run {manifest.run!r} is {found}; delete {folder} and resume the run"
            )
    return manifest


def _rows(folder: Path, table: str, manifest: Manifest) -> list[pa.Table]:
    part = _checked(folder, manifest).part(table)
    # Not pq.read_table: it would take `name=value` folders above the warehouse for columns.
    return [] if part is None else [pq.ParquetFile(folder / part.file).read()]


def _older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:  # Its writer has just renamed it.
        return False
