"""Training data in the layouts that TRL reads, as Parquet: made from rows, always the same bytes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rro.tasks.exploration.pairs import group


def sft_rows(
    episodes: Iterable[Mapping[str, Any]], steps: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """`{"task": id, "messages": [...]}` an episode, from the first user message to the last action."""
    by_episode = group(steps, "episode")
    return [
        {"task": episode["task"], "messages": _messages(episode, by_episode[episode["episode"]])}
        for episode in episodes
    ]


def _messages(episode: Mapping[str, Any], steps: list[Mapping[str, Any]]) -> list[dict[str, str]]:
    messages = [{"role": "user", "content": episode["first_observation"]}]
    for step in sorted(steps, key=lambda row: row["step_index"]):
        messages.append({"role": "assistant", "content": step["action"]})
        if not step["done"]:
            messages.append({"role": "user", "content": step["observation"]})
    return messages


def write_dataset(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as Parquet under their final name only when whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    pq.write_table(pa.Table.from_pylist(rows), temporary, compression="zstd")
    temporary.replace(path)
