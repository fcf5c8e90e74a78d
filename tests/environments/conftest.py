"""Shops and databases: those that ship, loaded once, and tiny ones worked out by hand."""

from collections.abc import Iterator

import pytest

from rro.tasks.environments.intercode_sql.data import SqlData
from rro.tasks.environments.intercode_sql.database import Limits
from rro.tasks.environments.intercode_sql.sqlite_database import SqliteDatabase
from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from tests.environments.small_shop import small_shop
from tests.environments.small_sql import write_folder


@pytest.fixture(scope="session")
def shop() -> WebShop:
    return WebShop(ShopOptions())


@pytest.fixture(scope="session")
def bundled() -> Catalogue:
    return Catalogue.load()


@pytest.fixture(scope="session")
def small() -> Catalogue:
    return small_shop()


@pytest.fixture(scope="session")
def harbor(tmp_path_factory: pytest.TempPathFactory) -> SqlData:
    return SqlData(write_folder(tmp_path_factory.mktemp("sql") / "data"))


@pytest.fixture(scope="session")
def sqlite(harbor: SqlData) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(harbor, Limits(seconds=2))
    yield database
    database.close()
