"""SFT on expert trajectories by TRL's `SFTTrainer`, loss on the agent's turns only.

`L = -sum_t log pi(a_t | e_{1:t-1})`, observations masked (RRO section 3, stage 1). The dataset is a Parquet
file with a column `messages`. Runs as `python -m rro.tasks.training.sft JOB` (see `job.py`).
"""

from collections.abc import Iterator
from typing import Any

from rro.tasks.exploration.seeds import seed_for
from rro.tasks.training.job import Job
from rro.tasks.training.trainer import arguments, fitting, neutral, read_job, run


def main() -> None:
    """Run the job named on the command line."""
    job = read_job()
    imitate(job, job.base, agent_turns_only=True)


def imitate(job: Job, base: str, agent_turns_only: bool) -> None:
    """Train `base` on the job's dialogues: the agent's turns, or every token of them."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig

    tokenizer = AutoTokenizer.from_pretrained(base)
    dataset = neutral(Dataset.from_parquet(job.dataset), tokenizer)
    lengths = [len(tokenizer.apply_chat_template(row["messages"])["input_ids"]) for row in dataset]
    dataset = fitting(dataset, lengths, job.settings["max_length"], "task")
    config = SFTConfig(
        **arguments(job, len(dataset)),
        assistant_only_loss=agent_turns_only,
        train_sampling_strategy="group_by_length",
    )
    trainer = _trainer_class(job.seed)(
        model=AutoModelForCausalLM.from_pretrained(base, dtype="float32"),
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer,
    )
    run(trainer, job)


def _trainer_class(seed: int) -> Any:
    """An `SFTTrainer` whose batches of an epoch follow from the seed and the epoch's number alone.

    Left to itself, a training that goes on in the middle of an epoch groups the rows anew: some twice, some never.
    """
    import torch
    from transformers.trainer_pt_utils import LengthGroupedSampler
    from trl import SFTTrainer

    class ByLength(LengthGroupedSampler):  # type: ignore[misc]
        epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __iter__(self) -> Iterator[int]:
            self.generator = torch.Generator().manual_seed(seed_for(seed, "epoch", self.epoch))
            return iter(super().__iter__())

    class Trainer(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, train_dataset: Any = None) -> ByLength:
            grouped = super()._get_train_sampler(train_dataset)
            return ByLength(grouped.batch_size, lengths=grouped.lengths)

    return Trainer


if __name__ == "__main__":
    main()
