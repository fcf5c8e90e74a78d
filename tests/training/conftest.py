from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.training.base_model import build_tiny
from tests.training.little import TINY, sft_job, texts, train


@dataclass(frozen=True)
class Trained:
    """A finished training."""

    folder: Path
    log: list[dict[str, Any]]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The little model, built from nothing."""
    folder = tmp_path_factory.mktemp("base") / "model"
    build_tiny(folder, texts(), TINY, 0)
    return folder


@pytest.fixture(scope="session")
def undisturbed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The SFT policy that nobody interrupted."""
    job = sft_job(tmp_path_factory.mktemp("undisturbed"), base)
    return Trained(Path(job.folder), train(job))
