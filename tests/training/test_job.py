"""Training jobs in their own processes: they learn, they survive kills bit for bit, they leave no orphan."""

import asyncio
import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.errors import StageFailed
from rro.tasks.training.job import Job, read_log, run_job
from tests.training.conftest import Trained
from tests.training.little import UPDATES, dpo_job, preferences, sft_job, train

SECONDS = 120


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {SECONDS} s for: {what}"
        time.sleep(0.005)


def losses(log: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(entry["step"], entry["loss"]) for entry in log if "loss" in entry]


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_sft_lowers_the_loss_and_leaves_a_whole_policy(undisturbed: Trained) -> None:
    found = losses(undisturbed.log)
    assert [step for step, _ in found] == list(range(1, UPDATES + 1))
    assert found[-1][1] < 0.2 * found[0][1]
    assert {entry["steps"] for entry in undisturbed.log} == {UPDATES}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in undisturbed.folder.iterdir()
    }
    assert [path.name for path in undisturbed.folder.parent.iterdir() if "training" in path.name] == []


def test_a_finished_job_is_not_done_again(undisturbed: Trained, base: Path) -> None:
    job = sft_job(undisturbed.folder.parent, base)
    before = (undisturbed.folder / "model.safetensors").stat().st_mtime_ns
    assert train(job) == undisturbed.log
    assert (undisturbed.folder / "model.safetensors").stat().st_mtime_ns == before


def test_a_job_without_a_row_that_fits_fails_and_says_so(base: Path, tmp_path: Path) -> None:
    job = sft_job(tmp_path, base, max_length=32)
    with pytest.raises(StageFailed) as caught:
        train(job)
    assert str(caught.value) == (
        "sft: the training process ended with code 1: every row is longer than max_length = 32 tokens; "
        f"raise it; its output is in {job.work}/output.txt; "
        "running the same command again goes on from the newest checkpoint"
    )
    assert not Path(job.folder).exists()


def raw_steps(job: Job) -> list[int]:
    """Every step in the log, in the order in which they were logged."""
    log = job.work / "log.jsonl"
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    return [json.loads(line)["step"] for line in lines if line]


def half_way(job: Job) -> bool:
    return bool(steps := raw_steps(job)) and UPDATES // 3 <= steps[-1] < UPDATES - 10


def checkpoint(job: Job) -> int:
    return max(
        int(path.parent.name.split("-")[1]) for path in job.work.glob("checkpoints/*/trainer_state.json")
    )


def finish_and_compare(job: Job, undisturbed: Trained) -> None:
    """Do the job again: it goes on from the checkpoint and ends as if nothing had happened."""
    before, resumed_from = raw_steps(job), checkpoint(job)
    assert 0 < resumed_from <= before[-1] < UPDATES
    logged: list[int] = []
    log = asyncio.run(run_job(job, [], lambda entry: logged.append(entry["step"])))
    raw = [
        json.loads(line)["step"] for line in (Path(job.folder) / "log.jsonl").read_text().split("\n") if line
    ]
    assert raw[: len(before)] == before
    assert raw[len(before)] == resumed_from + 1
    assert losses(log) == losses(undisturbed.log)
    assert logged == sorted(set(logged))
    assert logged[0] > before[-1]
    assert weights(Path(job.folder)) == weights(undisturbed.folder)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_training_whose_process_is_killed_goes_on_and_ends_bit_for_bit_the_same(
    undisturbed: Trained, base: Path, tmp_path: Path
) -> None:
    job = sft_job(tmp_path, base)

    async def kill_half_way() -> None:
        running = asyncio.create_task(run_job(job, [], lambda entry: None))
        while not half_way(job):
            await asyncio.sleep(0.005)
            assert not running.done()
        (child,) = (pid for pid in children(os.getpid()) if str(job.work) in command_of(pid))
        os.kill(child, signal.SIGKILL)
        await running

    with pytest.raises(
        StageFailed, match=r"sft: the training process ended with code -9: .*; its output is in"
    ):
        asyncio.run(kill_half_way())
    assert not Path(job.folder).exists()
    finish_and_compare(job, undisturbed)


PARENT = """
import asyncio, json, sys
from rro.tasks.training.job import Job, run_job
asyncio.run(run_job(Job(**json.loads(sys.argv[1])), [], lambda entry: None))
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_training_whose_parent_ends_leaves_no_orphan_and_goes_on(
    undisturbed: Trained, base: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    job = sft_job(tmp_path, base)
    command = [sys.executable, "-c", PARENT, json.dumps(dataclasses.asdict(job))]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as parent:
        until(lambda: half_way(job) or parent.poll() is not None, "half of the updates")
        (child,) = children(parent.pid)
        assert alive(child)
        parent.send_signal(ending)
    until(lambda: not alive(child), "the training to end with its parent")
    finish_and_compare(job, undisturbed)


def margins(policy: Path) -> tuple[float, float]:
    """Mean log-probability of the chosen actions, and by how much it exceeds that of the rejected ones."""
    chosen, rejected = (
        [log_probability(policy, row["prompt"], row[end]) for row in preferences()]
        for end in ("chosen", "rejected")
    )
    return sum(chosen) / len(chosen), (sum(chosen) - sum(rejected)) / len(chosen)


def log_probability(policy: Path, prompt: list[dict[str, str]], answer: list[dict[str, str]]) -> float:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(policy)
    start = tokenizer.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"]
    end = tokenizer.encode(answer[0]["content"] + "<|im_end|>", add_special_tokens=False)
    model = AutoModelForCausalLM.from_pretrained(policy, dtype="float32")
    with torch.inference_mode():
        scores = model(torch.tensor([start + end])).logits[0, len(start) - 1 : -1].log_softmax(-1)
    return float(scores[torch.arange(len(end)), torch.tensor(end)].sum())


@pytest.mark.slow
@pytest.mark.parametrize("nll", [0.0, 1.0])
def test_dpo_raises_the_margin_between_chosen_and_rejected(base: Path, tmp_path: Path, nll: float) -> None:
    job = dpo_job(tmp_path, base, nll=nll)
    log = train(job)
    chosen_before, before = margins(base)
    chosen_after, after = margins(Path(job.folder))
    assert after > before + 0.2
    assert log[0]["loss"] > 0.69
    first, last = (next(e["rewards/margins"] for e in order if "loss" in e) for order in (log, log[::-1]))
    assert first == pytest.approx(0, abs=1e-4)
    assert last > first + 0.005
    if nll:
        assert chosen_after > chosen_before + 1
    assert read_log(Path(job.folder) / "log.jsonl") == log
