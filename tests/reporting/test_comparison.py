"""Comparisons on a warehouse whose figures are worked out by hand; arms that cannot be compared are refused."""

from pathlib import Path
from typing import Any

import pytest

from rro.tasks.errors import UserError
from rro.tasks.reporting.comparison import Comparison, compared
from rro.tasks.reporting.comparison_tables import flat, markdown
from rro.tasks.reporting.statistics import mean_interval
from rro.tasks.storage.tables import table
from rro.tasks.storage.views import connect
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import row

REWARDS: dict[tuple[str, int], dict[str, float]] = {
    ("sft", 0): {"a": 0.0, "b": 0.4},
    ("sft", 1): {"a": 0.2, "b": 0.4},
    ("rising", 0): {"a": 0.5, "b": 0.5},
    ("rising", 1): {"a": 0.5, "b": 0.9},
    ("fixed-3", 0): {"a": 0.5, "b": 0.5},
    ("fixed-3", 1): {"a": 0.3, "b": 0.3},
}


def filled(
    root: Path, rewards: dict[tuple[str, int], dict[str, float]] = REWARDS, **policies: str
) -> Warehouse:
    """Runs `x-ARM-sSEED`, each with held-out episodes and an explored task of 2 rollouts and 500,000 tokens each.

    Where no reward is given an arm has no pairs, so nothing was trained or tested.
    """
    store = Warehouse.open(root)
    arms = []
    for (arm, seed), by_task in rewards.items():
        run = f"x-{arm}-s{seed}"
        arms.append(
            row("comparisons", run="x", budget="tasks", arm=arm, seed=seed, arm_run=run, settings="{}")
        )
        started = policies.get(f"{arm}-{seed}".replace("-", "_"), f"sft-{seed}")
        policy = started if arm == "sft" else f"dpo-{run}"
        _publish(store, run, "policy-i0", policies=[_policy(run, started, "sft", 0)])
        if arm != "sft":
            _publish(store, run, "explore-i1-0", **_explored(run, arm, bool(by_task)))
        if arm != "sft" and by_task:
            _publish(store, run, "policy-i1", policies=[_policy(run, policy, "dpo", 1)])
        episodes = [_episode(run, policy, "evaluate", task, outcome) for task, outcome in by_task.items()]
        _publish(store, run, "evaluate", episodes=episodes)
    _publish(store, "x", "arms-tasks", comparisons=arms)
    return store


def _publish(store: Warehouse, run: str, shard: str, **rows: list[dict[str, Any]]) -> None:
    store.publish(run, shard, {name: table(name, listed) for name, listed in rows.items()})


def _policy(run: str, policy: str, stage: str, iteration: int) -> dict[str, Any]:
    return row("policies", run=run, policy=policy, stage=stage, iteration=iteration)


def _episode(run: str, policy: str, stage: str, task: str, outcome: float, **more: Any) -> dict[str, Any]:
    iteration = more.pop("iteration", 0 if policy.startswith("sft") else 1)
    return row(
        "episodes",
        iteration=iteration,
        **{"temperature": 0.0, "environment_steps": 7, **more},
        run=run,
        policy=policy,
        stage=stage,
        task=task,
        episode=f"{run}/{stage}/{iteration}/{task}",
        outcome=outcome,
        best=1.0,
        success=outcome >= 0.9,
        steps=1,
    )


def _explored(
    run: str, arm: str, paired: bool = True, iteration: int = 1, task: str = "t", rises: bool = True
) -> dict[str, list[dict[str, Any]]]:
    strategy = arm.split("-")[0]
    episode = _episode(run, "sft-0", "explore", task, 0.5, iteration=iteration, strategy=strategy)
    at = f"{run}/{iteration}/{task}"
    common = {name: episode[name] for name in ("run", "iteration", "strategy", "policy", "task", "episode")}
    drawn = 3 if arm == "fixed-3" else 2
    candidates = [
        row(
            "candidates",
            **common,
            step=f"{at}/0",
            candidate=f"{at}/0/{index}",
            step_index=0,
            candidate_index=index,
            value=0.5,
            previous=0.4,
            rose=rises and index == 1,
            chosen=index == 1,
            generated_tokens=0,
        )
        for index in range(drawn)
    ]
    rollouts = [
        row(
            "rollouts",
            **common,
            candidate=one["candidate"],
            rollout=f"{one['candidate']}/{number}",
            step_index=0,
            candidate_index=one["candidate_index"],
            rollout_index=number,
            scorer="sft-0",
            actions=["a", "b"],
            reused_actions=2 if number == 2 else 0,
            outcome=0.5,
            generated_tokens=0 if number == 2 else 250_000,
        )
        for one in candidates
        for number in range(3)
    ]
    episode["generated_tokens"] = sum(one["generated_tokens"] for one in rollouts)
    pairs = [row("pairs", **common, pair=f"{at}/p", step=f"{at}/0", step_index=0, margin=0.5)]
    found = {"episodes": [episode], "candidates": candidates, "rollouts": rollouts}
    return {**found, "pairs": pairs} if paired else found


@pytest.fixture
def found(tmp_path: Path) -> Comparison:
    with connect(filled(tmp_path)) as connection:
        return compared(connection, "x")


def test_rewards_gains_and_what_they_cost(found: Comparison) -> None:
    sft, rising, fixed = found.tables["tasks"]
    assert sft.reward is not None
    assert sft.reward.mean == pytest.approx(0.25)
    assert (sft.gain, sft.pairs, sft.generated_tokens) == (None, None, None)
    assert rising.reward is not None
    assert rising.gain is not None
    assert rising.gain_per_million is not None
    assert rising.reward.mean == pytest.approx(0.6)
    assert rising.gain.mean == pytest.approx(0.35)
    assert rising.gains == pytest.approx((0.3, 0.4))
    assert (rising.gain.low, rising.gain.high) == pytest.approx((0.3, 0.4))  # tasks: a +0.4, b +0.3
    assert rising.success is not None
    assert rising.success.mean == pytest.approx(0.25)
    # Two candidates with three rollouts each, of which one was there already.
    assert (rising.rollouts, rising.generated_tokens, rising.pairs) == (4, 1_000_000, 1)
    assert rising.gain_per_million.mean == pytest.approx(0.35)
    assert (fixed.rollouts, fixed.candidates_mean, fixed.candidates_max) == (6, 3, 3)
    assert fixed.against is not None
    assert fixed.against.mean == pytest.approx(0.4 - 0.6)
    assert rising.against is None


def test_the_second_table_of_the_paper_is_there(found: Comparison) -> None:
    assert [(one.policy, one.thirds) for one in found.rising] == [("sft", (1.0, None, None))]


def test_an_arm_without_pairs_counts_as_the_policy_it_left_as_it_was(tmp_path: Path) -> None:
    rewards: dict[tuple[str, int], dict[str, float]] = {**REWARDS, ("fixed-3", 1): {}}
    with connect(filled(tmp_path, rewards)) as connection:
        fixed = compared(connection, "x").tables["tasks"][2]
    assert fixed.gains == pytest.approx((0.3, 0.0))
    assert fixed.gain is not None
    assert fixed.gain.mean == pytest.approx(0.15)
    assert fixed.reward is not None
    assert fixed.reward.mean == pytest.approx((0.5 + 0.3) / 2)
    assert fixed.against is not None
    assert fixed.against.mean == pytest.approx((0.5 + 0.3) / 2 - 0.6)
    assert (fixed.seeds, fixed.pairs) == (2, 0.5)


def test_a_seed_that_an_arm_was_not_run_with_takes_no_part(tmp_path: Path) -> None:
    rewards = {key: by_task for key, by_task in REWARDS.items() if key != ("fixed-3", 1)}
    with connect(filled(tmp_path, rewards)) as connection:
        fixed = compared(connection, "x").tables["tasks"][2]
    assert fixed.gain is not None
    assert fixed.gain.mean == pytest.approx(0.3)
    assert fixed.against is not None
    assert fixed.against.mean == pytest.approx(0.0)


def test_the_second_budget_borrows_the_baseline_and_the_reference(tmp_path: Path) -> None:
    store = filled(tmp_path)
    run = "x-fixed-3-b-s0"
    _publish(store, run, "policy-i0", policies=[_policy(run, "sft-0", "sft", 0)])
    _publish(store, run, "policy-i1", policies=[_policy(run, "dpo-b", "dpo", 1)])
    _publish(store, run, "explore-i1-0", **_explored(run, "fixed-3"))
    _publish(store, run, "evaluate", episodes=[_episode(run, "dpo-b", "evaluate", t, 0.9) for t in "ab"])
    arm = {"run": "x", "budget": "rollouts", "arm": "fixed-3", "seed": 0, "arm_run": run, "settings": "{}"}
    _publish(store, "x", "arms-rollouts", comparisons=[row("comparisons", **arm)])
    with connect(store) as connection:
        found = compared(connection, "x")
    assert list(found.tables) == ["tasks", "rollouts"]
    assert [one.arm for one in found.tables["rollouts"]] == ["sft", "rising", "fixed-3"]
    fixed = found.tables["rollouts"][2]
    assert fixed.gain is not None
    assert fixed.gain.mean == pytest.approx(0.9 - 0.2)
    assert found.tables["tasks"][2].gains == pytest.approx((0.3, 0.0))


def test_other_temperatures_and_later_iterations_take_no_part(tmp_path: Path) -> None:
    store = filled(tmp_path)
    for run, policy in (("x-sft-s0", "sft-0"), ("x-rising-s0", "dpo-x-rising-s0")):
        warm = [_episode(run, policy, "evaluate", task, 0.0, temperature=1.0) for task in "ab"]
        _publish(
            store, run, "evaluate-warm", episodes=[{**one, "episode": one["episode"] + "/1"} for one in warm]
        )
    _publish(store, "x-rising-s0", "explore-i2-0", **_explored("x-rising-s0", "rising", iteration=2))
    with connect(store) as connection:
        rising = compared(connection, "x").tables["tasks"][1]
    assert rising.gains == pytest.approx((0.3, 0.4))
    assert (rising.rollouts, rising.pairs, rising.tasks) == (4, 1, 1)


def test_rising_shares_before_and_after_are_of_the_same_tasks(tmp_path: Path) -> None:
    store, run = filled(tmp_path, {key: one for key, one in REWARDS.items() if key[1] == 0}), "x-rising-s0"
    _publish(store, run, "explore-i1-1", **_explored(run, "rising", task="other", rises=False))
    _publish(store, run, "explore-i2-0", **_explored(run, "rising", iteration=2))
    with connect(store) as connection:
        shares = compared(connection, "x").rising
    assert [(one.policy, one.thirds[0]) for one in shares] == [("sft", 1.0), ("rising", 1.0)]


def test_intervals_rest_on_as_many_resamples_as_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)
    arms = [
        {**one, "settings": '{"evaluate": {"resamples": 123}}'}
        for one in store.read("comparisons", "x", "arms-tasks").to_pylist()
    ]
    _publish(store, "x", "arms-tasks", comparisons=arms)
    taken: list[int] = []

    def noted(values: Any, resamples: int) -> Any:
        taken.append(resamples)
        return mean_interval(values, resamples)

    monkeypatch.setattr("rro.tasks.reporting.comparison.mean_interval", noted)
    with connect(store) as connection:
        compared(connection, "x")
    assert set(taken) == {123}


def test_markdown_and_parquet_say_the_same(found: Comparison) -> None:
    assert r"+0.350 \[+0.300, +0.400\]" in markdown(found)
    rows = {one["arm"]: one for one in flat(found).to_pylist()}
    assert rows["rising"]["gain"] == pytest.approx(0.35)
    assert rows["sft"]["gain_low"] is None


def test_different_test_sets_are_refused_with_the_reason(tmp_path: Path) -> None:
    rewards = {**REWARDS, ("fixed-3", 1): {"a": 0.3, "c": 0.3}}
    with (
        connect(filled(tmp_path, rewards)) as connection,
        pytest.raises(
            UserError, match=r"x-fixed-3-s1 and x-sft-s1 .* different tasks \(2 and 2, 1 in common\)"
        ),
    ):
        compared(connection, "x")


def test_different_sft_policies_are_refused_with_the_reason(tmp_path: Path) -> None:
    with (
        connect(filled(tmp_path, fixed_3_0="sft-other")) as connection,
        pytest.raises(
            UserError, match=r"different SFT policies \(sft-other and sft-0\); arm fixed-3, seed 0"
        ),
    ):
        compared(connection, "x")


def test_a_comparison_that_is_not_there_is_named(tmp_path: Path) -> None:
    with connect(Warehouse.open(tmp_path)) as connection, pytest.raises(UserError, match=r"'y'.*rro compare"):
        compared(connection, "y")
