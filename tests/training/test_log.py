"""What a killed training leaves behind is read as far as it is whole: log lines and checkpoints."""

import json
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.training.job import read_log
from rro.tasks.training.trainer import newest_checkpoint


def line(step: int, **values: float) -> str:
    return json.dumps({"step": step, "steps": 9, **values}) + "\n"


def steps_and_losses(log: Path) -> list[tuple[int, Any]]:
    return [(entry["step"], entry.get("loss")) for entry in read_log(log)]


WHOLE = [(1, 0.5), (2, 0.4)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n", []),
        (line(1, loss=0.5), [(1, 0.5)]),
        (line(1, loss=0.5) + line(2, loss=0.4), WHOLE),
        (line(2, loss=0.4) + line(1, loss=0.5), WHOLE),
        (line(1, loss=0.5) + line(2, loss=0.4) + line(3, loss=0.3)[:-8], WHOLE),
        (line(1, loss=0.5) + line(2, loss=0.4) + line(3, loss=0.3)[:-1], WHOLE),
        (line(1, loss=0.5) + line(9, loss=0.1)[:14] + "\n\n" + line(2, loss=0.4), WHOLE),
        (line(1, loss=0.9) + line(2, loss=0.4) + "\n" + line(1, loss=0.5), WHOLE),
        (line(1, loss=0.5) + line(2, loss=0.4) + line(2, train_runtime=7.0), WHOLE),
    ],
    ids=[
        "empty",
        "a training that has just begun",
        "one line",
        "two lines",
        "out of order",
        "last line torn",
        "last line without its end",
        "torn line before a resume",
        "logged again after a resume",
        "figures of the whole training",
    ],
)
def test_a_log_is_read_as_far_as_it_is_whole(
    tmp_path: Path, text: str, expected: list[tuple[int, float]]
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(text)
    assert steps_and_losses(log) == expected


def test_a_character_cut_in_half_is_no_obstacle(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(line(1, loss=0.5).encode() + '{"step": 2, "note": "ü"'.encode()[:-2])
    assert steps_and_losses(log) == [(1, 0.5)]


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log.jsonl") == []


STATE = '{"global_step": 1}'


@pytest.mark.parametrize(
    ("checkpoints", "expected"),
    [
        ({}, None),
        ({9: STATE, 10: STATE, 2: STATE}, 10),
        ({9: STATE, 10: None}, 9),
        ({9: STATE, 10: ""}, 9),
        ({9: STATE, 10: STATE[:9]}, 9),
        ({10: ""}, None),
    ],
    ids=["none", "by number", "without state", "empty state", "torn state", "only a torn one"],
)
def test_the_newest_whole_checkpoint_is_taken(
    tmp_path: Path, checkpoints: dict[int, str | None], expected: int | None
) -> None:
    for step, state in checkpoints.items():
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").touch()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    found = newest_checkpoint(tmp_path)
    assert found == (None if expected is None else str(tmp_path / f"checkpoint-{expected}"))
