"""Full disks, kills, two writers, folders that refuse: the old shard or the new one, and a message."""

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rro.tasks.errors import UserError
from rro.tasks.storage.manifest import Manifest
from rro.tasks.storage.tables import table
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.shards import listing, seconds, stages


@pytest.fixture
def warehouse(local: Warehouse) -> Warehouse:
    """Folders alone: the faults of object stores are in `test_objects.py`."""
    return local


# Folders that cannot be written.


@pytest.mark.parametrize("root", ["file/below", "/proc/rro"])
def test_a_warehouse_that_cannot_be_written_names_itself_and_the_way_out(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=rf"{root}: not writable .*--warehouse or RRO_WAREHOUSE"):
        Warehouse.open(tmp_path / root)


def test_opening_leaves_nothing_behind(warehouse: Warehouse) -> None:
    Warehouse.open(warehouse.root)
    assert list(warehouse.root.iterdir()) == []


@pytest.mark.parametrize("fails_at", range(1, 4))
def test_a_full_disk_keeps_the_old_shard(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    old = stages(1.0) | {"pairs": table("pairs", [])}
    warehouse.publish("r", "s", old)
    calls = 0

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == fails_at * 2 - 1:  # Every file is flushed, then its folder.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(UserError, match="No space left on device; free some space or choose another"):
        warehouse.publish("r", "s", stages(2.0) | {"pairs": table("pairs", [])})
    monkeypatch.undo()
    assert seconds(warehouse) == [1.0]
    assert not list(warehouse.root.rglob("*.tmp"))
    warehouse.publish("r", "s", stages(3.0))
    assert listing(warehouse) == ["manifest.json", "stages-2.parquet"]


# Kills.

WRITER = """
import os, sys
import pyarrow as pa
from rro.tasks.storage.tables import TABLES
from rro.tasks.storage.warehouse import Warehouse

warehouse = Warehouse(sys.argv[1])

def publish(value, count=1):
    rows = [dict.fromkeys(TABLES["stages"].names) | {"run": "r", "stage": "sft", "seconds": value}] * count
    stages = pa.Table.from_pylist(rows, schema=TABLES["stages"])
    warehouse.publish("r", "s", {"stages": stages, "pairs": TABLES["pairs"].empty_table()})
"""
DIE = """
def die_at(moment):
    global warehouse
    warehouse = Warehouse(f"{sys.argv[1]}/{moment}")
    real, count = os.fsync, 0

    def fsync(descriptor):
        nonlocal count
        count += 1
        if count == moment:
            os._exit(9)
        real(descriptor)

    os.fsync = fsync
    publish(2.0)

for moment in map(int, sys.argv[2:]):
    child = os.fork()
    if child == 0:
        die_at(moment)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 9, status
"""
FOR_EVER = """
for value in range(1, 1_000_000):
    publish(float(value), 50)
    if value == 1:
        print("writing", flush=True)
"""
TWENTY = """
for _ in range(20):
    publish(float(sys.argv[2]))
"""
HOLD = """
import time
with warehouse.lock("r"):
    print("held", flush=True)
    time.sleep(60)
"""


def start(script: str, warehouse: Warehouse, *arguments: object) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", WRITER + script, str(warehouse.root), *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


MOMENTS = {
    1: (1.0, 1),  # first part written, not renamed
    2: (1.0, 1),  # first part renamed
    4: (1.0, 2),  # both parts renamed, no manifest
    5: (1.0, 3),  # manifest written, not renamed
    6: (2.0, 1),  # manifest renamed, the old part still there
}
"""Which flush the writer dies at, the value then to be read, files then left behind."""


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of warehouses, each named for the moment its writer died."""
    folder = tmp_path_factory.mktemp("torn")
    for moment in MOMENTS:
        Warehouse.open(folder / str(moment)).publish("r", "s", stages(1.0))
    assert start(DIE, Warehouse(folder), *MOMENTS).wait() == 0
    return folder


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_any_moment_leaves_the_old_shard_or_the_new_one(
    torn: Path, tmp_path: Path, moment: int, swept: bool
) -> None:
    warehouse = Warehouse(shutil.copytree(torn / str(moment), tmp_path / "copy"))
    expected, left = MOMENTS[moment]
    assert seconds(warehouse) == [expected]
    if swept:
        assert len(warehouse.sweep("r", older_than=-1)) == left
        assert seconds(warehouse) == [expected]
    warehouse.publish("r", "s", stages(3.0))
    assert seconds(warehouse) == [3.0]
    whole = [name for name in listing(warehouse) if not name.endswith(".tmp")]
    assert whole == ["manifest.json", f"stages-{expected + 1:.0f}.parquet"]


def test_readers_see_whole_shards_while_writers_are_killed(warehouse: Warehouse) -> None:
    warehouse.publish("r", "s", stages(*[0.0] * 50))
    seen: set[float] = set()
    rounds = 0
    while rounds < 3 or len(seen) <= 10:
        rounds += 1
        writer = start(FOR_EVER, warehouse)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            read = seconds(warehouse)
            assert len(read) == 50
            assert len(set(read)) == 1
            seen.add(read[0])
        writer.kill()
        writer.wait()


@pytest.mark.parametrize("meanwhile", ["published", "discarded"])
def test_a_shard_that_changes_while_it_is_read_is_read_anew(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    warehouse.publish("r", "s", stages(1.0))

    def overtaken(self: Warehouse, folder: str) -> Manifest | None:
        monkeypatch.undo()
        old = warehouse._manifest(folder)
        if meanwhile == "published":
            warehouse.publish("r", "s", stages(2.0))
        else:
            warehouse.discard("r", "s")
        return old

    monkeypatch.setattr(Warehouse, "_manifest", overtaken)
    assert seconds(warehouse) == ([2.0] if meanwhile == "published" else [])


def test_two_writers_of_one_shard_leave_one_whole_shard(warehouse: Warehouse) -> None:
    writers = [start(TWENTY, warehouse, value) for value in (1, 2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    manifest = warehouse.finished("r", "s")
    assert manifest is not None
    assert manifest.generation == 40
    assert seconds(warehouse) in ([1.0], [2.0])
    assert listing(warehouse) == ["manifest.json", "pairs-40.parquet", "stages-40.parquet"]


# Locks and leftovers.


def test_a_held_run_is_refused_with_the_pid_of_its_holder(warehouse: Warehouse) -> None:
    holder = start(HOLD, warehouse)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(UserError, match=rf"run 'r': another process \(pid {holder.pid}\)"),
        warehouse.lock("r"),
    ):
        pytest.fail("two holders")
    with warehouse.lock("another"):
        pass
    holder.kill()
    holder.wait()
    with warehouse.lock("r"):
        assert (warehouse.root / "runs/r/lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_is_given_back_after_an_error(warehouse: Warehouse) -> None:
    with pytest.raises(RuntimeError), warehouse.lock("r"):
        raise RuntimeError
    with warehouse.lock("r"):
        pass


def test_sweeping_takes_old_temporary_files_and_nothing_else(warehouse: Warehouse) -> None:
    warehouse.publish("r", "s", stages(1.0))
    folder = warehouse.root / "runs/r/shards/s"
    for name, age in [(".stages-2.parquet.1.aa.tmp", 7200), (".manifest.json.1.bb.tmp", 10)]:
        (folder / name).write_bytes(b"torn")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    assert warehouse.sweep("r") == [".stages-2.parquet.1.aa.tmp"]
    assert (folder / ".manifest.json.1.bb.tmp").exists()
    assert seconds(warehouse) == [1.0]
