"""What the walk needs of a policy: histories that can be extended, and actions drawn from them."""

from dataclasses import dataclass, field
from typing import Protocol

from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.inference.engine import Engine, Load, Sampling


@dataclass(slots=True)
class Usage:
    """Tokens paid for."""

    generated_tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0

    def add(self, other: "Usage") -> None:
        """Count the other's tokens in."""
        self.generated_tokens += other.generated_tokens
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens


@dataclass(frozen=True, slots=True)
class History:
    """Instruction, actions and observations so far; what the policy reads. Shared freely: nothing changes it."""

    messages: tuple[tuple[str, str], ...]
    """(role, text), beginning with the user's."""
    tokens: tuple[int, ...] = ()
    session: str = ""
    """What all histories that opened alike share, so that an engine can keep them where their prefix is cached."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One action drawn from a policy."""

    action: str
    tokens: tuple[int, ...] = ()
    usage: Usage = field(default_factory=Usage)


class Policy(Protocol):
    """A language model that acts."""

    name: str

    def open(self, text: str) -> History:
        """The history before the first action."""

    def extend(self, history: History, draw: Draw, observation: str) -> History:
        """The history after the drawn action and the observation it led to."""

    def quote(self, action: str) -> Draw:
        """Somebody else's action, as if it had been drawn."""

    async def draw(self, history: History, temperature: float, seed: int) -> Draw:
        """Draw one action. Equal arguments, equal action. Raises `GenerationFailed`."""

    async def stepped(self) -> Load:
        """Wait until what draws its actions has done a piece of work; its load after that."""


class EnginePolicy:
    """A `Policy` on an `Engine` that holds its weights."""

    def __init__(self, name: str, engine: Engine, chat: ChatFormat, max_tokens: int) -> None:
        self.name = name
        self._engine = engine
        self._chat = chat
        self._max_tokens = max_tokens

    def open(self, text: str) -> History:
        """The history before the first action."""
        return History((("user", self._chat.neutral(text)),), self._chat.start(text), session=text)

    def extend(self, history: History, draw: Draw, observation: str) -> History:
        """Append; earlier tokens stay as they are."""
        seen = self._chat.neutral(observation)
        messages = (*history.messages, ("assistant", draw.action), ("user", seen))
        tokens = self._chat.extend(history.tokens, draw.tokens, observation)
        return History(messages, tokens, history.session)

    def quote(self, action: str) -> Draw:
        """Somebody else's action, as if it had been drawn."""
        return Draw(action, self._chat.quote(action))

    async def stepped(self) -> Load:
        """Wait for the engine's next step; its load after that."""
        return await self._engine.stepped()

    async def draw(self, history: History, temperature: float, seed: int) -> Draw:
        """Draw one action from the engine."""
        sampling = Sampling(temperature, seed, self._max_tokens, self._chat.stop_token_ids)
        done = await self._engine.generate(history.tokens, sampling, history.session)
        usage = Usage(done.generated_tokens, done.prompt_tokens, done.cached_tokens)
        return Draw(self._chat.decode(done.token_ids), done.token_ids, usage)
