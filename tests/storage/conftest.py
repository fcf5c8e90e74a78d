import logging
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import build
from tests.storage.objects import ENVIRONMENT, Server, serving

NUMBERS = count(1)


@pytest.fixture(scope="session")
def little(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return build(tmp_path_factory.mktemp("little"))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with serving() as server:
        yield server


@pytest.fixture
def s3(s3_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a prefix in an empty bucket; this process and its children can reach it."""
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": s3_server.endpoint}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RRO_CACHE", str(tmp_path / "cache"))
    s3_server.faults.clear()
    s3_server.asked.clear()
    bucket = f"bucket-{next(NUMBERS)}"
    urlopen(
        Request(f"{s3_server.endpoint}/{bucket}", method="PUT")
    )  # A client of boto's takes a second to make.
    return f"s3://{bucket}/some/prefix"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an object store without conditional writes, in this process."""
    monkeypatch.setenv("RRO_CACHE", str(tmp_path / "cache"))
    return f"memory://bucket-{next(NUMBERS)}/prefix"


@pytest.fixture
def local(tmp_path: Path) -> Warehouse:
    return Warehouse.open(tmp_path / "warehouse")


@pytest.fixture(params=["local", "memory", "s3"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """The same promises in a folder, in an object store without conditional writes, and in one with them."""
    at = tmp_path / "warehouse" if request.param == "local" else request.getfixturevalue(request.param)
    return Warehouse.open(at)


@pytest.fixture(params=["memory", "s3"])
def remote(request: pytest.FixtureRequest) -> Warehouse:
    return Warehouse.open(request.getfixturevalue(request.param))
