"""A warehouse at a URL: an object store, through fsspec. An object appears whole, by one PUT; nothing is renamed.

Where the store refuses a PUT whose object has changed since it was seen (S3's If-Match), of two publications of one
shard the second one sees the first. Elsewhere the last manifest wins, and the other's parts wait for `sweep`.
"""

import hashlib
import importlib
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from rro.tasks.errors import UserError
from rro.tasks.process import cache_root
from rro.tasks.storage.files import TEMPORARY
from rro.tasks.storage.folders import fetch, unfinished, upload
from rro.tasks.storage.lease import lease
from rro.tasks.storage.manifest import MANIFEST

T = TypeVar("T")
V = TypeVar("V")

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
"""Protocols whose package is one of this project's extras."""
# More than one at a time, and s3fs asks for an object's size before it gets that many bytes of a newer one.
OPTIONS = {protocol: {"max_concurrency": 1} for protocol in ("s3", "s3a")}
AT_ONCE = 16
CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
"""Answers to a PUT whose object is no longer the one that was seen."""
UPLOAD_SECONDS = 86400.0
"""Age at which files of an unfinished upload count as left behind."""
WAY_OUT = "another warehouse with --warehouse or RRO_WAREHOUSE"
CREDENTIALS = (
    "give credentials the way the store's own tools take them, for S3 in AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY or an AWS profile, and see docs/storage.md"
)


class RemoteStore:
    """Objects below a URL. The methods are those of `Store`."""

    exclusive = False

    def __init__(self, protocol: str, path: str) -> None:
        self._base = _checked_path(protocol, path)
        self.filesystem = _filesystem(protocol, self._base)
        # As the file system itself writes it: DuckDB holds what it lists against what it may read.
        self.url: str = self.filesystem.unstrip_protocol(self._base)
        self._conditional = EXTRAS.get(protocol) == "s3"

    @property
    def root(self) -> Path:
        """The folder of this URL below the cache folder."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self._base)[-40:].strip("-.")
        return cache_root() / "warehouses" / f"{name}-{hashlib.sha256(self.url.encode()).hexdigest()[:8]}"

    def prove(self) -> None:
        """Write, read and remove an object: buckets are not made, and rights to only write do not suffice."""
        key = f".probe-{secrets.token_hex(8)}{TEMPORARY}"
        self.write(key, b"rro")
        if self.read(key) != b"rro":
            raise UserError(f"warehouse {self.url}: does not give back what was written; choose {WAY_OUT}")
        self.remove(key)

    def address(self, key: str) -> str:
        """The object's URL."""
        return f"{self.url}/{key}"

    def read(self, key: str) -> bytes | None:
        """One GET."""
        with self._explained(key, "read"):
            try:
                return bytes(self.filesystem.cat_file(self._path(key)))
            except FileNotFoundError as error:
                _raise_if_no_bucket(error)
                return None

    def seen(self, key: str) -> tuple[bytes | None, str | None]:
        """The version first: if the object changes in between, `replace` refuses."""
        version = self._version(key) if self._conditional else None
        return self.read(key), version

    def write(self, key: str, content: bytes) -> None:
        """One PUT; several for what is larger than 100 MB, and then it appears with the last one."""
        with self._explained(key, "write"):
            self.filesystem.pipe_file(self._path(key), content)

    def create(self, key: str, content: bytes) -> bool:
        """One PUT that is refused where there is such an object; False then."""
        with self._explained(key, "write"):
            try:
                self.filesystem.pipe_file(self._path(key), content, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                if _code(error) in CHANGED:
                    return False
                if _code(error) != "NotImplemented":
                    raise
                self._conditional = False
                if self.has(key):
                    return False
                self.write(key, content)
        return True

    def replace(self, key: str, content: bytes, version: str | None) -> bool:
        """One PUT; where the store can, it is refused if the object has another version now."""
        if not self._conditional:
            self.write(key, content)
            return True
        done = self._put_if(key, content, version) if version else self.create(key, content)
        # A PUT whose answer was lost is repeated, and then refused for having been done.
        return done or self.read(key) == content

    def has(self, key: str) -> bool:
        """One HEAD."""
        with self._explained(key, "read"):
            try:  # Not isfile: it takes whatever goes wrong for a no.
                return bool(self.filesystem.info(self._path(key))["type"] == "file")
            except FileNotFoundError as error:
                _raise_if_no_bucket(error)
                return False

    def files(self, folder: str) -> dict[str, int]:
        """One LIST for every thousand."""
        return {_last(found): found["size"] for found in self._listed(folder) if found["type"] == "file"}

    def folders(self, folder: str) -> list[str]:
        """One LIST for every thousand."""
        return sorted(_last(found) for found in self._listed(folder) if found["type"] == "directory")

    def below(self, folder: str) -> list[str]:
        """One LIST for every thousand."""
        with self._explained(folder, "list"):
            paths = self.filesystem.find(self._path(folder))
        return [path.strip("/").removeprefix(f"{self._base}/") for path in paths]

    def age(self, key: str) -> float | None:
        """By the store's clock, whatever this machine's says."""
        with self._explained(key, "read"):
            try:
                return max(0.0, time.time() - self._ahead - self._modified(key))
            except FileNotFoundError:
                return None

    def remove(self, key: str) -> None:
        """One DELETE."""
        with self._explained(key, "remove"), suppress(FileNotFoundError):
            self.filesystem.rm_file(self._path(key))

    def holding(self, folder: str) -> AbstractContextManager[None]:
        """Nobody can be kept out."""
        return nullcontext()

    def lock(self, key: str, what: str) -> AbstractContextManager[None]:
        """By an object with a heartbeat."""
        return lease(self, key, what)

    def has_folder(self, key: str) -> bool:
        """Whether its manifest is there."""
        return self.has(f"{key}/{MANIFEST}")

    def fetch_folder(self, key: str) -> Path | None:
        """The copy in the cache folder, downloaded if it is another one's or none."""
        return fetch(self, key, self.root / key)

    def upload_folder(self, key: str) -> None:
        """Files first, then the manifest."""
        upload(self, key, self.root / key)

    def stale_uploads(self, folder: str) -> list[str]:
        """Files that no manifest names, a day old."""
        keys = unfinished(self, folder)
        return [key for key in keys if (age := self.age(key)) is not None and age > UPLOAD_SECONDS]

    def gather(self, use: Callable[[V], T], items: Iterable[V]) -> list[T]:
        """Some at once: every answer takes tens of milliseconds to arrive."""
        listed = list(items)
        if len(listed) < 2:
            return [use(item) for item in listed]
        with ThreadPoolExecutor(min(AT_ONCE, len(listed))) as pool:
            return list(pool.map(use, listed))

    def upload(self, path: Path, key: str) -> None:
        """A local file's content, in pieces where it is large."""
        with self._explained(key, "write"):
            self.filesystem.put_file(str(path), self._path(key))

    def download(self, key: str, path: Path) -> None:
        """An object's content into a local file."""
        with self._explained(key, "read"):
            self.filesystem.get_file(self._path(key), str(path))

    def _path(self, key: str) -> str:
        return f"{self._base}/{key}"

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        with self._explained(folder, "list"):
            try:
                found: list[dict[str, Any]] = self.filesystem.ls(self._path(folder), detail=True)
            except FileNotFoundError as error:
                _raise_if_no_bucket(error)
                return []
        return found

    def _version(self, key: str) -> str | None:
        with self._explained(key, "read"):
            try:
                version: str = self.filesystem.info(self._path(key))["ETag"]
            except FileNotFoundError:
                return None
        return version

    def _put_if(self, key: str, content: bytes, version: str) -> bool:
        with self._explained(key, "write"):
            try:
                self.filesystem.pipe_file(self._path(key), content, IfMatch=version)
            except OSError as error:
                if _code(error) in CHANGED or isinstance(error, FileNotFoundError):  # Discarded meanwhile.
                    _raise_if_no_bucket(error)
                    return False
                if _code(error) != "NotImplemented":
                    raise
                self._conditional = False
                self.write(key, content)
        return True

    @cached_property
    def _ahead(self) -> float:
        """Seconds by which this machine's clock is ahead of the store's."""
        key = f".clock-{secrets.token_hex(8)}{TEMPORARY}"
        self.write(key, b"")
        now = time.time()
        try:
            return now - self._modified(key)
        finally:
            self.remove(key)

    def _modified(self, key: str) -> float:
        return float(self.filesystem.modified(self._path(key)).timestamp())

    @contextmanager
    def _explained(self, key: str, doing: str) -> Iterator[None]:
        """Whatever a store's package raises, as one message. It names the URL and no credentials."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self.address(key)}: cannot {doing}: {_reason(error)}") from error


def _checked_path(protocol: str, path: str) -> str:
    """Bucket and prefix of a URL. `UserError` on one without a bucket or with a password."""
    base = path.strip("/")
    if ":" in base.rpartition("@")[0]:  # Not only before the first "/": secret keys of S3 may hold one.
        raise UserError(
            f"warehouse {protocol}://...@...: a password in the URL would be kept with the run; {CREDENTIALS}"
        )
    if not base:
        raise UserError(f"warehouse {protocol}://: name a bucket, as in {protocol}://bucket/prefix")
    if re.search(r"[?#*\[\]]|//|(^|/)\.\.?(/|$)", base):
        raise UserError(f"warehouse {protocol}://{base}: name a bucket and a plain prefix; choose {WAY_OUT}")
    return base


def _filesystem(protocol: str, base: str) -> Any:
    """fsspec's file system. `UserError` where the protocol is unknown or its package is missing."""
    url = f"{protocol}://{base}"
    fsspec = importlib.import_module("fsspec")
    try:
        # Listings that are kept would hide what others publish; an instance of one's own, so its settings are.
        return fsspec.filesystem(
            protocol, use_listings_cache=False, skip_instance_cache=True, **OPTIONS.get(protocol, {})
        )
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        mend = f"pip install 'rro[{extra}]'" if extra else f"install it ({error})"
        raise UserError(f"warehouse {url}: the package for {protocol}:// is missing; {mend}") from error
    except ValueError as error:
        raise UserError(
            f"warehouse {url}: no such protocol as {protocol}://; take s3://, gs:// or a folder, or choose {WAY_OUT}"
        ) from error


def _raise_if_no_bucket(error: BaseException) -> None:
    """Go on only if a missing object, not a missing bucket, is what was found."""
    if _code(error) == "NoSuchBucket":
        raise error


def _code(error: BaseException) -> str | None:
    """The error code that S3 answered with."""
    response = getattr(error.__cause__, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if _code(error) == "NoSuchBucket" or isinstance(error, FileNotFoundError):
        return f"{text}; make the bucket, or choose {WAY_OUT}"
    if isinstance(error, PermissionError) or "redential" in type(error).__name__ + text:
        return f"{text}; {CREDENTIALS}"
    if isinstance(error, OSError):
        return f"{text}; try again, or choose {WAY_OUT}"
    return f"{type(error).__name__}: {text}; try again, or choose {WAY_OUT}"


def _last(found: dict[str, Any]) -> str:
    return str(found["name"]).rstrip("/").rpartition("/")[2]
