"""What every test shares: a clean environment, one thread, and one Prefect server for the flow tests."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from rro.tasks.process import prepare_environment

if TYPE_CHECKING:
    from tests.flows.mini import Ran

# Where tests are started in the background Ctrl-C is ignored, and what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
prepare_environment(base="tiny")
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE", "RRO_WAREHOUSE"):
    os.environ.pop(name, None)
# Prefect reads its home when it is imported, so the folder cannot come from a fixture.
PREFECT_HOME = tempfile.mkdtemp(prefix="rro-tests-prefect-")
os.environ["PREFECT_HOME"] = PREFECT_HOME


SERVERS = {"test_server.py", "test_bucket_pipeline.py", "test_cluster.py", "test_postgresql.py"}
"""Files whose slow tests start servers and clusters; `make test-servers` runs them, alone on a machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in SERVERS and item.get_closest_marker("slow"):
            item.add_marker("servers")


def pytest_unconfigure() -> None:
    shutil.rmtree(PREFECT_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server with an empty database. It takes ten seconds to start: only flow tests ask for it."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # Every sync flow would wait a second for its heartbeat thread to end.
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture(scope="session")
def plugin() -> None:
    """An environment of another package, which the mini profile acts in."""
    from tests.flows.mini import install_plugin

    install_plugin()


@pytest.fixture(scope="session")
def finished(prefect_server: None, plugin: None, tmp_path_factory: pytest.TempPathFactory) -> "Ran":
    """The mini profile's pipeline, run once; whoever changes its warehouse takes a copy."""
    from tests.flows.mini import mini, run_pipeline

    return run_pipeline(tmp_path_factory.mktemp("finished") / "warehouse", mini())
