"""Messages as token ids, appended to and never tokenised again.

A history's prompt is the chat template's rendering of its messages. Each turn adds the sampled tokens as they
were sampled, then what the template puts round the next observation; so every prompt is a prefix of the next,
byte for byte, and the engine's prefix cache holds for siblings and rollouts alike.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rro.tasks.errors import UserError

Message = dict[str, str]
"""`{"role": "user" | "assistant", "content": text}`."""


REMEMBERED = 4096
"""Observations whose tokens are kept: siblings and rollouts read the same pages again and again."""


class ChatFormat:
    """One tokenizer's way of writing dialogues."""

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise UserError(
                f"policy {tokenizer.name_or_path}: its tokenizer has no chat template; "
                "take an instruction-tuned model, or save one into tokenizer_config.json (chat_template)"
            )
        self._tokenizer = tokenizer
        self._specials = sorted(_special_texts(tokenizer), key=len, reverse=True)
        self._said = lru_cache(maxsize=REMEMBERED)(self._said_anew)
        self._opening = self._render([{"role": "user", "content": "u"}])
        self._check_appending()
        self.stop_token_ids = self._stop_tokens()
        self.stop_texts = tuple(tokenizer.decode([token]) for token in self.stop_token_ids)
        self.vocabulary = len(tokenizer)
        turn = self._render([{"role": "user", "content": "u"}], generation_prompt=False)
        self._header = self._encode(self._opening.removeprefix(turn))

    def start(self, text: str) -> tuple[int, ...]:
        """The prompt after the first user message `text`, ready for the agent's first action."""
        return self._encode(self._render([{"role": "user", "content": self.neutral(text)}]))

    def extend(self, prompt: tuple[int, ...], action: Sequence[int], observation: str) -> tuple[int, ...]:
        """`prompt` followed by the sampled `action` (without its stop token) and the next observation."""
        return (*prompt, *action, *self._said(observation))

    def neutral(self, text: str) -> str:
        """`text` with the tokenizer's special tokens broken up, so that no page or result can end a turn."""
        for special in self._specials:
            if special in text:
                text = text.replace(special, f"{special[0]} {special[1:]}")
        return text

    def quote(self, action: str) -> tuple[int, ...]:
        """The tokens of an action that was not sampled."""
        return self._encode(self.neutral(action))

    def decode(self, tokens: Sequence[int]) -> str:
        """Sampled tokens as text, without special tokens and outer blanks."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text.strip()

    def agent_mask(self, completion: Sequence[int]) -> list[int]:
        """1 for the agent's tokens of a completion that begins with its turn, 0 for what was said in between.

        A turn ends with its stop token, which is the agent's; the next begins after the template's header. What
        follows the last turn counts as its part, as in a completion of one turn.
        """
        mask, spoken, header = [], True, self._header
        for place, token in enumerate(completion):
            if not spoken and tuple(completion[max(0, place - len(header)) : place]) == header:
                spoken = True
            mask.append(int(spoken))
            if spoken and token in self.stop_token_ids and _occurs(header, completion[place:]):
                spoken = False
        return mask

    def _said_anew(self, observation: str) -> tuple[int, ...]:
        return self._encode(self._between(self.neutral(observation)))

    def _between(self, observation: str) -> str:
        messages = [
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": observation},
        ]
        return self._render(messages).removeprefix(self._opening + "a")

    def _render(self, messages: list[Message], generation_prompt: bool = True) -> str:
        rendered: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=generation_prompt
        )
        return rendered

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _stop_tokens(self) -> tuple[int, ...]:
        """End of sequence, and whatever single token the template closes an agent's turn with.

        Read off a turn that others follow: some templates render the last one otherwise (Qwen3's thoughts).
        """
        closing = self._encode(self._between("v"))
        return tuple(sorted({*closing[:1], self._tokenizer.eos_token_id} - {None}))

    def _check_appending(self) -> None:
        turn = [{"role": "assistant", "content": "b"}, {"role": "user", "content": "v"}]
        opening = [{"role": "user", "content": "w"}]
        once = self._render([*opening, *turn])
        twice = self._render([*opening, *turn, *turn])
        if not once.startswith(self._render(opening) + "b") or not twice.startswith(once + "b"):
            raise UserError(
                f"policy {self._tokenizer.name_or_path}: its chat template rewrites earlier turns, so a history "
                "cannot be appended to; give it a template that renders each message on its own"
            )


def _occurs(part: tuple[int, ...], tokens: Sequence[int]) -> bool:
    """Whether `part` stands somewhere in `tokens`."""
    return any(tuple(tokens[start : start + len(part)]) == part for start in range(len(tokens)))


def _special_texts(tokenizer: Any) -> set[str]:
    """Every special token as text: most of Llama 3's and Gemma's have none of the named roles."""
    added = tokenizer.added_tokens_decoder.values()
    return {token.content for token in added if token.special} | set(tokenizer.all_special_tokens)
