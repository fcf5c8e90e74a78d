"""`prefect.yaml`: every deployment names a flow that is there and parameters that it takes."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).parents[2] / "prefect.yaml"
DEPLOYMENTS = yaml.safe_load(FILE.read_text(encoding="utf-8"))["deployments"]


def flow_of(deployment: dict[str, Any]) -> Any:
    module, name = deployment["entrypoint"].split(":")
    return getattr(import_module(module), name)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["entrypoint"])
def test_a_deployment_names_a_flow_and_parameters_that_it_takes(deployment: dict[str, Any]) -> None:
    known = inspect.signature(flow_of(deployment).fn).parameters
    assert set(deployment.get("parameters", {})) <= set(known)
    assert deployment["description"]
    assert deployment["tags"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["entrypoint"])
def test_schedules_are_inactive_and_runs_wait_for_each_other(deployment: dict[str, Any]) -> None:
    assert not any(schedule["active"] for schedule in deployment.get("schedules", []))
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


def test_every_stage_and_the_pipeline_can_be_deployed() -> None:
    stages = {"pipeline", "sft", "explore", "pairs", "analyse", "dpo", "evaluate"}
    assert {deployment["entrypoint"].split(":")[1] for deployment in DEPLOYMENTS} == stages


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["entrypoint"])
def test_the_form_describes_every_parameter(deployment: dict[str, Any]) -> None:
    from prefect.utilities.callables import parameter_schema

    properties = parameter_schema(flow_of(deployment).fn).properties
    assert [name for name, field in properties.items() if not field.get("description")] == []
