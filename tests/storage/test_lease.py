"""A run's lock on an object store: one holder, a name to the one who waits, and no lock for the dead."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from rro.tasks.errors import UserError
from rro.tasks.storage import lease
from rro.tasks.storage.warehouse import Warehouse

LOCK = "runs/r/lock"
HOLD = """
import sys, time
from rro.tasks.storage.warehouse import Warehouse
with Warehouse(sys.argv[1]).lock("r"):
    print("held", flush=True)
    time.sleep(120)
"""


@contextmanager
def holder(url: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds run r."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


def owner(warehouse: Warehouse) -> dict[str, object]:
    content = warehouse._store.read(LOCK)
    assert content is not None
    value: dict[str, object] = json.loads(content)
    return value


def test_a_lock_is_given_back(remote: Warehouse) -> None:
    for _ in range(2):
        with suppress(RuntimeError), remote.lock("r"):
            assert remote._store.has(LOCK)
            raise RuntimeError
    assert not remote._store.has(LOCK)
    assert remote.runs() == []


def test_a_held_run_is_refused_with_its_holder_and_the_way_out(remote: Warehouse) -> None:
    words = r"run 'r': another process \(pid \d+ on .*\) is writing it, last heard of \d+ s ago; wait"
    with remote.lock("r"):
        with pytest.raises(UserError, match=words) as caught, Warehouse(remote.url).lock("r"):
            pytest.fail("two holders")
        with Warehouse(remote.url).lock("another"):
            pass
    assert f"or at once if you delete {remote.url}/runs/r/lock" in str(caught.value)


def test_a_killed_holder_of_this_machine_is_followed_at_once(s3: str) -> None:
    warehouse = Warehouse.open(s3)
    with holder(s3) as process:
        with pytest.raises(UserError, match=rf"\(pid {process.pid} on"), warehouse.lock("r"):
            pytest.fail("two holders")
        process.kill()
        process.wait()
        with warehouse.lock("r"):
            assert owner(warehouse)["pid"] != process.pid


@pytest.mark.parametrize(
    "content", [b'{"owner": "x", "host": "far", "place": "elsewhere", "pid": 1}', b"torn"]
)
def test_another_machines_lock_falls_after_a_silence(
    remote: Warehouse, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(lease, "SETTLE", 0.0)
    remote._store.write(LOCK, content)
    with pytest.raises(UserError, match="another process"), remote.lock("r"):
        pytest.fail("two holders")
    monkeypatch.setattr(lease, "STALE", -1.0)
    with remote.lock("r"):
        assert owner(remote)["owner"] != "x"


def test_a_holder_gives_signs_of_life(remote: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.02)
    with remote.lock("r"):
        first = owner(remote)["heartbeat"]
        deadline = time.monotonic() + 20
        while owner(remote)["heartbeat"] == first:
            assert time.monotonic() < deadline


def test_a_holder_that_was_taken_for_dead_says_so_and_leaves_the_lock(
    remote: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.02)
    with remote.lock("r"):
        remote._store.write(LOCK, b'{"owner": "thief"}')
        deadline = time.monotonic() + 20
        while "is another process's now" not in caplog.text:
            assert time.monotonic() < deadline
            remote._store.write(LOCK, b'{"owner": "thief"}')
            time.sleep(0.02)
    assert owner(remote)["owner"] == "thief"


def test_of_many_who_want_a_dead_lock_one_gets_it(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writes can be conditional; elsewhere a thief who is slower than `SETTLE` goes unseen."""
    remote = Warehouse.open(s3)
    real = lease._gone
    monkeypatch.setattr(lease, "_gone", lambda held: held.get("owner") == "dead" or real(held))
    remote._store.write(LOCK, b'{"owner": "dead"}')
    start, done = threading.Barrier(4), threading.Barrier(4)
    held: list[int] = []

    def take(number: int) -> None:
        start.wait()
        try:
            with Warehouse(remote.url).lock("r"):
                held.append(number)
                done.wait()
        except UserError:
            done.wait()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(held) == 1
