"""What the lock installs works together, and the lock is what pyproject.toml asks for."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXCLUDED = (ROOT / "requirements" / "excludes.txt").read_text().split()
LOCKED = {
    requirement.name.lower(): next(iter(requirement.specifier)).version
    for requirement in map(Requirement, (ROOT / "requirements" / "cpu.lock").read_text().splitlines())
}
EXTRAS = PROJECT["optional-dependencies"]

IMPORTS = """
import torch, vllm, trl, peft, transformers, accelerate, datasets, duckdb, pyarrow, pandas
from peft import LoraConfig
from prefect.server.api.server import create_app
from trl import DPOTrainer, SFTTrainer
from vllm import LLM, SamplingParams
print("server routes:", len(create_app(ephemeral=True).routes))
"""


@pytest.mark.slow
def test_all_parts_import_in_one_process() -> None:
    ended = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    routes = re.search(r"server routes: (\d+)", ended.stdout)
    assert routes is not None
    assert int(routes[1]) > 0


@pytest.mark.parametrize("name", EXCLUDED)
def test_nothing_excluded_is_locked_or_installed(name: str) -> None:
    assert name not in LOCKED
    assert importlib.util.find_spec(name) is None


@pytest.mark.parametrize("asked", [*PROJECT["dependencies"], *EXTRAS["cpu"], *EXTRAS["dev"]])
def test_the_lock_holds_what_the_project_asks_for(asked: str) -> None:
    requirement = Requirement(asked)
    assert requirement.specifier.contains(LOCKED[requirement.name.lower()], prereleases=True)


def test_the_lock_takes_one_vllm_and_the_cpu_build_of_torch() -> None:
    assert "vllm" not in LOCKED
    assert LOCKED["torch"].endswith("+cpu")
    assert not [name for name in LOCKED if name.startswith("nvidia-")]
