"""One training as a process of its own: memory is given back, and `accelerate launch` can stand before it.

The parent writes a job file, starts `python -m rro.tasks.training.<stage> <job file>`, follows the log the
child appends to, and takes the finished folder. The folder gets its final name only when the training is
complete; until then `<folder>.training` holds the newest checkpoint, from which a repeated job goes on.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rro.tasks.errors import StageFailed

LOG = "log.jsonl"
"""A JSON object a line: what the trainer logged, as it logs it."""
OUTPUT = "output.txt"
FINISHED = "finished"
POLL_SECONDS = 0.3

Logged = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Job:
    """All that a training process needs to know."""

    stage: str
    """`base`, `sft` or `dpo`: the module that runs."""
    base: str
    """Folder or hub name of the model to start from."""
    dataset: str
    """Parquet file in the layout that TRL reads."""
    folder: str
    """Where the policy goes."""
    settings: dict[str, Any]
    seed: int
    tiny: dict[str, Any] | None = None
    """Settings of the small model that the stage `base` builds."""

    @property
    def work(self) -> Path:
        """Checkpoints and log of the training while it is under way."""
        return Path(f"{self.folder}.training")


async def run_job(job: Job, launcher: list[str], logged: Logged) -> list[dict[str, Any]]:
    """Train, and return everything the trainer logged. Does nothing where the policy is finished already.

    Raises `StageFailed` with the end of the child's output where it ends badly. Cancelling ends the child.
    """
    if not Path(job.folder).exists():
        await _train(job, launcher, logged)
        _take(job)
    return read_log(Path(job.folder) / LOG)


async def _train(job: Job, launcher: list[str], logged: Logged) -> None:
    job.work.mkdir(parents=True, exist_ok=True)
    if (job.work / FINISHED).exists():
        return
    job_file = job.work / "job.json"
    job_file.write_text(json.dumps(asdict(job), indent=1), encoding="utf-8")
    command = [*(launcher or [sys.executable]), "-m", f"rro.tasks.training.{job.stage}", str(job_file)]
    with (job.work / OUTPUT).open("ab") as output:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(),
            # A terminal's Ctrl-C would end the child too, and the run would look failed, not interrupted.
            start_new_session=True,
        )
    try:
        await _follow(child, job.work / LOG, logged)
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()
    if child.returncode != 0:
        raise StageFailed(_why(job, child.returncode))


async def _follow(child: asyncio.subprocess.Process, log: Path, logged: Logged) -> None:
    seen = len(read_log(log))
    ended = asyncio.ensure_future(child.wait())
    try:
        while not ended.done():
            await asyncio.wait([ended], timeout=POLL_SECONDS)
            entries = read_log(log)
            for entry in entries[seen:]:
                logged(entry)
            seen = len(entries)
    finally:
        ended.cancel()


def read_log(log: Path) -> list[dict[str, Any]]:
    """What was logged, a dictionary a step: a line that a kill cut short is left out, wherever it stands.

    A step that was logged again, after a resume or with the figures of the whole training, takes the newer values.
    """
    if not log.exists():
        return []
    entries: dict[int, dict[str, Any]] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
        with suppress(json.JSONDecodeError):
            entry = json.loads(line)
            entries.setdefault(entry["step"], {}).update(entry)
    return [entries[step] for step in sorted(entries)]


def _take(job: Job) -> None:
    """Give the finished policy its name: one rename, then the checkpoints go."""
    final = job.work / "policy"
    for name in (LOG, OUTPUT):
        shutil.copy2(job.work / name, final / name)
    final.rename(job.folder)
    shutil.rmtree(job.work)


def _environment() -> dict[str, str]:
    return {**os.environ, "RRO_PARENT_PID": str(os.getpid())}


def _why(job: Job, code: int | None) -> str:
    output = job.work / OUTPUT
    last = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return (
        f"{job.stage}: the training process ended with code {code}: {''.join(last)[:300]}; "
        f"its output is in {output}; running the same command again goes on from the newest checkpoint"
    )
