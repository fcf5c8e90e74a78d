"""What a process takes from its environment variables, and what it needs in them.

Every entry point calls `prepare_environment` before anything numeric is imported: the command line, the
tests, each training process. A value the user has set is never replaced.
"""

import os
from pathlib import Path

DEFAULTS = {
    # Spinning OpenMP threads cost a factor of 30 as soon as another process wants the same core.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Compiling helps none of the small models on a CPU and costs half a minute at every start.
    "TORCH_COMPILE_DISABLE": "1",
    # The engine lives in this process: it starts in 3 s instead of 20 s and leaves no orphan behind.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Prefect's own server takes longer than its default 20 s on a busy machine or an empty home.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def prepare_environment(base: str | None = None) -> None:
    """Set what is unset. `base` is the model to start from: one at hand needs no Hugging Face hub."""
    for key, value in DEFAULTS.items():
        os.environ.setdefault(key, value)
    if base is not None and (base == "tiny" or Path(base).is_dir()):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def cpu_threads(wanted: int) -> int:
    """Threads to compute with: those wanted, else OMP_NUM_THREADS, else every core this process may run on."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return wanted or (int(given) if given.isdigit() else 0) or cores()


def cores() -> int:
    """Cores this process may run on, which a container or `taskset` may have made fewer."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def warehouse_root(given: str | None = None) -> str:
    """The warehouse's folder or URL: given, else RRO_WAREHOUSE, else `data/warehouse` where rro was started."""
    return given or os.environ.get("RRO_WAREHOUSE") or "data/warehouse"


def cache_root() -> Path:
    """Where this machine keeps what it needs of a warehouse at a URL: RRO_CACHE, else `rro` in the user's cache."""
    if given := os.environ.get("RRO_CACHE"):
        return Path(given).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "rro"
