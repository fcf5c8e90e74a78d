"""The Makefile's promises that can be kept without installing anything."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ["demo", "demo-seeds", "test", "test-servers", "lint", "bench", "lock", "clean", "help"]


def make(*words: str) -> str:
    ended = subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def test_help_is_the_default_and_lists_every_target() -> None:
    listed = re.findall(r"^  make (\S+) +\S", make(), re.MULTILINE)
    assert listed == TARGETS
    assert make("help") == make()


@pytest.mark.parametrize("target", ["demo", "test", "lint"])
def test_a_fresh_clone_installs_the_lock_before_anything_else(target: str, tmp_path: Path) -> None:
    lines = make("-n", target, f"VENV={tmp_path}/venv").splitlines()
    install = [number for number, line in enumerate(lines) if "--no-deps -r requirements/cpu.lock" in line]
    work = [
        number
        for number, line in enumerate(lines)
        if re.match(rf"{tmp_path}/venv/bin/(rro|python -m pytest|ruff)", line)
    ]
    assert len(install) == 1
    assert install[0] < work[0]


def test_the_environment_is_made_anew_only_when_the_lock_or_the_project_changes(tmp_path: Path) -> None:
    stamp = tmp_path / "venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    assert "pip install" not in make("-n", "test", f"VENV={tmp_path}/venv")
    for changed in ("requirements/cpu.lock", "pyproject.toml"):
        assert "pip install" in make("-n", "test", f"VENV={tmp_path}/venv", "-W", changed)


def test_the_missing_torch_hint_names_the_line_to_add() -> None:
    hint = (ROOT / "requirements" / "torch-hint.txt").read_text()
    assert "export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu\n" in hint
