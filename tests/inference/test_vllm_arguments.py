"""What vLLM is started with."""

from pathlib import Path

import pytest

from rro.tasks.inference.vllm_arguments import engine_arguments, flags
from rro.tasks.settings import EngineSettings


@pytest.mark.parametrize(
    ("gib", "cuda", "bytes_asked"),
    [(0.0, False, 2**30), (0.0, True, None), (0.5, False, 2**29), (0.5, True, 2**29)],
)
def test_the_cache_is_as_large_as_asked_and_by_default_vllms_affair_on_a_gpu(
    gib: float, cuda: bool, bytes_asked: int | None
) -> None:
    arguments = engine_arguments(Path("policy"), EngineSettings(kv_cache_gib=gib), cuda)
    assert arguments["kv_cache_memory_bytes"] == bytes_asked
    assert any(word.startswith("--kv-cache-memory-bytes") for word in flags(arguments)) == (
        bytes_asked is not None
    )


def test_switches_are_words_and_nothing_is_left_to_vllm() -> None:
    assert flags({"enforce_eager": True, "enable_chunked_prefill": False, "seed": 3, "revision": None}) == [
        "--enforce-eager",
        "--no-enable-chunked-prefill",
        "--seed",
        "3",
    ]
