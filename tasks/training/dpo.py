"""DPO on the pairs by TRL's `DPOTrainer`, reference = the policy it starts from.

`L = -log sigmoid(beta * (log pi(a+)/ref(a+) - log pi(a-)/ref(a-)))` (RRO section 3, stage 3), plus, where
`nll` is set, that weight times the NLL of the chosen action (IPR, eq. 10; without one, step-level DPO can
collapse). The dataset is a Parquet file with `prompt`, `chosen` and `rejected`, conversational. Runs as
`python -m rro.tasks.training.dpo JOB` (see `job.py`).
"""

from typing import Any

from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.training.trainer import arguments, fitting, neutral, read_job, run


def main() -> None:
    """Run the job named on the command line."""
    job = read_job()
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    dataset = neutral(Dataset.from_parquet(job.dataset), tokenizer)
    lengths = [max(_length(tokenizer, row, end) for end in ("chosen", "rejected")) for row in dataset]
    dataset = fitting(dataset, lengths, job.settings["max_length"], "pair")
    nll = job.settings["nll"]
    config = DPOConfig(
        **arguments(job, len(dataset)),
        beta=job.settings["beta"],
        loss_type=["sigmoid", "sft"] if nll else ["sigmoid"],
        loss_weights=[1.0, nll] if nll else None,
        precompute_ref_log_probs=True,
    )
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(job.base, dtype="float32"),
        args=config,
        train_dataset=dataset.select_columns(["prompt", "chosen", "rejected"]),
        processing_class=tokenizer,
        data_collator=collator_class(ChatFormat(tokenizer))(
            pad_token_id=tokenizer.pad_token_id, max_length=config.max_length
        ),
    )
    run(trainer, job)


def collator_class(chat: ChatFormat) -> Any:
    """TRL's collator, with what the environment said inside longer completions left out of every log-probability.

    TRL counts all that follows the prompt; ETO and IPR mask observations, and so do we.
    """
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    class AgentTurnsOnly(DataCollatorForPreference):  # type: ignore[misc]
        def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
            batch: dict[str, Any] = super().torch_call(examples)
            ends = [
                (row["prompt_ids"], row[end]) for end in ("chosen_ids", "rejected_ids") for row in examples
            ]
            for mask, (prompt, completion) in zip(batch["completion_mask"], ends, strict=True):
                spoken = chat.agent_mask(completion)[: len(mask) - len(prompt)]
                mask[len(prompt) : len(prompt) + len(spoken)] *= mask.new_tensor(spoken)
            return batch

    return AgentTurnsOnly


def _length(tokenizer: Any, row: dict[str, Any], end: str) -> int:
    return len(tokenizer.apply_chat_template(row["prompt"] + row[end])["input_ids"])


if __name__ == "__main__":
    main()
