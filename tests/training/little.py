"""A little to learn: forty dialogues and their pairs, the smallest model, and jobs that take seconds."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

from rro.tasks.settings import DpoSettings, SftSettings, TinyModelSettings
from rro.tasks.training.datasets import write_dataset
from rro.tasks.training.job import Job, run_job

TINY = TinyModelSettings(hidden_size=64, layers=2, intermediate_size=128, vocabulary=400, context=256)
COLORS = ("red", "blue", "green", "white", "black")
THINGS = ("mug", "tent", "lamp", "chair", "scarf", "kettle", "carpet", "pillow")
UPDATES = 40
"""Of every SFT job here: five an epoch; a checkpoint every six, so in the middle of one."""


def dialogues(count: int = 40) -> list[dict[str, Any]]:
    """Rows of an SFT data set, of three lengths."""
    return [{"task": f"task-{n}", "messages": _messages(n)} for n in range(count)]


def _messages(number: int) -> list[dict[str, str]]:
    color, thing = COLORS[number % 5], THINGS[number % 8]
    words = [
        f"i need a {color} {thing}\n[SEP] Search",
        f"search[{color} {thing}]",
        f"Page 1 [SEP] {thing} " * (1 + number % 3),
        f"click[{color}]",
        "you clicked it",
        "click[buy now]",
    ]
    roles = ("user", "assistant")
    return [{"role": roles[place % 2], "content": text} for place, text in enumerate(words)]


def preferences(count: int = 40) -> list[dict[str, Any]]:
    """Rows of a DPO data set: the last click of a dialogue against another one."""
    return [
        {
            "pair": f"pair-{n}",
            "prompt": _messages(n)[:3],
            "chosen": [{"role": "assistant", "content": f"click[{COLORS[n % 5]}]"}],
            "rejected": [{"role": "assistant", "content": f"click[{COLORS[(n + 1) % 5]}]"}],
        }
        for n in range(count)
    ]


def texts() -> list[str]:
    """What the little model's tokenizer is trained on."""
    return ["\n".join(turn["content"] for turn in row["messages"]) for row in dialogues()]


def sft_job(folder: Path, base: Path, rows: list[dict[str, Any]] | None = None, **changes: Any) -> Job:
    """SFT of `base` on one thread; `folder / "policy"` is what it makes."""
    settings = {"epochs": 8, "batch_size": 8, "learning_rate": 5e-3, "threads": 1, "checkpoints": 6}
    dataset = folder / "sft.parquet"
    write_dataset(dialogues() if rows is None else rows, dataset)
    return Job(
        stage="sft",
        base=str(base),
        dataset=str(dataset),
        folder=str(folder / "policy"),
        settings=SftSettings(**{**settings, **changes}).model_dump(),
        seed=5,
    )


def base_job(folder: Path, **changes: Any) -> Job:
    """The small model built from nothing and taught to read."""
    job = sft_job(folder, Path("tiny"), **changes)
    return dataclasses.replace(job, stage="base", base="tiny", tiny=TINY.model_dump())


def dpo_job(folder: Path, base: Path, **changes: Any) -> Job:
    """DPO on one thread."""
    settings = {"epochs": 8, "batch_size": 8, "learning_rate": 2e-3, "threads": 1, "checkpoints": 1}
    dataset = folder / "dpo.parquet"
    write_dataset(preferences(), dataset)
    return Job(
        stage="dpo",
        base=str(base),
        dataset=str(dataset),
        folder=str(folder / "policy"),
        settings=DpoSettings(**{**settings, **changes}).model_dump(),
        seed=5,
    )


def train(job: Job) -> list[dict[str, Any]]:
    """Run the job in its own process; what it logged."""
    return asyncio.run(run_job(job, [], lambda entry: None))
