"""What made what: keys by which finished results are found again, and the version of the code.

A key is the digest of everything that a result depends on: settings, seed, code, and the keys of what it was
made from. A stage whose key matches a finished result's reuses it; any other value makes a new one.
"""

import functools
import hashlib
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from rro.tasks.environments.base import Environment
from rro.tasks.files import file_digest
from rro.tasks.settings import Settings, TrainingSettings, digest

MACHINE_ONLY = {
    *("launcher", "checkpoints", "in_flight", "max_num_seqs", "kv_cache_gib", "attempts", "ray"),
    *("urls", "api_key_env", "api_key_secret", "timeout", "patience"),
}
"""Settings that say how a machine does the work, not what comes out."""

WEIGHTS = {".json", ".safetensors", ".bin"}
BESIDE = {
    "reporting",
    "doctor.py",
    "preflight.py",
    "process.py",
    "progress.py",
    "arms.py",
    "compare.py",
    "command_line",
    "cli.py",
    "artifacts.py",
    "analyse.py",
}
"""Sources that no result depends on."""


@functools.cache
def code_version() -> str:
    """The package's version and a digest of the sources that results depend on."""
    sources = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(str(files("rro.flows")))):
        for path in sorted(folder.rglob("*.py")):
            if path.relative_to(folder).parts[0] not in BESIDE:
                sources.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version('rro')}+{sources.hexdigest()[:8]}"


def run_name(profile: str, settings: Settings, *more: Any) -> str:
    """The run that these settings with this code are: repeating a command goes on with its run."""
    stem = re.sub(r"[^a-z0-9]+", "-", Path(profile).stem.lower()).strip("-") or "run"
    return f"{stem}-{digest([settings.digest(), code_version(), *more])[:8]}"


def environment_key(settings: Settings, environment: Environment) -> str:
    """Key of the tasks and the rules."""
    return digest([environment.name, environment.digest, settings.environment.options])


def experts_key(settings: Settings, environment: Environment) -> str:
    """Key of the demonstrations."""
    experts = settings.experts.model_dump(mode="json")
    return _key(environment_key(settings, environment), experts, settings.explore.split, settings.seed)


def base_key(settings: Settings, environment: Environment) -> str:
    """Key of the tiny model that has read the demonstrations."""
    tiny = settings.policy.tiny.model_dump(mode="json")
    read = _training(settings.policy.pretraining)
    return _key(experts_key(settings, environment), tiny, read, settings.seed)


def sft_key(settings: Settings, environment: Environment) -> str:
    """Key of the SFT policy."""
    tiny = settings.policy.base == "tiny"
    base = base_key(settings, environment) if tiny else _model_key(settings.policy.base)
    return _key(experts_key(settings, environment), base, _training(settings.sft), settings.seed)


def explore_key(settings: Settings, environment: Environment, policy: str, iteration: int) -> str:
    """Key of one iteration's exploration by `policy`."""
    explore = _relevant(settings.explore.model_dump(mode="json"))
    engine = _relevant(settings.engine.model_dump(mode="json"))
    where = environment_key(settings, environment)
    skipped = settings.experts.tasks if settings.explore.fresh else 0
    return _key(where, policy, explore, engine, skipped, settings.seed, iteration)


def pairs_key(settings: Settings, explored: str) -> str:
    """Key of the pairs extracted from an exploration."""
    return _key(explored, settings.pairs.model_dump(mode="json"), settings.seed)


def dpo_key(settings: Settings, pairs: str, policy: str) -> str:
    """Key of the policy that DPO makes of `policy`."""
    return _key(pairs, policy, _training(settings.dpo), settings.seed)


def rft_key(settings: Settings, environment: Environment, pairs: str) -> str:
    """Key of the policy that SFT makes of demonstrations and an exploration's successes."""
    return _key(pairs, sft_key(settings, environment))


def evaluate_key(settings: Settings, environment: Environment, policy: str) -> str:
    """Key of a policy's evaluation."""
    evaluate = settings.evaluate.model_dump(mode="json", exclude={"resamples"})
    engine = _relevant(settings.engine.model_dump(mode="json"))
    return _key(environment_key(settings, environment), policy, evaluate, engine, settings.seed)


def _model_key(base: str) -> Any:
    """A hub name, or what a model's folder holds: a model trained anew in place is another model."""
    folder = Path(base).expanduser()
    if not folder.is_dir():
        return base
    return [(path.name, file_digest(path)) for path in sorted(folder.iterdir()) if path.suffix in WEIGHTS]


def _training(settings: TrainingSettings) -> dict[str, Any]:
    return _relevant(settings.model_dump(mode="json"))


def _relevant(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in MACHINE_ONLY}


def _key(*parts: Any) -> str:
    return digest([code_version(), *parts])
