from collections.abc import Iterator

import duckdb
import pytest

from rro.tasks.storage.views import connect
from tests.storage.little import build


@pytest.fixture(scope="session")
def little(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the little warehouse, whose figures are worked out by hand."""
    with connect(build(tmp_path_factory.mktemp("little"))) as connection:
        yield connection
