"""What vLLM is started with, in this process or as a server: one table, so that both generate the same."""

from pathlib import Path
from typing import Any

from rro.tasks.settings import EngineSettings

BATCHED_TOKENS = 4096
"""Prompt tokens computed in one step on a CPU, at most."""
CPU_CACHE_GIB = 1.0
"""Where nothing is asked for: a machine without a GPU has other things to do with its memory."""


def engine_arguments(policy: Path, settings: EngineSettings, cuda: bool) -> dict[str, Any]:
    """Arguments of `EngineArgs`; None leaves vLLM's own default."""
    return {
        "model": str(policy),
        "dtype": settings.dtype,
        "enforce_eager": not cuda,
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_num_seqs,
        "kv_cache_memory_bytes": _cache_bytes(settings.kv_cache_gib, cuda),
        "block_size": settings.block_size,
        # A seeded draw whose prompt is split over two steps makes vLLM rewind its generator, which a CPU
        # generator cannot ("CPU Generator does not use offset"): there, prompts go in whole.
        "enable_chunked_prefill": cuda,
        "max_num_batched_tokens": None if cuda else max(BATCHED_TOKENS, settings.max_model_len),
        "enable_prefix_caching": True,
        "generation_config": "vllm",
    }


def _cache_bytes(gib: float, cuda: bool) -> int | None:
    if cuda and not gib:
        return None
    return int((gib or CPU_CACHE_GIB) * 2**30)


def flags(arguments: dict[str, Any]) -> list[str]:
    """The same as words of vLLM's command line."""
    words: list[str] = []
    for name, value in arguments.items():
        flag = name.replace("_", "-")
        if value is True or value is False:
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            words += [f"--{flag}", str(value)]
    return words
