"""A comparison of every strategy through Prefect: real engine, real training, on a model of two layers."""

import asyncio
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from rro.flows import compare as comparing
from rro.flows.compare import ablate, compare
from rro.tasks.errors import UserError
from rro.tasks.storage.warehouse import Warehouse
from tests.flows.mini import PROFILE, Ran, mini

pytestmark = pytest.mark.slow

ARMS = ["rft", "eto", "ipr", "fixed-2", "rising", "rising+reuse+early"]
QUICK: dict[str, Any] = {"explore": {"tasks": 4}, "evaluate": {"tasks": 4, "temperatures": [0.0]}}


@pytest.fixture(scope="module")
def compared(prefect_server: None, plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All arms, one seed, stopped once between two arms and taken up again."""
    root = tmp_path_factory.mktemp("compared") / "warehouse"
    how: dict[str, Any] = {
        "profile": str(PROFILE),
        "settings": mini(**QUICK),
        "strategies": ARMS,
        "seeds": 1,
        "after_tasks": 2,
        "warehouse": str(root),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "evaluate", interrupted_after(comparing.evaluate, 3))
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(compare(**how))
    store = Warehouse(root)
    assert 0 < len(runs(store)) < len(ARMS) + 1
    before = {run: Ran(store, run).generations() for run in runs(store)}
    name = asyncio.run(compare(**how))
    after = {run: Ran(store, run).generations() for run in before}
    finished = [run for run in before if "policy-i1" in before[run]]
    assert finished
    for run in finished:
        kept = {
            shard: before[run][shard]
            for shard in before[run]
            if shard.startswith(("explore", "policy", "pairs"))
        }
        assert {shard: after[run][shard] for shard in kept} == kept
    return Ran(store, name)


def interrupted_after(evaluate: Any, calls: int) -> Any:
    """The stage, but Ctrl-C comes at the `calls`-th time."""
    done = 0

    async def stop(*arguments: Any) -> Any:
        nonlocal done
        done += 1
        if done == calls:
            raise KeyboardInterrupt
        return await evaluate(*arguments)

    return stop


def runs(store: Warehouse) -> list[str]:
    return [run for run in store.runs() if run.endswith("-s0")]


def test_every_arm_has_a_run_from_the_same_sft_policy(compared: Ran) -> None:
    rows = [row for row in compared.rows("comparisons") if row["budget"] == "tasks"]
    assert [row["arm"] for row in sorted(rows, key=lambda row: row["place"])] == ["sft", *ARMS]
    started = {
        policy["policy"]
        for row in rows
        for policy in Ran(compared.warehouse, row["arm_run"]).rows("policies")
        if (policy["stage"], policy["iteration"]) == ("sft", 0)
    }
    assert len(started) == 1


def test_strategies_leave_what_their_definition_says(compared: Ran) -> None:
    by_arm = {row["arm"]: Ran(compared.warehouse, row["arm_run"]) for row in compared.rows("comparisons")}
    assert {row["stage"] for row in by_arm["rft"].rows("policies")} == {"base", "sft", "rft"}
    assert by_arm["rft"].rows("pairs") == []
    assert by_arm["eto"].rows("steps", "explore-i1-") == []
    assert {row["drawn_by"] for row in by_arm["ipr"].rows("candidates", "explore-i1-")} > {"expert"}
    drawn = by_arm["fixed-2"].rows("steps", "explore-i1-")
    assert {row["candidates"] for row in drawn} == {2}
    for row in by_arm["eto"].rows("pairs"):
        assert row["chosen"][0]["role"] == row["chosen"][-1]["role"] == "assistant"


def test_the_tables_are_left_as_markdown_parquet_and_picture(compared: Ran) -> None:
    folder = Path(compared.warehouse.root) / "runs" / compared.run
    assert "Equal rollout budget" in (folder / "comparison.md").read_text()
    assert (folder / "comparison.png").read_bytes().startswith(b"\x89PNG")
    rows = pq.read_table(folder / "comparison.parquet").to_pylist()
    assert {row["arm"] for row in rows if row["budget"] == "tasks"} == {"sft", *ARMS}
    assert all(row["reward"] is not None for row in rows if row["arm"] in ("sft", "rft"))


def test_an_ablation_turns_one_knob(prefect_server: None, plugin: None, tmp_path: Path) -> None:
    settings = mini(**QUICK)
    name = asyncio.run(
        ablate(profile=str(PROFILE), settings=settings, knobs=["m-1", "only-rising"], warehouse=str(tmp_path))
    )
    rows = Ran(Warehouse(tmp_path), name).rows("comparisons")
    assert [row["arm"] for row in rows] == ["sft", "rising", "m-1", "only-rising"]


def test_no_seeds_are_refused(prefect_server: None, plugin: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="seeds = 0: at least 1 is needed"):
        asyncio.run(compare(profile=str(PROFILE), settings=mini(), seeds=0, warehouse=str(tmp_path)))
