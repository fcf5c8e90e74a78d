"""`rro run`, stopped again and again and resumed, ends as if nobody had stopped it."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rro.tasks.storage.warehouse import Warehouse
from tests.flows.mini import PLUGIN, PROFILE, Ran, Row

pytestmark = pytest.mark.slow

SECONDS = 240
IDS = {
    "episodes": ("episode",),
    "steps": ("step",),
    "candidates": ("candidate",),
    "rollouts": ("rollout",),
    "pairs": ("pair",),
    "policies": ("policy",),
    "training_log": ("policy", "step"),
}
WITHOUT = {"cached_tokens", "seconds", "environment_seconds", "created_at", "path", "metrics"}
"""Columns that say when, where and how fast, not what; TRL counts tokens from the resume on."""


@dataclass
class Started:
    """A command under way, and where what it says goes."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    def wait_for(self, happened: Callable[[], bool], what: str) -> None:
        """Watch the warehouse until something is there; the command must not end before."""
        deadline = time.monotonic() + SECONDS
        while not happened():
            assert self.process.poll() is None, f"ended before {what}: {self.err}"
            assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
            time.sleep(0.003)

    def end(self, how: signal.Signals | None = None) -> int:
        """Its exit code, after a signal or by itself; what it started must end with it."""
        below = descendants(self.process.pid)
        if how is not None:
            self.process.send_signal(how)
        code = self.process.wait(SECONDS)
        deadline = time.monotonic() + 30
        while left := [pid for pid in below if alive(pid)]:
            assert time.monotonic() < deadline, f"left behind: {[command_of(pid) for pid in left]}"
            time.sleep(0.05)
        return code


def descendants(pid: int) -> list[int]:
    try:
        threads = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for thread in threads for child in thread.read_text().split()]
    except FileNotFoundError:
        return []
    return [found for child in children for found in (child, *descendants(child))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@contextmanager
def rro(folder: Path, *words: str) -> Iterator[Started]:
    """`rro` with a Prefect home apart from everybody's. Whatever it leaves running is ended, and only that."""
    folder.mkdir()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(folder.parent / "prefect"),
        "PYTHONPATH": os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")]),
        "RRO_WAREHOUSE": str(folder.parent / "warehouse"),
        "COLUMNS": "120",
    }
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "rro.flows.cli", *words],
            stdout=out,
            stderr=err,
            env=environment,
            start_new_session=True,
        )
        below: list[int] = []
        try:
            yield Started(process, folder)
        finally:
            below = [process.pid, *descendants(process.pid)] if process.poll() is None else []
            for pid in below:
                os.kill(pid, signal.SIGKILL)
            process.wait()


def comparable(rows: list[Row]) -> list[Row]:
    return [{key: value for key, value in row.items() if key not in WITHOUT} for row in rows]


def test_a_run_that_is_stopped_again_and_again_ends_like_one_that_nobody_stopped(
    finished: Ran, tmp_path: Path
) -> None:
    root, run = tmp_path / "warehouse", finished.run
    shards = root / "runs" / run / "shards"
    stopped = Ran(Warehouse(root), run)

    def there(pattern: str) -> Callable[[], bool]:
        return lambda: any(root.glob(pattern))

    with rro(tmp_path / "ctrl-c in base", "run", "--profile", str(PROFILE)) as started:
        started.wait_for(there("policies/base-*.training/checkpoints/*/trainer_state.json"), "reading")
        assert started.end(signal.SIGINT) == 130
    assert started.err == (f"rro: stopped; what is finished is kept. To go on: rro run --resume {run}\n")
    assert [row["status"] for row in stopped.rows("runs")] == ["interrupted"]

    with rro(tmp_path / "kill in sft", "run", "--resume", run) as started:
        started.wait_for(there("policies/sft-*.training/checkpoints/*/trainer_state.json"), "sft")
        assert started.end(signal.SIGKILL) == -signal.SIGKILL
    assert not (shards / "policy-i0").exists()

    with rro(tmp_path / "kill in explore", "run", "--resume", run) as started:
        started.wait_for(there(f"runs/{run}/shards/explore-i1-*/manifest.json"), "a shard")
        assert started.end(signal.SIGKILL) == -signal.SIGKILL
    explored = stopped.warehouse.shards(run, "explore-i1-")
    assert 0 < len(explored) < len(finished.warehouse.shards(run, "explore-i1-"))

    with rro(tmp_path / "kill in evaluate", "run", "--resume", run) as started:
        started.wait_for(there(f"runs/{run}/shards/policy-i1/manifest.json"), "the dpo policy")
        assert started.end(signal.SIGKILL) == -signal.SIGKILL
    assert not (shards / "evaluate-i1-t1" / "manifest.json").exists()

    with rro(tmp_path / "to the end", "run", "--resume", run) as started:
        assert started.end() == 0, started.err

    for manifest in explored:
        now = stopped.warehouse.finished(run, manifest.shard)
        assert now == manifest, "a finished shard was explored again"
    (log,) = root.glob("policies/sft-*/log.jsonl")
    assert log.read_text().count('{"step": 1,') == 1, "sft began anew"
    for table, ids in IDS.items():
        rows = stopped.rows(table)
        twice = [
            name for name, count in Counter(tuple(row[i] for i in ids) for row in rows).items() if count > 1
        ]
        assert not twice, f"{table}: {twice}"
        assert comparable(rows) == comparable(finished.rows(table)), table
    assert [row["status"] for row in stopped.rows("runs")] == ["finished"]
    assert "rro query exploration-cost" in started.out
