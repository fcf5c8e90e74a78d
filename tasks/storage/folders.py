"""Folders of files, such as a policy's weights, behind a manifest on an object store, with a local copy.

    <key>/manifest.json               {"upload": <random>, "files": {<name>: <bytes>}}
    <key>/<random>/<name>             the files of that upload

The manifest is written last and never replaced, so a folder is there whole or not at all and never changes. The
local copy keeps the manifest it belongs to in `.uploaded.json`; it is downloaded under a temporary name and renamed.
"""

import os
import secrets
import shutil
from pathlib import Path

from rro.tasks.errors import UserError
from rro.tasks.storage.files import TEMPORARY, from_json, lock_file, temporary_name, to_json, write_atomically
from rro.tasks.storage.manifest import MANIFEST
from rro.tasks.storage.store import ObjectStore

COPY_OF = ".uploaded.json"


def upload(store: ObjectStore, key: str, folder: Path) -> None:
    """Put the files of `folder` at `key`. If another upload was finished there before, that one stays."""
    if _is_copy(folder, store.read(f"{key}/{MANIFEST}")):
        return
    token = secrets.token_hex(8)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != COPY_OF]
    names = [path.relative_to(folder).as_posix() for path in paths]
    store.gather(lambda name: store.upload(folder / name, f"{key}/{token}/{name}"), names)
    sizes = {name: path.stat().st_size for name, path in zip(names, paths, strict=True)}
    content = to_json({"upload": token, "files": sizes})
    if store.create(f"{key}/{MANIFEST}", content) or store.read(f"{key}/{MANIFEST}") == content:
        write_atomically(folder / COPY_OF, content)
    else:
        store.gather(lambda name: store.remove(f"{key}/{token}/{name}"), names)


def fetch(store: ObjectStore, key: str, folder: Path) -> Path | None:
    """`folder` with the files at `key`, downloaded unless they are there already; None where nothing is whole.

    Processes that want the same folder wait for the first one's download.
    """
    content = store.read(f"{key}/{MANIFEST}")
    if content is None:
        return None
    if not _is_copy(folder, content):
        with lock_file(folder.with_name(f"{folder.name}.lock")):
            if not _is_copy(folder, content):
                _download(store, key, folder, content)
    return folder


def _is_copy(folder: Path, content: bytes | None) -> bool:
    try:
        return content is not None and (folder / COPY_OF).read_bytes() == content
    except (FileNotFoundError, NotADirectoryError):
        return False


def _download(store: ObjectStore, key: str, folder: Path, content: bytes) -> None:
    """Under the folder's lock: fill a temporary folder, then give it the name."""
    for left in folder.parent.glob(f".{folder.name}.*{TEMPORARY}"):  # By a download that was killed.
        shutil.rmtree(left)
    manifest = from_json(content, store.address(f"{key}/{MANIFEST}"))
    filling, old = temporary_name(folder), temporary_name(folder)
    try:
        store.gather(
            lambda file: _get(store, key, manifest["upload"], file, filling), manifest["files"].items()
        )
        write_atomically(filling / COPY_OF, content)
        if folder.exists():  # Trained here, but another machine's upload came first.
            folder.rename(old)
        filling.rename(folder)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write: {error.strerror}; free some space or set RRO_CACHE"
        ) from error
    finally:
        shutil.rmtree(filling, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _get(store: ObjectStore, key: str, token: str, file: tuple[str, int], folder: Path) -> None:
    name, size = file
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"{store.address(f'{key}/{MANIFEST}')}: names {name!r}, which leads out of its folder"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    store.download(f"{key}/{token}/{name}", path)
    if path.stat().st_size != size:
        raise UserError(
            f"{store.address(f'{key}/{token}/{name}')}: not {size} bytes long; "
            f"delete {store.address(key)} and run the pipeline again"
        )
    with path.open("rb") as written:
        os.fsync(written.fileno())


def unfinished(store: ObjectStore, folder: str) -> list[str]:
    """Keys below a folder of folders that no manifest names: uploads under way, or killed."""
    keys = store.below(folder)  # Before the manifests: what is finished meanwhile has one.
    parts = [key.removeprefix(f"{folder}/").split("/", 2) for key in keys]
    uploaded = [(name, upload, file) for name, upload, file in (part for part in parts if len(part) == 3)]
    names = sorted({name for name, _, _ in uploaded})
    named = dict(
        zip(names, store.gather(lambda name: _upload_of(store, f"{folder}/{name}"), names), strict=True)
    )
    return [f"{folder}/{name}/{upload}/{file}" for name, upload, file in uploaded if upload != named[name]]


def _upload_of(store: ObjectStore, key: str) -> str | None:
    """The upload that a folder's manifest names."""
    content = store.read(f"{key}/{MANIFEST}")
    return None if content is None else from_json(content, store.address(f"{key}/{MANIFEST}")).get("upload")
