from pathlib import Path

import pytest

from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import build


@pytest.fixture(scope="session")
def little(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return build(tmp_path_factory.mktemp("little"))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse.open(tmp_path / "warehouse")
