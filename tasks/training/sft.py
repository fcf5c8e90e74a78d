"""SFT on expert trajectories by TRL's `SFTTrainer`, loss on the agent's turns only.

`L = -sum_t log pi(a_t | e_{1:t-1})`, observations masked (RRO section 3, stage 1). The dataset is a Parquet
file with a column `messages`. Runs as `python -m rro.tasks.training.sft JOB` (see `job.py`).
"""

from rro.tasks.training.job import Job
from rro.tasks.training.trainer import arguments, fitting, read_job, run


def main() -> None:
    """Run the job named on the command line."""
    job = read_job()
    imitate(job, job.base, agent_turns_only=True)


def imitate(job: Job, base: str, agent_turns_only: bool) -> None:
    """Train `base` on the job's dialogues: the agent's turns, or every token of them."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(base)
    dataset = Dataset.from_parquet(job.dataset)
    lengths = [len(tokenizer.apply_chat_template(row["messages"])["input_ids"]) for row in dataset]
    dataset = fitting(dataset, lengths, job.settings["max_length"], "task")
    config = SFTConfig(
        **arguments(job, len(dataset)),
        assistant_only_loss=agent_turns_only,
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
