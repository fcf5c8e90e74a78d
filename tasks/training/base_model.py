"""The model to start from: a folder or a Hugging Face name, or a small Llama built from nothing.

The tiny model (1 to 6 M parameters) proves the machinery on two cores. Its tokenizer is a byte-level BPE
trained on expert text, in which a word is the same token wherever it stands.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rro.tasks.errors import UserError
from rro.tasks.settings import TinyModelSettings

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML with generation marks, by which TRL finds the agent's turns."""

PIECES = r" ?\[[A-Z]{2,}\]| ?[A-Z][0-9][A-Z]+| ?[A-Za-z]+| ?[0-9]{1,2}| ?[^\sA-Za-z0-9]|\s+"
"""Where the BPE never merges across: markers such as ` [SEP]`, the letters of a catalogue number, words with the
blank before them, pairs of digits, signs, blanks."""

CALL = r"(?<=[a-z])\["
"""The bracket of an action such as `click[red]`. It is read as `click[ red]`, so that ` red` in the instruction,
on the page and in the action are one token, and choosing an option is copying it."""

OPENED = r"(?<=[ (]'|[A-Z]\(|T[0-9]\.)(?=[A-Za-z])"
"""Where SQL opens a word without a blank: a quotation, a function, an alias. `MAX(age)` is read as `MAX( age)`, so
that ` age` in the question, in the list of columns and in the statement are one token."""

CLOSED = r"(?<=[ (]'|[A-Z]\(|T[0-9]\.) (?=[A-Za-z])"
"""The blank put there, taken away when tokens are read back as text."""

HEAD_SIZE = 32
"""Size of an attention head, the smallest that vLLM's CPU kernels take: four heads learn to copy, two do not."""

INITIAL_DEVIATION = 0.07
"""About 1 / sqrt(width). With transformers' 0.02, made for wide models, copying took three times the updates."""


def build_tiny(folder: Path, texts: Iterable[str], settings: TinyModelSettings, seed: int) -> None:
    """Write a randomly initialised model with its tokenizer into `folder`. Same texts and seed, same bytes."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = train_tokenizer(texts, settings.vocabulary)
    heads = settings.hidden_size // HEAD_SIZE
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=settings.intermediate_size,
        max_position_embeddings=settings.context,
        tie_word_embeddings=True,
        initializer_range=INITIAL_DEVIATION,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A byte-level BPE with ChatML's special tokens and template."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(CALL), "[ "), normalizers.Replace(Regex(OPENED), " ")]
    )
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.Sequence(
        [decoders.ByteLevel(), decoders.Replace("[ ", "["), decoders.Replace(Regex(CLOSED), "")]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END, pad_token=PAD)
    tokenizer.add_special_tokens({"additional_special_tokens": [START]})
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def find_base(name: str) -> str:
    """A model folder or hub name that transformers can load; `UserError` where a folder holds no model."""
    looks_local = name.startswith((".", "/", "~")) or Path(name).exists() or name.count("/") > 1
    if not looks_local:
        return name
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise UserError(
            f"policy.base = {name!r}: no model folder there (config.json is missing); "
            "give a folder with config.json and safetensors, a Hugging Face name, or 'tiny'"
        )
    return os.fspath(folder.resolve())
