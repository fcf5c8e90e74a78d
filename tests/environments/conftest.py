"""The shipped shop, loaded once, and a tiny one whose every figure can be worked out by hand."""

import pytest

from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from tests.environments.small_shop import small_shop


@pytest.fixture(scope="session")
def shop() -> WebShop:
    return WebShop(ShopOptions())


@pytest.fixture(scope="session")
def bundled() -> Catalogue:
    return Catalogue.load()


@pytest.fixture(scope="session")
def small() -> Catalogue:
    return small_shop()
