"""Tokenizers of four families of chat models, built here: their specials and templates on a small BPE."""

from typing import Any

from rro.tasks.training.base_model import train_tokenizer

TEXT = [
    "search[a blue mug for tea, dishwasher safe] click[buy now] click[B0MUGS0001] [SEP] Price: $10.0 [SEP] "
    "SELECT name FROM users WHERE age > 30; observation: instruction: i need a red tent lower than 50 dollars"
] * 4

LLAMA3 = (
    "{{ '<|begin_of_text|>' }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' "
    "+ m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
QWEN2 = (
    "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
QWEN3 = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Only the newest answer carries its (empty) thoughts; those of earlier turns are dropped."""


def chatml() -> Any:
    """What the tiny model is built with."""
    return train_tokenizer(TEXT, 400)


def llama3() -> Any:
    """Its header tokens are special in the vocabulary, but in none of the named roles."""
    specials = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    return _with(specials, LLAMA3, bos="<|begin_of_text|>", eos="<|eot_id|>")


def gemma() -> Any:
    """Turns end with a token that is not the end of the sequence."""
    return _with(("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), GEMMA, bos="<bos>", eos="<eos>")


def qwen2() -> Any:
    """Puts a system message of its own first."""
    return _with((), QWEN2, bos=None, eos="<|im_end|>")


def qwen3() -> Any:
    """Renders the last answer otherwise than the same answer later."""
    return _with((), QWEN3, bos=None, eos="<|im_end|>")


def _with(specials: tuple[str, ...], template: str, bos: str | None, eos: str) -> Any:
    from tokenizers import AddedToken

    tokenizer = chatml()
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in specials])
    tokenizer.eos_token = eos
    if bos is not None:
        tokenizer.bos_token = bos
    tokenizer.chat_template = template
    return tokenizer


FORMATS = {"chatml": chatml, "llama3": llama3, "gemma": gemma, "qwen2": qwen2, "qwen3": qwen3}
ENDS_A_TURN = {
    "chatml": {"<|im_end|>"},
    "llama3": {"<|eot_id|>"},
    "gemma": {"<end_of_turn>", "<eos>"},
    "qwen2": {"<|im_end|>"},
    "qwen3": {"<|im_end|>"},
}
