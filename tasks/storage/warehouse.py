"""The warehouse: where everything a run writes goes, as immutable Parquet parts behind manifests.

    runs/<run>/settings.json
    runs/<run>/shards/<shard>/<table>-<generation>-<random>.parquet, manifest.json
    policies/<policy>/

Readers follow manifests, so a part that was torn or orphaned by a kill is never read. Only this module knows
where tables lie, and only its store (`store.py`) whether that is a folder or an object store.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from rro.tasks.errors import UserError
from rro.tasks.storage.checks import check_table
from rro.tasks.storage.files import TEMPORARY, from_json, to_json
from rro.tasks.storage.manifest import MANIFEST, Manifest, Part, parse_manifest
from rro.tasks.storage.names import check_name, unknown
from rro.tasks.storage.store import open_store
from rro.tasks.storage.tables import SCHEMA_VERSION, TABLES

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")
PARQUET = ".parquet"
TRIES = 100
"""Of a publication: each one more means that another writer was faster."""


class Warehouse:
    """A warehouse in a folder or at a URL. Making one touches nothing; `open` proves that it can be written."""

    def __init__(self, root: str | Path) -> None:
        self._store = open_store(root)

    @classmethod
    def open(cls, root: str | Path) -> Self:
        """The warehouse at `root`; a folder is made if absent. `UserError` where nothing can be written there."""
        warehouse = cls(root)
        warehouse._store.prove()
        return warehouse

    @property
    def url(self) -> str:
        """Absolute path or URL: what to open the same warehouse by."""
        return self._store.url

    @property
    def root(self) -> Path:
        """The local folder for what needs one: the warehouse itself, or a URL's cache folder."""
        return self._store.root

    @property
    def filesystem(self) -> "AbstractFileSystem | None":
        """What DuckDB must read the parts through; None where it can by itself."""
        return self._store.filesystem

    @property
    def analytics_path(self) -> Path:
        """Where the DuckDB file of views stands; it can be deleted and rebuilt at any time."""
        return self.root / "analytics.duckdb"

    def log_path(self, run: str) -> Path:
        """Where this machine logs what it does for `run`."""
        return self.root / _run(run) / "run.log"

    def policy_path(self, policy: str) -> Path:
        """The local folder of a policy's weights; whoever trains the policy makes it, then uploads it."""
        return self.root / _policy(policy)

    def policy_address(self, policy: str) -> str:
        """Absolute path or URL of a policy."""
        return self._store.address(_policy(policy))

    def has_policy(self, policy: str) -> bool:
        """Whether a finished policy is there."""
        return self._store.has_folder(_policy(policy))

    def fetch_policy(self, policy: str) -> Path | None:
        """The local folder of a finished policy, downloaded once if it lies elsewhere; None if there is none."""
        return self._store.fetch_folder(_policy(policy))

    def upload_policy(self, policy: str) -> None:
        """Put a policy that was trained at `policy_path` into the warehouse, if it does not lie there already.

        All of it or nothing. A policy of that name that another machine has finished meanwhile stays.
        """
        self._store.upload_folder(_policy(policy))

    def runs(self) -> list[str]:
        """Names of the runs that have settings or shards, sorted."""
        names = self._store.folders("runs")
        there = self._store.gather(self._is_run, names)
        return [name for name, is_run in zip(names, there, strict=True) if is_run]

    def save_settings(self, run: str, settings: Mapping[str, Any]) -> None:
        """Keep the settings a run started with, as plain JSON values."""
        self._store.write(f"{_run(run)}/settings.json", to_json(settings))

    def load_settings(self, run: str) -> dict[str, Any]:
        """The settings of `run`. `UserError` listing the known runs, closest names first."""
        key = f"{_run(run)}/settings.json"
        content = self._store.read(key)
        if content is None:
            raise unknown("run", run, self.runs())
        return from_json(content, self._store.address(key))

    def save_file(self, run: str, name: str, content: bytes) -> str:
        """Keep a file beside the run's shards, a report for example; its absolute path or URL."""
        key = f"{_run(run)}/{check_name('file', name)}"
        self._store.write(key, content)
        return self._store.address(key)

    def lock(self, run: str) -> AbstractContextManager[None]:
        """Hold `run` against other processes while a `with` block runs.

        `UserError` naming the other process if it is held. Shards may be published by any process of the
        holder; the lock is about two commands on one run.
        """
        return self._store.lock(f"{_run(run)}/lock", f"run {run!r}")

    def publish(
        self, run: str, shard: str, tables: Mapping[str, pa.Table], facts: Mapping[str, Any] | None = None
    ) -> Manifest:
        """Write a shard, replacing what was published under its name.

        A kill or a full disk at any moment leaves the old shard or the new one, never a mix: parts under names
        of their own first, then the manifest that names them, then the old parts go. Of two writers the last
        one's shard stays, whole. `ValueError` on rows that break their table's promise (`checks.py`), `UserError`
        where the place is full or refuses.
        """
        folder = _shard(run, shard)
        for name, table in tables.items():
            check_table(name, table, run)
        with self._store.holding(folder):
            old, seen = self._seen(folder)
            parts = tuple(self._write_part(folder, name, table, old) for name, table in tables.items())
            for _ in range(TRIES):
                generation = old.generation + 1 if old else 1
                manifest = Manifest(
                    run, shard, generation, SCHEMA_VERSION, version("rro"), parts, dict(facts or {})
                )
                if self._store.replace(f"{folder}/{MANIFEST}", to_json(manifest.as_json()), seen):
                    break
                old, seen = self._seen(folder)
            else:
                raise UserError(
                    f"{self._store.address(folder)}: changed {TRIES} times while it was being published; "
                    "see who else writes it, and resume the run"
                )
            self._remove_parts(folder, manifest, old)
        return manifest

    def finished(self, run: str, shard: str) -> Manifest | None:
        """The shard's manifest, None if it was never published.

        `UserError` naming the file if a part that it lists is missing or has another size.
        """
        folder = _shard(run, shard)
        return self._settled(folder, partial(self._checked, folder))

    def shards(self, run: str, prefix: str = "") -> list[Manifest]:
        """Manifests of the published shards whose names start with `prefix`, in name order."""
        manifests = self._store.gather(partial(self.finished, run), self._shard_names(run, prefix))
        return [manifest for manifest in manifests if manifest is not None]

    def read(self, table: str, run: str, prefix: str = "") -> pa.Table:
        """All rows of `table` in the shards whose names start with `prefix`, in shard-name order.

        Without any such shard the table is empty, with its schema.
        """

        def rows(name: str) -> list[pa.Table]:
            folder = _shard(run, name)
            return self._settled(folder, partial(self._rows, folder, table)) or []

        pieces = self._store.gather(rows, self._shard_names(run, prefix))
        return pa.concat_tables([TABLES[table].empty_table(), *(one for found in pieces for one in found)])

    def files(self, manifest: Manifest) -> dict[str, str]:
        """Table name to the absolute path or URL of the Parquet file that holds it: what the views read."""
        folder = _shard(manifest.run, manifest.shard)
        return {part.table: self._store.address(f"{folder}/{part.file}") for part in manifest.parts}

    def discard(self, run: str, shard: str) -> None:
        """Forget a published shard; nothing happens if there is none."""
        folder = _shard(run, shard)
        if not self._store.files(folder):
            return
        with self._store.holding(folder):
            old = None if self._store.exclusive else self._seen(folder)[0]
            self._store.remove(f"{folder}/{MANIFEST}")
            self._remove_parts(folder, None, old)

    def sweep(self, run: str, older_than: float = 3600.0) -> list[str]:
        """Remove what killed writers left, older than so many seconds; names, sorted.

        That is temporary files, parts that no manifest names, and (a day old) uploads that were never finished.
        """
        stale = [
            key
            for key in self._unlisted(run)
            if (age := self._store.age(key)) is not None and age > older_than
        ]
        stale += self._store.stale_uploads("policies")
        for key in stale:
            self._store.remove(key)
        return sorted(key.rpartition("/")[2] for key in stale)

    def _is_run(self, run: str) -> bool:
        folder = f"runs/{run}"
        return self._store.has(f"{folder}/settings.json") or bool(self._store.folders(f"{folder}/shards"))

    def _shard_names(self, run: str, prefix: str) -> list[str]:
        return [name for name in self._store.folders(f"{_run(run)}/shards") if name.startswith(prefix)]

    def _seen(self, folder: str) -> tuple[Manifest | None, str | None]:
        """A shard's manifest, None where nothing is published, and the version to replace it by."""
        key = f"{folder}/{MANIFEST}"
        content, seen = self._store.seen(key)
        return (None if content is None else parse_manifest(content, self._store.address(key))), seen

    def _manifest(self, folder: str) -> Manifest | None:
        key = f"{folder}/{MANIFEST}"
        content = self._store.read(key)
        return None if content is None else parse_manifest(content, self._store.address(key))

    def _write_part(self, folder: str, name: str, table: pa.Table, old: Manifest | None) -> Part:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        content = sink.getvalue().to_pybytes()
        file = f"{name}-{old.generation + 1 if old else 1}-{secrets.token_hex(4)}{PARQUET}"
        self._store.write(f"{folder}/{file}", content)
        return Part(name, file, table.num_rows, len(content), hashlib.sha256(content).hexdigest())

    def _remove_parts(self, folder: str, kept: Manifest | None, old: Manifest | None) -> None:
        """Drop the parts of `old`; what killed writers left too, where no other writer can be at work.

        Where one can, its parts may be waiting for their manifest, so only `sweep` takes them, by age.
        """
        listed = {part.file for part in kept.parts} if kept else set()
        replaced = {part.file for part in old.parts} if old else set()
        surplus = self._store.files(folder) if self._store.exclusive else replaced
        for file in surplus:
            if file.endswith(PARQUET) and file not in listed:
                self._store.remove(f"{folder}/{file}")

    def _unlisted(self, run: str) -> list[str]:
        """Temporary files of a run, and parts that no manifest names."""
        files = self._store.below(
            _run(run)
        )  # Before the manifests: what is published meanwhile is not in it.
        temporary = [key for key in files if key.endswith(TEMPORARY)]
        parts = [key for key in files if key.endswith(PARQUET) and "/shards/" in key]
        named = self._store.gather(self._named, sorted({key.rpartition("/")[0] for key in parts}))
        listed = {key for keys in named for key in keys}
        return temporary + [key for key in parts if key not in listed]

    def _named(self, folder: str) -> set[str]:
        """Keys of the parts that a shard's manifest names."""
        manifest = self._manifest(folder)
        return {f"{folder}/{part.file}" for part in manifest.parts} if manifest else set()

    def _settled(self, folder: str, use: Callable[[Manifest], T]) -> T | None:
        """`use` on the shard's manifest; once more if the shard was replaced while it was being read."""
        manifest = self._manifest(folder)
        while manifest is not None:
            try:
                return use(manifest)
            except (UserError, FileNotFoundError):
                newer = self._manifest(folder)
                if newer == manifest:
                    raise
                manifest = newer
        return None

    def _checked(self, folder: str, manifest: Manifest) -> Manifest:
        sizes = self._store.files(folder)
        for part in manifest.parts:
            size = sizes.get(part.file)
            if size != part.bytes:
                found = "missing" if size is None else f"{size} bytes long instead of {part.bytes}"
                raise UserError(
                    f"{self._store.address(f'{folder}/{part.file}')}: a part of run {manifest.run!r} is {found}; "
                    f"delete {self._store.address(folder)} and resume the run"
                )
        return manifest

    def _rows(self, folder: str, table: str, manifest: Manifest) -> list[pa.Table]:
        part = self._checked(folder, manifest).part(table)
        if part is None:
            return []
        content = self._store.read(f"{folder}/{part.file}")
        if content is None:
            raise FileNotFoundError(self._store.address(f"{folder}/{part.file}"))
        # Not pq.read_table: it would take `name=value` folders above the warehouse for columns.
        return [pq.ParquetFile(pa.BufferReader(content)).read()]


def _run(run: str) -> str:
    return f"runs/{check_name('run', run)}"


def _shard(run: str, shard: str) -> str:
    return f"{_run(run)}/shards/{check_name('shard', shard)}"


def _policy(policy: str) -> str:
    return f"policies/{check_name('policy', policy)}"
