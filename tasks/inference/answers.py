"""What an OpenAI-compatible server is asked, and its answer as a `Completion` or a failure: never something in between.

A server is other people's software behind other people's proxies: whatever is not exactly an answer to what was
asked is a `GenerationFailed` that says what was wrong with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rro.tasks.inference.engine import Completion, ContextFull, GenerationFailed, Sampling

STOP_TEXTS = 4
"""Stop texts that OpenAI's API takes, at most."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What is needed of a policy's tokenizer and model to read answers."""

    size: int
    """Token ids are below this."""
    encode: Callable[[str], tuple[int, ...]]
    """Text as token ids, for servers that return none."""
    stop_texts: tuple[str, ...]
    """What ends an answer, for servers that take no stop token ids."""


def request(
    model: str, prompt: Sequence[int], sampling: Sampling, vocabulary: Vocabulary, plain: bool
) -> dict[str, Any]:
    """The body of POST /v1/completions; `plain` leaves out what OpenAI's own API does not know.

    vLLM fills what is left open from the model's generation_config.json, so nothing that bends the distribution is.
    """
    body = {
        "model": model,
        "prompt": list(prompt),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
        "top_p": 1.0,
    }
    if plain:
        return {**body, "stop": list(vocabulary.stop_texts[:STOP_TEXTS])}
    neutral = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
    return {**body, **neutral, "stop_token_ids": list(sampling.stop_token_ids), "return_token_ids": True}


def completion(body: Any, prompt: Sequence[int], sampling: Sampling, vocabulary: Vocabulary) -> Completion:
    """The one choice of an answer. Raises `GenerationFailed`; `ContextFull` where the server cut it off."""
    choice = _only_choice(body)
    reason = choice.get("finish_reason")
    if reason not in ("stop", "length"):
        raise GenerationFailed(f"finish reason {str(reason)[:20]!r}")
    tokens, generated = _tokens(choice, reason, sampling, vocabulary)
    read = choice.get("prompt_token_ids")
    if isinstance(read, list) and read != list(prompt):
        raise GenerationFailed("the server answered another prompt than it was given")
    usage = _dict(body.get("usage"))
    if choice.get("token_ids") is None:  # Tokens that are there count for themselves.
        generated = _count(usage.get("completion_tokens"), generated)
    if reason == "length" and generated < sampling.max_tokens:
        # vLLM shortens max_tokens to what its context leaves, and does not say so.
        raise ContextFull(f"the server ended the answer after {generated} of {sampling.max_tokens} tokens")
    return Completion(
        token_ids=tokens,
        finish_reason=reason,
        generated_tokens=generated,
        prompt_tokens=_count(usage.get("prompt_tokens"), len(prompt)),
        cached_tokens=_count(_dict(usage.get("prompt_tokens_details")).get("cached_tokens"), 0),
    )


def _only_choice(body: Any) -> dict[str, Any]:
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise GenerationFailed("the answer holds no single choice")
    return choices[0]


def _tokens(
    choice: dict[str, Any], reason: str, sampling: Sampling, vocabulary: Vocabulary
) -> tuple[tuple[int, ...], int]:
    """Tokens without the one that ended them, and how many were generated."""
    listed = choice.get("token_ids")
    if listed is None:
        return _tokens_of_text(choice, reason, sampling, vocabulary)
    if not isinstance(listed, list) or not all(type(token) is int for token in listed):
        raise GenerationFailed("token ids that are none")
    if strange := [token for token in listed if not 0 <= token < vocabulary.size]:
        raise GenerationFailed(f"token id {strange[0]} is outside the vocabulary of {vocabulary.size}")
    if len(listed) > sampling.max_tokens:
        raise GenerationFailed(f"{len(listed)} tokens where at most {sampling.max_tokens} were asked for")
    ended = reason == "stop" and listed[-1:] and _stopped_by(listed[-1], choice, sampling)
    return tuple(listed[:-1] if ended else listed), len(listed)


def _stopped_by(token: int, choice: dict[str, Any], sampling: Sampling) -> bool:
    return token in sampling.stop_token_ids or choice.get("stop_reason") == token


def _tokens_of_text(
    choice: dict[str, Any], reason: str, sampling: Sampling, vocabulary: Vocabulary
) -> tuple[tuple[int, ...], int]:
    text = choice.get("text")
    if not isinstance(text, str):
        raise GenerationFailed("the answer holds neither token ids nor text")
    tokens = vocabulary.encode(text)
    # The same text may be fewer tokens than were sampled: the server's own count goes before this one.
    return tokens, sampling.max_tokens if reason == "length" else len(tokens) + 1


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any, otherwise: int) -> int:
    return value if type(value) is int and value >= 0 else otherwise
