"""The whole pipeline through Prefect, on a model of two layers: rows, lineage, artifacts, reuse, gate, seeds."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rro.flows.engines import close_engine
from rro.flows.explore import explore
from rro.flows.pairs import pairs
from rro.flows.pipeline import pipeline
from rro.flows.sft import sft
from rro.tasks.errors import GateClosed
from rro.tasks.settings import Settings
from rro.tasks.storage.tables import TABLES
from rro.tasks.storage.warehouse import Warehouse
from tests.flows.mini import PROFILE, Ran, Row, mini, run_pipeline

pytestmark = pytest.mark.slow

HELD_OUT, EXPLORED, EXPERTS = 8, 8, 40
UPDATES = {"base": 10, "sft": 30}
WHAT_EXPLORATION_FOUND = ("candidates", "rollouts", "pairs")


def comparable(ran: Ran, table: str, prefix: str = "") -> list[Row]:
    """Rows without what depends on what the engine did before."""
    return [{**row, "cached_tokens": None} for row in ran.rows(table, prefix)]


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The shards that were published again or anew; a run's and its stages' own rows aside."""
    return {
        shard
        for shard, generation in after.items()
        if before.get(shard) != generation and shard != "run" and not shard.startswith("stage-")
    }


def policies(ran: Ran) -> dict[str, Row]:
    return {f"{row['stage']} {row['iteration']}": row for row in ran.rows("policies")}


def test_every_table_is_filled(finished: Ran) -> None:
    counts = {name: len(finished.rows(name)) for name in TABLES if name != "comparisons"}
    assert all(counts.values()), counts
    assert counts["episodes"] == EXPERTS + EXPLORED + 2 * 2 * HELD_OUT
    assert counts["policies"] == 3


def test_a_finished_run_says_so_and_every_stage_has_its_time(finished: Ran) -> None:
    (run,) = finished.rows("runs")
    assert (run["status"], run["reason"], run["run"]) == ("finished", None, finished.run)
    assert run["finished_at"] > run["started_at"]
    stages = {(row["stage"], row["iteration"]) for row in finished.rows("stages")}
    begun = {("base", 0), ("sft", 0), ("evaluate", 0)}
    assert stages == begun | {(name, 1) for name in ("explore", "pairs", "analyse", "dpo", "evaluate")}


def test_exploration_walks_the_tasks_that_the_experts_did_not_show(finished: Ran) -> None:
    shown, walked = (
        [row["task"] for row in finished.rows("episodes", prefix)] for prefix in ("experts", "explore-i1-")
    )
    assert shown == [f"train-{n}" for n in range(EXPERTS)]
    assert walked == [f"train-{n}" for n in range(EXPERTS, EXPERTS + EXPLORED)]


def test_rows_point_to_the_policy_that_acted(finished: Ran) -> None:
    made = policies(finished)
    sft_policy, dpo_policy = made["sft 0"]["policy"], made["dpo 1"]["policy"]
    for table in (*WHAT_EXPLORATION_FOUND, "episodes", "steps"):
        acted = {row["policy"] for row in finished.rows(table, "explore-i1-")}
        assert acted <= {sft_policy}
    for iteration, policy in enumerate((sft_policy, dpo_policy)):
        acted = {row["policy"] for row in finished.rows("episodes", f"evaluate-i{iteration}-")}
        assert acted == {policy}
    assert {row["scorer"] for row in finished.rows("rollouts")} == {sft_policy}


def test_lineage_leads_from_each_policy_to_its_parent_and_its_data(finished: Ran) -> None:
    made = policies(finished)
    base, first, second = made["base 0"], made["sft 0"], made["dpo 1"]
    assert (base["parent"], first["parent"], second["parent"]) == ("", base["policy"], first["policy"])
    assert (base["dataset"], first["dataset"], second["dataset"]) == ("experts", "experts", "pairs-i1")
    assert (first["dataset_rows"], second["dataset_rows"]) == (EXPERTS, len(finished.rows("pairs")))
    assert len({row["weights_digest"] for row in made.values()}) == 3
    for row in made.values():
        assert Path(row["path"], "model.safetensors").is_file()
        assert Settings.model_validate_json(row["settings"]) == mini()


def test_training_logs_are_kept_by_policy(finished: Ran) -> None:
    made = policies(finished)
    for row in made.values():
        steps = [entry["step"] for entry in finished.rows("training_log") if entry["policy"] == row["policy"]]
        assert steps == sorted(set(steps))
        assert len(steps) == UPDATES.get(row["stage"], -(-row["dataset_rows"] // 4))
    margins = [dict(entry["metrics"]) for entry in finished.rows("training_log") if entry["stage"] == "dpo"]
    assert all("rewards/margins" in metrics for metrics in margins)


def artifacts() -> dict[str, tuple[str, str]]:
    """Key to type and data of every artifact on the server."""
    from prefect.client.orchestration import get_client

    async def ask() -> Any:
        async with get_client() as client:
            return await client.read_artifacts(limit=200)

    return {found.key: (found.type, str(found.data)) for found in asyncio.run(ask()) if found.key}


def test_prefect_shows_progress_tables_and_markdown_with_charts(finished: Ran) -> None:
    found, run = artifacts(), finished.run
    kinds = {key.removeprefix(f"{run}-"): kind for key, (kind, _) in found.items() if key.startswith(run)}
    assert kinds == {
        "i1-progress": "progress",
        "i1-exploration": "markdown",
        "i1-cost": "table",
        "summary": "markdown",
        "stage-times": "table",
    }
    assert float(found[f"{run}-i1-progress"][1]) == 100
    for markdown in ("i1-exploration", "summary"):
        assert "data:image/png;base64," in found[f"{run}-{markdown}"][1]


def test_the_same_pipeline_again_reuses_everything(finished: Ran, tmp_path: Path) -> None:
    again = finished.copy(tmp_path / "warehouse")
    before = again.generations()
    assert run_pipeline(again.warehouse.root, mini()).run == finished.run
    assert changed(before, again.generations()) == set()
    for table in (*WHAT_EXPLORATION_FOUND, "policies", "training_log", "episodes"):
        assert again.rows(table) == finished.rows(table)


def test_another_beta_trains_and_evaluates_anew_and_nothing_else(finished: Ran, tmp_path: Path) -> None:
    again = finished.copy(tmp_path / "warehouse")
    before = again.generations()
    run_pipeline(again.warehouse.root, mini(dpo={"beta": 0.5}), finished.run)
    assert changed(before, again.generations()) == {"policy-i1", "evaluate-i1-t0", "evaluate-i1-t1"}
    old, new = policies(finished), policies(again)
    assert new["dpo 1"]["policy"] != old["dpo 1"]["policy"]
    assert new["dpo 1"]["weights_digest"] != old["dpo 1"]["weights_digest"]
    assert new["sft 0"] == old["sft 0"]


def test_the_second_iteration_explores_other_tasks_with_the_first_one_s_policy(
    finished: Ran, tmp_path: Path
) -> None:
    again = finished.copy(tmp_path / "warehouse")
    before = again.generations()
    run_pipeline(again.warehouse.root, mini(iterations=2), finished.run)
    new = changed(before, again.generations())
    assert new == {
        *(f"explore-i2-0000{n}" for n in range(4)),
        "pairs-i2",
        "policy-i2",
        "evaluate-i2-t0",
        "evaluate-i2-t1",
    }
    first, second = policies(again)["dpo 1"], policies(again)["dpo 2"]
    assert {row["policy"] for row in again.rows("candidates", "explore-i2-")} == {first["policy"]}
    assert (second["parent"], second["dataset"]) == (first["policy"], "pairs-i2")
    tasks = [{row["task"] for row in again.rows("episodes", f"explore-i{i}-")} for i in (1, 2)]
    assert not tasks[0] & tasks[1]


def test_a_closed_gate_ends_the_run_before_dpo_with_every_reason(finished: Ran, tmp_path: Path) -> None:
    again = finished.copy(tmp_path / "warehouse")
    gate = {"min_pairs": 1000, "min_margin": 0.99}
    with pytest.raises(GateClosed) as caught:
        run_pipeline(again.warehouse.root, mini(gate=gate), "gated")
    gated = Ran(again.warehouse, "gated")
    message = str(caught.value)
    assert message.startswith("run gated: the gate before DPO stays closed:\n- ")
    assert message.count("\n- ") == 2
    assert "1,000" in message or "1000" in message
    assert "0.99" in message
    (run,) = gated.rows("runs")
    assert (run["status"], run["reason"]) == ("gate closed", message)
    assert {row["stage"] for row in gated.rows("policies")} == {"base", "sft"}
    assert gated.rows("pairs")
    assert not gated.rows("episodes", "evaluate-i1-")


def test_the_same_seed_in_another_warehouse_gives_the_same_rows(finished: Ran, tmp_path: Path) -> None:
    """Stage by stage, each flow alone, where the first run went through the pipeline; one thread."""
    twin = Ran(Warehouse.open(tmp_path / "warehouse"), finished.run)
    place = {"settings": mini(), "run": twin.run, "warehouse": str(twin.warehouse.root)}
    for flow in (sft, explore, pairs):
        asyncio.run(flow(**place))
    close_engine()
    for table in WHAT_EXPLORATION_FOUND:
        assert comparable(twin, table) == comparable(finished, table)
    assert policies(twin)["sft 0"]["weights_digest"] == policies(finished)["sft 0"]["weights_digest"]


def test_another_seed_gives_other_rows(finished: Ran, tmp_path: Path) -> None:
    other = finished.copy(tmp_path / "warehouse")
    asyncio.run(explore(settings=mini(seed=1), run=other.run, warehouse=str(other.warehouse.root)))
    close_engine()
    for table, ids in (("candidates", "candidate"), ("rollouts", "rollout")):
        ours, theirs = ({row[ids]: row["seed"] for row in ran.rows(table)} for ran in (other, finished))
        assert all(theirs.get(name) != seed for name, seed in ours.items())
    actions = [[row["action"] for row in ran.rows("candidates")] for ran in (other, finished)]
    assert actions[0] != actions[1]


def test_a_lost_shard_is_explored_again_as_it_was_and_the_others_are_left_alone(
    finished: Ran, tmp_path: Path
) -> None:
    again = finished.copy(tmp_path / "warehouse")
    before = again.generations()
    again.warehouse.discard(again.run, "explore-i1-00001")
    asyncio.run(explore(settings=mini(), run=again.run, warehouse=str(again.warehouse.root)))
    close_engine()
    assert again.generations().keys() >= before.keys()
    assert {shard: before[shard] for shard in before if shard.startswith("explore")} == {
        shard: generation for shard, generation in again.generations().items() if shard.startswith("explore")
    }
    for table in ("candidates", "rollouts"):
        assert comparable(again, table, "explore-") == comparable(finished, table, "explore-")


def test_the_settings_name_the_run_and_are_kept(finished: Ran) -> None:
    kept = finished.warehouse.load_settings(finished.run)
    assert kept == {"profile": str(PROFILE), "settings": mini().model_dump(mode="json")}
    assert finished.run.startswith("mini-")
    assert pipeline.name == "pipeline"
