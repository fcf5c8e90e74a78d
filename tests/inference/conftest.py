from collections.abc import Iterator
from pathlib import Path

import pytest

from rro.tasks.inference.vllm_engine import VllmEngine
from rro.tasks.settings import EngineSettings, TinyModelSettings
from rro.tasks.training.base_model import build_tiny
from tests.inference.formats import TEXT

TINY = TinyModelSettings(hidden_size=64, layers=2, intermediate_size=128, vocabulary=400, context=512)
SMALL = EngineSettings(
    dtype="float32", max_model_len=256, max_num_seqs=64, kv_cache_gib=0.05, block_size=32, threads=1
)
"""`max_model_len` is an eighth of what the scheduler takes in one step, so that crowds exceed the step."""


@pytest.fixture(scope="session")
def policies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two policies of one architecture and vocabulary with different weights."""
    root = tmp_path_factory.mktemp("policies")
    for seed in (0, 1):
        build_tiny(root / str(seed), TEXT, TINY, seed)
        _make_decided(root / str(seed), seed)
    return root / "0", root / "1"


@pytest.fixture(scope="session")
def engine(policies: tuple[Path, Path]) -> Iterator[VllmEngine]:
    """One engine for every test: starting it takes ten seconds. It holds the first policy's weights."""
    engine = VllmEngine(policies[0], SMALL)
    yield engine
    engine.close()


def _make_decided(policy: Path, seed: int) -> None:
    """Larger weights: a fresh model's are so small that its likeliest token is always the one it has just read."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(policy, dtype="float32")
    torch.manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.normal_(0, 0.2)
    model.save_pretrained(policy)
