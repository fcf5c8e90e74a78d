"""What a stage refuses, in words that say what is wrong and what to do; nothing is started for it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rro.flows.dpo import dpo
from rro.flows.evaluate import evaluate
from rro.flows.explore import explore
from rro.flows.pairs import pairs
from rro.flows.sft import sft
from rro.tasks.errors import UserError
from rro.tasks.storage.warehouse import Warehouse
from tests.flows.mini import mini

pytestmark = pytest.mark.usefixtures("prefect_server", "plugin")


def refusal(flow: Any, root: Path, iteration: int | None = None, **overrides: Any) -> str:
    """The words in which a stage of the run `r` is refused."""
    place = {} if iteration is None else {"iteration": iteration}
    with pytest.raises(UserError) as caught:
        asyncio.run(flow(settings=mini(**overrides), run="r", warehouse=str(root), **place))
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"explore": {"split": "dusk"}}, "split 'dusk': doors has train, validation, test, bare"),
        ({"explore": {"split": "bare"}}, "experts.split = 'bare': this split of doors holds no tasks"),
        ({"experts": {"tasks": 61}}, "experts.tasks = 61: split 'train' of doors has only 60 tasks"),
    ],
)
def test_sft_refuses_tasks_that_are_not_there(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert refusal(sft, tmp_path, **changes) == expected


def test_a_base_model_that_is_not_there_is_refused_before_training(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    assert refusal(sft, tmp_path / "warehouse", policy={"base": missing}).startswith(
        f"policy.base = {missing!r}: no model folder there (config.json is missing); give a folder"
    )
    assert not list((tmp_path / "warehouse").glob("policies/*"))


@pytest.mark.parametrize(
    ("flow", "iteration", "stage"),
    [(explore, 1, "sft"), (explore, 2, "dpo"), (evaluate, 0, "sft"), (evaluate, 1, "dpo"), (pairs, 1, "sft")],
)
def test_a_stage_without_its_policy_names_the_stage_that_makes_it(
    tmp_path: Path, flow: Any, iteration: int, stage: str
) -> None:
    made_by = iteration if flow is evaluate else iteration - 1
    rest = f" --iteration {made_by}" if made_by else ""
    assert refusal(flow, tmp_path, iteration) == (
        f"run r: it has no policy of iteration {made_by} yet; train it first: rro stage {stage} --run r{rest}"
    )


@pytest.fixture
def with_policy(tmp_path: Path) -> Path:
    """A warehouse in which the run `r` has an SFT policy, whose weights nobody reads."""
    from rro.tasks.storage.tables import TABLES, table

    root = tmp_path / "warehouse"
    warehouse = Warehouse.open(root)
    row = dict.fromkeys(TABLES["policies"].names)
    row |= {"policy": "sft-x", "run": "r", "iteration": 0}
    warehouse.publish("r", "policy-i0", {"policies": table("policies", [row])})
    folder = warehouse.policy_path("sft-x")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return root


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"split": "dusk"}, "split 'dusk': doors has train, validation, test, bare"),
        ({"split": "bare"}, "explore.split = 'bare': this split of doors holds no tasks"),
        ({"tasks": 61}, "explore.tasks = 61: split 'train' of doors has only 60 tasks"),
    ],
)
def test_explore_refuses_tasks_that_are_not_there(
    with_policy: Path, changes: dict[str, Any], expected: str
) -> None:
    assert refusal(explore, with_policy, explore=changes) == expected


def test_evaluate_refuses_tasks_that_are_not_there(with_policy: Path) -> None:
    assert refusal(evaluate, with_policy, 0, evaluate={"tasks": 21}) == (
        "evaluate.tasks = 21: split 'test' of doors has only 20 tasks"
    )


def test_a_deleted_policy_is_named(with_policy: Path) -> None:
    folder = with_policy / "policies" / "sft-x"
    (folder / "config.json").unlink()
    assert refusal(explore, with_policy) == (
        f"policy sft-x: {folder} is gone; run the pipeline again to train it anew"
    )


def test_pairs_wait_for_every_shard(with_policy: Path) -> None:
    assert refusal(pairs, with_policy) == (
        "run r: 4 of 4 shards of iteration 1 are not explored yet (explore-i1-00000, ...); "
        "finish them first: rro stage explore --run r --iteration 1"
    )


def test_dpo_waits_for_pairs(with_policy: Path) -> None:
    assert refusal(dpo, with_policy) == (
        "run r: no pairs of iteration 1; extract them first: rro stage pairs --run r --iteration 1"
    )
