"""Policies on an object store: uploaded whole, downloaded once, never half."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rro.tasks.errors import UserError
from rro.tasks.storage import remote as remote_module
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.objects import Fault, Server

FILES = {"config.json": b"{}", "model.safetensors": b"w" * 1000, "sub/tokens.txt": b"a b c"}
Machine = Callable[[str], None]
FETCH = """
import os, sys
from rro.tasks.storage.remote import RemoteStore
from rro.tasks.storage.warehouse import Warehouse
real, count = RemoteStore.download, 0

def download(self, key, path):
    global count
    count += 1
    if count == 2:
        os._exit(9)
    real(self, key, path)

RemoteStore.download = download
RemoteStore.gather = lambda self, use, items: [use(item) for item in items]
Warehouse(sys.argv[1]).fetch_policy("p")
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Goes to a machine, which has a cache of its own."""
    return lambda name: monkeypatch.setenv("RRO_CACHE", str(tmp_path / name))


def train(warehouse: Warehouse, files: dict[str, bytes] = FILES) -> Path:
    """What a training leaves."""
    folder = warehouse.policy_path("p")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def content(folder: Path | None) -> dict[str, bytes]:
    assert folder is not None
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_trained_policy_is_there_once_it_is_uploaded(warehouse: Warehouse) -> None:
    assert not warehouse.has_policy("p")
    assert warehouse.fetch_policy("p") is None
    folder = train(warehouse)
    warehouse.upload_policy("p")
    assert warehouse.has_policy("p")
    assert warehouse.fetch_policy("p") == folder
    assert content(folder) == FILES


def test_another_machine_downloads_it_once(s3: str, s3_server: Server, machine: Machine) -> None:
    warehouse = Warehouse.open(s3)
    train(warehouse)
    warehouse.upload_policy("p")
    warehouse.upload_policy("p")
    assert s3_server.count("PUT", "model.safetensors") == 1
    warehouse.fetch_policy("p")
    assert s3_server.count("GET", "model.safetensors") == 0
    machine("another")
    for _ in range(2):
        assert content(warehouse.fetch_policy("p")) == FILES
    assert s3_server.count("GET", "model.safetensors") == 1


def test_many_who_want_it_at_once_download_it_once(s3: str, s3_server: Server, machine: Machine) -> None:
    train(Warehouse.open(s3))
    Warehouse(s3).upload_policy("p")
    machine("another")
    found: list[dict[str, bytes]] = []
    threads = [
        threading.Thread(target=lambda: found.append(content(Warehouse(s3).fetch_policy("p"))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [FILES] * 4
    assert s3_server.count("GET", "model.safetensors") == 1


def test_a_killed_download_leaves_no_policy_and_the_next_one_clears_up(s3: str, machine: Machine) -> None:
    warehouse = Warehouse.open(s3)
    train(warehouse)
    warehouse.upload_policy("p")
    machine("another")
    assert subprocess.run([sys.executable, "-c", FETCH, s3], check=False).returncode == 9
    folder = warehouse.policy_path("p")
    assert not folder.exists()
    assert len(list(folder.parent.glob(".p.*.tmp"))) == 1
    assert content(warehouse.fetch_policy("p")) == FILES
    assert not list(folder.parent.glob(".p.*.tmp"))


def test_half_an_upload_is_no_policy(
    s3: str, s3_server: Server, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    warehouse = Warehouse.open(s3)
    train(warehouse)
    s3_server.faults.append(Fault("PUT", "policies/p/manifest.json", status="500 Internal Server Error"))
    with pytest.raises(UserError, match=rf"{s3}/policies/p/manifest.json: cannot write"):
        warehouse.upload_policy("p")
    assert not warehouse.has_policy("p")
    warehouse.upload_policy("p")
    assert warehouse.sweep("r") == []  # An upload may still be under way.
    monkeypatch.setattr(remote_module, "UPLOAD_SECONDS", -1.0)
    assert warehouse.sweep("r") == ["config.json", "model.safetensors", "tokens.txt"]
    machine("another")
    assert content(warehouse.fetch_policy("p")) == FILES


def test_of_two_machines_that_train_one_policy_the_first_ones_stays(
    remote: Warehouse, machine: Machine
) -> None:
    train(remote)
    machine("another")
    later = Warehouse(remote.url)
    train(later, FILES | {"model.safetensors": b"other"})
    machine("cache")
    remote.upload_policy("p")
    machine("another")
    later.upload_policy("p")
    assert content(later.fetch_policy("p")) == FILES
    assert len([key for key in remote._store.below("policies") if key.endswith("config.json")]) == 1


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (
            b'{"upload": "u", "files": {"../../stolen": 1}}',
            "names '../../stolen', which leads out of its folder",
        ),
        (
            b'{"upload": "u", "files": {"config.json": 3}}',
            "not 3 bytes long; delete .*policies/p and run the",
        ),
        (b'{"upload": "u", "files": {"missing": 3}}', "policies/p/u/missing: cannot read"),
        (b"torn", "policies/p/manifest.json: not readable as JSON"),
    ],
)
def test_a_damaged_policy_is_named(remote: Warehouse, manifest: bytes, message: str) -> None:
    remote._store.write("policies/p/u/config.json", b"{}")
    remote._store.write("policies/p/manifest.json", manifest)
    with pytest.raises(UserError, match=message):
        remote.fetch_policy("p")
    assert not remote.policy_path("p").exists()
