"""A Ray cluster on this machine explores: a node is killed, workers keep crashing, a node has other code."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rro.flows.command_line.server import end_with_parent
from rro.tasks.storage.manifest import Manifest
from tests.faults import started
from tests.faults.started import SECONDS, command_of, descendants, free_port, kill, rro
from tests.faults.test_resume import IDS, comparable
from tests.flows.mini import PLUGIN, Ran

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytest.importorskip("prefect_ray", reason="the extra `ray` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NODE = ("--block", "--node-ip-address=127.0.0.1", "--object-store-memory=80000000", "--disable-usage-stats")
SHARDS = 4


@dataclass
class Node:
    """One `ray start`; all that it started lies below it."""

    process: "subprocess.Popen[bytes]"

    def exploring(self) -> list[int]:
        """Its processes that work on a shard: Ray renames them after what they do."""
        below = descendants(self.process.pid)
        return [pid for pid in below if command_of(pid).startswith("ray::explore-shard")]


@contextmanager
def node(log: Path, *words: str) -> Iterator[Node]:
    command = [str(Path(sys.executable).with_name("ray")), "start", *NODE, *words]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")]),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Node(process)
    finally:
        kill(process)


@dataclass
class Cluster:
    address: str
    worker: Node


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head that explores nothing, and a worker that explores one shard at a time."""
    logs = tmp_path_factory.mktemp("cluster")
    sockets = tempfile.mkdtemp(prefix="rro-ray-", dir="/tmp")  # Their names must be short.
    port = free_port()
    head = (
        "--head",
        f"--port={port}",
        f"--ray-client-server-port={free_port()}",
        f"--temp-dir={sockets}",
        "--num-cpus=0",
        "--include-dashboard=false",
    )
    address = f"127.0.0.1:{port}"
    try:
        with (
            node(logs / "head.log", *head),
            node(logs / "worker.log", f"--address={address}", "--num-cpus=1") as worker,
        ):
            yield Cluster(address, worker)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture
def unexplored(finished: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The finished run without its exploration, and Prefect's server where other processes look for it."""
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    ran = finished.copy(tmp_path / "warehouse")
    for manifest in explored(finished):
        ran.warehouse.discard(ran.run, manifest.shard)
    return ran


def explored(ran: Ran) -> list[Manifest]:
    return ran.warehouse.shards(ran.run, "explore-i1-")


def explore(ran: Ran, cluster: Cluster) -> tuple[str, ...]:
    return ("stage", "explore", "--run", ran.run, "--explore.ray", cluster.address)


def shards_in_prefect(run: str) -> dict[str, str]:
    """Name to state of the task runs of the newest exploration, once Prefect has recorded that all ended."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    async def ask() -> list[Any]:
        async with get_client() as client:
            flows = await client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC)
            newest = next(found for found in flows if found.name == f"explore {run} iteration 1")
            of_newest = FlowRunFilter.model_validate({"id": {"any_": [newest.id]}})
            return list(await client.read_task_runs(flow_run_filter=of_newest))

    deadline = time.monotonic() + 60
    found = asyncio.run(ask())
    while sum(one.state.is_final() for one in found) < SHARDS:
        assert time.monotonic() < deadline, found
        time.sleep(1)
        found = asyncio.run(ask())
    return {one.name: one.state.name for one in found}


def test_a_killed_node_costs_time_and_nothing_else(
    cluster: Cluster, unexplored: Ran, finished: Ran, tmp_path: Path
) -> None:
    with (
        node(tmp_path / "victim.log", f"--address={cluster.address}", "--num-cpus=1") as victim,
        rro(tmp_path / "explore", *explore(unexplored, cluster)) as command,
    ):
        command.wait_for(
            lambda: bool(victim.exploring() and explored(unexplored)), "a shard beside the victim's"
        )
        kill(victim.process)
        before = len(explored(unexplored))
        assert command.end() == 0, command.err
    assert before < len(explored(unexplored)) == SHARDS
    for table, ids in IDS.items():
        rows = unexplored.rows(table)
        assert not [
            name for name, count in Counter(tuple(row[i] for i in ids) for row in rows).items() if count > 1
        ]
        assert comparable(rows) == comparable(finished.rows(table)), table
    assert "8/8 tasks" in command.out
    assert shards_in_prefect(unexplored.run) == {one.shard: "Completed" for one in explored(finished)}


def test_a_shard_whose_worker_crashes_again_and_again_ends_the_stage(
    cluster: Cluster, unexplored: Ran, tmp_path: Path
) -> None:
    killed: set[int] = set()

    def crash() -> bool:
        for pid in cluster.worker.exploring():
            killed.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return command.process.poll() is not None

    with rro(tmp_path / "explore", *explore(unexplored, cluster)) as command:
        deadline = time.monotonic() + SECONDS
        while not crash():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert command.end() == 1
    assert command.err.startswith("rro: explore: explore-i1-0000")
    assert "lost its Ray worker 4 times (WorkerCrashedError); finished shards are kept" in command.err
    assert len(killed) >= 4
    assert not explored(unexplored)


def test_a_node_with_another_environment_refuses(
    cluster: Cluster, unexplored: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "plugin"
    shutil.copytree(PLUGIN, other)
    source = (other / "made_up.py").read_text()
    (other / "made_up.py").write_text(source.replace('f"doors {', 'f"newer doors {'))
    monkeypatch.setattr(started, "PLUGIN", other)
    with rro(tmp_path / "explore", *explore(unexplored, cluster)) as command:
        assert command.end() == 2, command.err
    assert (
        "would explore under another key than the run; install the same rro and the same env" in command.err
    )
    assert "Traceback" not in command.err
    assert not explored(unexplored)
