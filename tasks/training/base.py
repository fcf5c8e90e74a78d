"""The quickstart's base model: a small Llama built from nothing that has read the demonstrations, every token.

A base model has read before it is fine-tuned; without that, SFT's few agent tokens teach a tiny model to
remember products, not to copy their numbers from the page. Runs as `python -m rro.tasks.training.base JOB`.
"""

from rro.tasks.settings import TinyModelSettings
from rro.tasks.training.base_model import build_tiny
from rro.tasks.training.sft import imitate
from rro.tasks.training.trainer import read_job


def main() -> None:
    """Run the job named on the command line."""
    job = read_job()
    from datasets import Dataset

    turns = (turn for row in Dataset.from_parquet(job.dataset) for turn in row["messages"])
    texts = (f"{turn['role']}\n{turn['content']}" for turn in turns)
    start = job.work / "start"
    build_tiny(start, texts, TinyModelSettings(**(job.tiny or {})), job.seed)
    imitate(job, str(start), agent_turns_only=False)


if __name__ == "__main__":
    main()
