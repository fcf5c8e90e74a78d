"""What is refused of `explore.ray`, in words, before anything is trained or explored."""

import socket
import sys
import time

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from rro.flows.cluster import check_cluster
from rro.tasks.errors import UserError
from tests.flows.mini import mini

pytestmark = pytest.mark.usefixtures("plugin")


def refusal(address: str) -> str:
    with pytest.raises(UserError) as caught:
        check_cluster(mini(explore={"ray": address}))
    return str(caught.value)


@pytest.fixture
def deaf() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def installed() -> None:
    pytest.importorskip("prefect_ray", reason="the extra `ray` is not installed")


def test_without_a_cluster_nothing_of_ray_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    check_cluster(mini())


@pytest.mark.parametrize("missing", ["ray", "prefect_ray"])
def test_a_missing_extra_is_named(missing: str, deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    words = refusal(deaf)
    assert words.startswith(f"explore.ray = '{deaf}': Ray cannot be imported (")
    assert words.endswith("install the extra: pip install 'rro[ray]'")


@pytest.mark.usefixtures("installed")
def test_an_address_that_does_not_answer_is_refused_at_once(deaf: str) -> None:
    began = time.monotonic()
    assert refusal(deaf) == (
        f"explore.ray = '{deaf}': nothing answers at {deaf} ([Errno 111] Connection refused); give the head's "
        "host:port as `ray start --head` printed it, or auto on a machine that has joined the cluster"
    )
    assert time.monotonic() - began < 30


@pytest.mark.usefixtures("installed")
def test_auto_looks_at_ray_address(deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", deaf)
    assert refusal("auto").startswith(f"explore.ray = 'auto': nothing answers at {deaf} (")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("address", ["head", "head:", "ray://head", ":"])
def test_an_address_without_host_and_port_is_refused(address: str) -> None:
    assert f"explore.ray = {address!r}: nothing answers at {address} (" in refusal(address)


@pytest.mark.usefixtures("installed")
def test_a_prefect_server_that_only_this_process_knows_is_refused() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as anybody,
        temporary_settings(restore_defaults={PREFECT_API_URL}),
    ):
        address = f"127.0.0.1:{anybody.getsockname()[1]}"
        assert refusal(address) == (
            f"explore.ray = '{address}': the cluster's workers report to Prefect's server, and PREFECT_API_URL "
            "names none; start one that every node reaches: prefect server start --host 0.0.0.0"
        )
