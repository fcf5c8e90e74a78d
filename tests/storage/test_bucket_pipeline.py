"""The mini profile's whole pipeline into a bucket, killed once and resumed: the rows that a folder would hold.

The bucket is on moto's server: it speaks S3 over HTTP, and needs no binary and no network (`objects.py`).
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from rro.tasks.storage.queries import run_query
from rro.tasks.storage.views import connect
from rro.tasks.storage.warehouse import Warehouse
from tests.flows.mini import PLUGIN, PROFILE, Ran, Row, mini, run_pipeline

pytestmark = pytest.mark.slow

TABLES = ("episodes", "steps", "candidates", "rollouts", "pairs")
WITHOUT = {"cached_tokens", "seconds", "environment_seconds"}
"""Columns that say how fast, not what."""


def rows(ran: Ran, table: str) -> "Counter[str]":
    def plain(row: Row) -> str:
        return repr(sorted((name, value) for name, value in row.items() if name not in WITHOUT))

    return Counter(map(plain, ran.rows(table)))


def killed_while_exploring(url: str, folder: Path) -> str:
    """Start `rro run` and kill it when the first shard of its exploration is published; the run's name."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")]),
        "PREFECT_HOME": str(folder / "prefect"),
    }
    words = [sys.executable, "-m", "rro.flows.cli", "run", "--profile", str(PROFILE), "--warehouse", url]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            words, stdout=output, stderr=output, env=environment, start_new_session=True
        )
        try:
            warehouse, deadline = Warehouse(url), time.monotonic() + 800
            while not any(warehouse.shards(run, "explore-i1-") for run in warehouse.runs()):
                assert process.poll() is None, (folder / "output").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    (run,) = warehouse.runs()
    return run


@pytest.mark.timeout(1800)
def test_a_pipeline_into_a_bucket_killed_and_resumed(finished: Ran, s3: str, tmp_path: Path) -> None:
    run = killed_while_exploring(s3, tmp_path)
    assert run == finished.run
    ran = run_pipeline(s3, mini(), run)
    for table in TABLES:
        assert rows(ran, table) == rows(finished, table), table
    assert [row["status"] for row in ran.rows("runs")] == ["finished"]
    for name in ("policy-comparison", "rising-by-third"):
        answers = [run_query(connect(one.warehouse), name, run).to_pylist() for one in (ran, finished)]
        assert answers[0] == answers[1]
    for row in ran.rows("policies"):
        assert row["path"].startswith(f"{s3}/policies/")
        assert ran.warehouse.has_policy(row["policy"])
    assert ran.warehouse.analytics_path.is_relative_to(tmp_path / "cache")
