"""DPO on whole trajectories: observations inside a completion count for nothing."""

from typing import Any

import pytest

from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.training.base_model import train_tokenizer
from rro.tasks.training.dpo import collator_class
from tests.training.little import dialogues, texts


def tokenised(tokenizer: Any, messages: list[dict[str, str]], **how: Any) -> list[int]:
    ids: list[int] = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **how)[
        "input_ids"
    ]
    return ids


@pytest.mark.parametrize("max_length", [None, 40])
def test_the_collator_masks_what_the_templates_generation_marks_leave_out(max_length: int | None) -> None:
    tokenizer = train_tokenizer(texts(), 400)
    rows = [row["messages"] for row in dialogues(6)]
    marked = tokenizer.apply_chat_template(rows, return_dict=True, return_assistant_tokens_mask=True)
    examples = []
    for messages, whole in zip(rows, marked["input_ids"], strict=True):
        prompt = tokenised(tokenizer, messages[:1], add_generation_prompt=True)
        single = tokenised(tokenizer, messages[:2])
        examples.append(
            {"prompt_ids": prompt, "chosen_ids": whole[len(prompt) :], "rejected_ids": single[len(prompt) :]}
        )
    make = collator_class(ChatFormat(tokenizer))
    batch = make(pad_token_id=tokenizer.pad_token_id, max_length=max_length)(examples)
    for place, (expected, ids) in enumerate(zip(marked["assistant_masks"], marked["input_ids"], strict=True)):
        # The template's line break after the last turn counts as the turn's, as TRL has it for single turns.
        wanted = [*expected[:-1], 1][:max_length]
        found = batch["completion_mask"][place].tolist()
        assert found == wanted + [0] * (len(found) - len(wanted)), tokenizer.decode(ids)
    for place, row in enumerate(examples, start=len(examples)):
        assert batch["completion_mask"][place].sum() == min(
            len(row["rejected_ids"]), (max_length or 10**6) - len(row["prompt_ids"])
        )
