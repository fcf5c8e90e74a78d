"""What a training really sees: the agent's tokens and no others, and no row lost without a word."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rro.tasks.process import cores
from rro.tasks.training import base as reading
from rro.tasks.training import dpo, sft
from rro.tasks.training.job import Job
from tests.training.little import base_job, dialogues, dpo_job, sft_job

IGNORED = -100
MAIN = {"base": reading.main, "sft": sft.main, "dpo": dpo.main}


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Does all that a training process does, up to the training itself; the trainer."""

    def prepare(job: Job) -> Any:
        caught: list[Any] = []
        job.work.mkdir(parents=True, exist_ok=True)
        (job.work / "job.json").write_text(json.dumps(dataclasses.asdict(job)))
        monkeypatch.setattr(sys, "argv", ["train", str(job.work / "job.json")])
        for module in (sft, dpo):
            monkeypatch.setattr(module, "run", lambda trainer, job: caught.append(trainer))
        MAIN[job.stage]()
        return caught[0]

    return prepare


def learnt(trainer: Any) -> dict[str, str]:
    """Every dialogue as the trainer reads it, to those of its tokens that it learns."""
    seen: dict[str, str] = {}
    for batch in trainer.get_train_dataloader():
        rows = zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True)
        for tokens, labels, present in rows:
            learns = labels != IGNORED
            assert (labels[learns] == tokens[learns]).all()
            text, kept = tokens[present.bool()], labels[learns]
            seen[trainer.processing_class.decode(text)] = trainer.processing_class.decode(kept)
    return seen


def test_sft_learns_the_agent_s_tokens_with_their_end_of_turn_and_no_others(
    prepared: Any, base: Path, tmp_path: Path
) -> None:
    trainer = prepared(sft_job(tmp_path, base))
    tokenizer = trainer.processing_class
    assert learnt(trainer) == {
        tokenizer.apply_chat_template(row["messages"], tokenize=False): "".join(
            f"{turn['content']}<|im_end|>" for turn in row["messages"] if turn["role"] == "assistant"
        )
        for row in dialogues()
    }


def test_the_small_model_first_reads_every_token(prepared: Any, tmp_path: Path) -> None:
    trainer = prepared(base_job(tmp_path))
    seen = learnt(trainer)
    assert len(seen) == 40
    assert all(text == read for text, read in seen.items())


def test_generation_marks_agree_with_the_template_s_own_mask(base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    for row in dialogues(3):
        marked = tokenizer.apply_chat_template(
            row["messages"], return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = marked["input_ids"], marked["assistant_masks"]
        marked_ids = [token for token, learn in zip(ids, mask, strict=True) if learn]
        agent = [turn["content"] for turn in row["messages"] if turn["role"] == "assistant"]
        assert tokenizer.decode(marked_ids) == "".join(f"{action}<|im_end|>" for action in agent)


def lengths(base: Path) -> list[int]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    return [len(tokenizer.apply_chat_template(row["messages"])["input_ids"]) for row in dialogues()]


def test_rows_that_are_too_long_are_counted_named_and_left_out(
    prepared: Any, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longest = max(lengths(base))
    dropped = [f"task-{n}" for n, length in enumerate(lengths(base)) if length == longest]
    assert 5 < len(dropped) < 20
    trainer = prepared(sft_job(tmp_path, base, max_length=longest - 1))
    assert set(trainer.train_dataset["task"]) == {row["task"] for row in dialogues()} - set(dropped)
    said = f"{len(dropped)} of 40 rows are longer than max_length = {longest - 1} and left out: "
    assert f"{said}{', '.join(dropped[:5])}\n" in capsys.readouterr().out


def test_rows_that_just_fit_are_kept_whole(prepared: Any, base: Path, tmp_path: Path) -> None:
    longest = max(lengths(base))
    trainer = prepared(sft_job(tmp_path, base, max_length=longest))
    rows = [row["input_ids"] for row in trainer.train_dataset]
    assert sorted(map(len, rows)) == sorted(lengths(base))


def test_pairs_that_are_too_long_are_named_and_left_out(
    prepared: Any, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = dpo_job(tmp_path, base)
    everything = prepared(job)
    longest = max(
        len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
        for row in everything.train_dataset
    )
    fewer = prepared(dpo_job(tmp_path, base, max_length=longest - 1))
    assert len(everything.train_dataset) == 40
    dropped = 40 - len(fewer.train_dataset)
    assert 0 < dropped < 40
    assert f"{dropped} of 40 rows are longer than max_length = {longest - 1} and left out: pair-" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("nll", "kinds", "weights"), [(0.0, ["sigmoid"], None), (0.3, ["sigmoid", "sft"], [1, 0.3])]
)
def test_dpo_learns_against_the_policy_it_starts_from(
    prepared: Any, base: Path, tmp_path: Path, nll: float, kinds: list[str], weights: list[float] | None
) -> None:
    arguments = prepared(dpo_job(tmp_path, base, nll=nll, beta=0.25)).args
    assert (arguments.loss_type, arguments.loss_weights, arguments.beta) == (kinds, weights, 0.25)


@pytest.mark.parametrize(
    ("threads", "given", "expected"),
    [(3, "7", 3), (0, "7", 7), (0, "7,2", 7), (0, "", cores()), (0, "x", cores())],
)
def test_threads_are_those_of_the_settings_or_of_openmp_or_all(
    prepared: Any,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    given: str,
    expected: int,
) -> None:
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", given)

    # Recorded only: where vLLM has run before in this process, torch takes no other number.
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    prepared(sft_job(tmp_path, base, threads=threads))
    assert asked == [expected]
