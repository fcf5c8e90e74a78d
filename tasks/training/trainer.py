"""What SFT and DPO share inside the training process: arguments, logging, checkpoints, the final save."""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.process import cpu_threads, prepare_environment
from rro.tasks.training.job import FINISHED, LOG, Job

PR_SET_PDEATHSIG = 1


def read_job() -> Job:
    """The job named on the command line; the process is set up for it and ends with its parent."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    prepare_environment(job.base)
    _end_with_parent()
    import torch
    import transformers

    if not torch.cuda.is_available():
        torch.set_num_threads(cpu_threads(job.settings["threads"]))
    transformers.set_seed(job.seed)
    return job


def _end_with_parent() -> None:
    """Ask the kernel to end this process when its parent is killed, so that no training is orphaned."""
    if sys.platform == "linux" and "RRO_PARENT_PID" in os.environ:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1 and os.environ["RRO_PARENT_PID"] != "1":
            sys.exit("the process that asked for this training is gone")


def arguments(job: Job, rows: int) -> dict[str, Any]:
    """Keyword arguments that `SFTConfig` and `DPOConfig` have in common."""
    import torch

    settings = job.settings
    batch = settings["batch_size"]
    micro = settings["micro_batch_size"] or batch
    updates = max(1, round(settings["epochs"] * rows / batch))
    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(job.work / "checkpoints"),
        "num_train_epochs": settings["epochs"],
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": max(1, batch // micro),
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": settings["schedule"],
        "warmup_steps": settings["warmup"],
        "max_length": settings["max_length"],
        "bf16": settings["bf16"],
        "gradient_checkpointing": cuda,
        "use_cpu": not cuda,
        "dataloader_pin_memory": cuda,
        "seed": job.seed,
        "data_seed": job.seed,
        "logging_steps": max(1, updates // 50),
        "save_strategy": "steps",
        "save_steps": max(1, updates // settings["checkpoints"]),
        "save_total_limit": 1,
        "report_to": "none",
        "disable_tqdm": True,
    }


def run(trainer: Any, job: Job) -> None:
    """Train from the newest whole checkpoint, save the policy, and say that it is finished."""
    trainer.add_callback(_log_callback(job.work / LOG))
    trainer.train(resume_from_checkpoint=newest_checkpoint(job.work / "checkpoints"))
    final = job.work / "policy"
    trainer.save_model(str(final))
    if trainer.is_world_process_zero():
        trainer.processing_class.save_pretrained(str(final))
        (job.work / FINISHED).touch()


def newest_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written whole: its `trainer_state.json` is written last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return str(newest) if newest else None


def _is_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except ValueError:
        return False


def _log_callback(log: Path) -> Any:
    from transformers import TrainerCallback

    with log.open("a", encoding="utf-8") as stream:
        stream.write("\n")  # Ends a line that a kill cut short.

    class LogToFile(TrainerCallback):  # type: ignore[misc]
        """Appends every logged entry, with the step and the number of steps there will be."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
            if not state.is_world_process_zero:
                return
            entry = {"step": state.global_step, "steps": state.max_steps, **(logs or {})}
            with log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")

    return LogToFile()


def neutral(dataset: Any, tokenizer: Any) -> Any:
    """The same dialogues with special tokens broken up, as the engine's prompts have them.

    Else a page or an action that spells one would end a turn, and a pair's prompt would not be what was read.
    """
    chat = ChatFormat(tokenizer)

    def clean(row: dict[str, Any]) -> dict[str, Any]:
        return {
            name: [{**turn, "content": chat.neutral(turn["content"])} for turn in turns]
            for name, turns in row.items()
            if isinstance(turns, list)
        }

    return dataset.map(clean)


def fitting(dataset: Any, lengths: list[int], limit: int, key: str) -> Any:
    """The rows that fit `max_length`; the others are counted and named, never dropped in silence."""
    too_long = [index for index, length in enumerate(lengths) if length > limit]
    if too_long:
        names = ", ".join(str(dataset[index][key]) for index in too_long[:5])
        print(  # noqa: T201 - goes to the training's output file
            f"{len(too_long)} of {len(lengths)} rows are longer than max_length = {limit} and left out: {names}"
        )
    if len(too_long) == len(lengths):
        sys.exit(f"every row is longer than max_length = {limit} tokens; raise it")
    keep = set(range(len(lengths))) - set(too_long)
    return dataset.select(sorted(keep)) if too_long else dataset
