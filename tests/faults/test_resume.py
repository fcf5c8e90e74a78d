"""`rro run`, stopped again and again and resumed, ends as if nobody had stopped it."""

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rro.tasks.storage.warehouse import Warehouse
from tests.faults.started import rro
from tests.flows.mini import PROFILE, Ran, Row

pytestmark = pytest.mark.slow

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
