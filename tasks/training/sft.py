"""SFT on expert trajectories by TRL's `SFTTrainer`, loss on the agent's turns only.

`L = -sum_t log pi(a_t | e_{1:t-1})`, observations masked (RRO section 3, stage 1). The dataset is a Parquet
file with a column `messages`. Runs as `python -m rro.tasks.training.sft JOB` (see `job.py`).
"""

from pathlib import Path

from rro.tasks.settings import TinyModelSettings
from rro.tasks.training.base_model import build_tiny
from rro.tasks.training.trainer import arguments, fitting, read_job, run


def main() -> None:
    """Run the job named on the command line."""
    job = read_job()
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    dataset = Dataset.from_parquet(job.dataset)
    base = job.base
    if job.tiny is not None:
        base = str(job.work / "base")
        texts = ("\n".join(turn["content"] for turn in row["messages"]) for row in dataset)
        build_tiny(Path(base), texts, TinyModelSettings(**job.tiny), job.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    lengths = [len(tokenizer.apply_chat_template(row["messages"])["input_ids"]) for row in dataset]
    dataset = fitting(dataset, lengths, job.settings["max_length"], "task")
    config = SFTConfig(
        **arguments(job, len(dataset)),
        assistant_only_loss=True,
        train_sampling_strategy="group_by_length",
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype="float32"),
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer,
    )
    run(trainer, job)


if __name__ == "__main__":
    main()
