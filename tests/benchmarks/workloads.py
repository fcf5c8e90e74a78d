"""What walks ask of an engine and how long its steps take, in closed form: constants and formulas of `docs/scaling.md`.

A trajectory ends with action t with probability `lengths[t - 1]`; call its length T. A walk draws c candidates a step,
scores a share s of those that do not end the episode by m rollouts, and begins with m rollouts from the start. A place
d actions into the episode is read by N(d) = P(T > d) (m + c + s c m d) requests, hence

    requests = (m + c) E[T] + s c m E[T (T - 1) / 2]
    rollouts = m + s c m (E[T] - 1)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

BLOCK = 32
"""`engine.block_size`: only whole blocks are cached, so a prompt computes half of one, on average, anew."""
TEMPLATE = 10
"""Tokens that a chat template puts round an observation and the answer to it."""
CHARACTERS = 4
"""Characters a token of English and SQL: a rule of thumb."""


def tokens(characters: float) -> int:
    """Characters as tokens."""
    return round(characters / CHARACTERS)


@dataclass(frozen=True)
class Workload:
    """How a policy walks the tasks of one environment."""

    name: str
    lengths: tuple[float, ...]
    """Share of trajectories that end with the first, second, ... action."""
    candidates: float
    """Mean draws of a step (c)."""
    generated: int
    """Tokens of an action."""
    opening: int
    """Tokens before the first action."""
    observation: int
    """Tokens of an observation, with the template's round it."""
    scored: float = 1.0
    """Share of the candidates that are no repetition of a sibling (s)."""
    rollouts: int = 5
    most: int = 5
    pairs: float = 0.0
    """Pairs a task."""

    @property
    def length(self) -> float:
        """E[T]: actions of a trajectory."""
        return sum(share * number for number, share in enumerate(self.lengths, 1))

    def beyond(self, depth: int) -> float:
        """P(T > depth)."""
        return sum(self.lengths[depth:])

    def read(self, depth: int) -> float:
        """N(depth): requests of a task that read a history of so many actions."""
        each = self.rollouts + self.candidates + self.scored * self.candidates * self.rollouts * depth
        return self.beyond(depth) * each

    def prompt(self, depth: int) -> int:
        """Tokens of a history of so many actions."""
        return self.opening + depth * (self.generated + self.observation)

    @property
    def requests(self) -> float:
        """Requests of a task."""
        return sum(self.read(depth) for depth in range(len(self.lengths)))

    @property
    def rolled(self) -> float:
        """Rollouts of a task."""
        return self.rollouts * (1 + self.scored * self.candidates * (self.length - 1))

    @property
    def drawn(self) -> float:
        """Candidates of a task."""
        return self.candidates * self.length

    @property
    def prompt_tokens(self) -> float:
        """Prompt tokens of a task, cached ones included."""
        return sum(self.read(depth) * self.prompt(depth) for depth in range(len(self.lengths)))

    @property
    def generated_tokens(self) -> float:
        """Generated tokens of a task."""
        return self.requests * self.generated

    @property
    def computed_tokens(self) -> float:
        """Prompt tokens of a task that no cache holds.

        The opening once; an observation once for each place it leads to, which m rollouts then share; half a block for
        every request.
        """
        acted = self.requests - self.drawn  # Actions of rollouts.
        places = (acted - self.rolled) + self.scored * self.candidates * (self.length - 1)
        return self.opening + self.observation * places + self.requests * BLOCK / 2


@dataclass(frozen=True)
class Model:
    """Seconds of one step of a vLLM engine on one H100: weights are read once, caches too, every token is computed."""

    name: str
    parameters: float
    """In thousand millions; two bytes each."""
    cache_bytes: int
    """Of one token's keys and values."""

    @property
    def weights(self) -> float:
        """Seconds to read the weights."""
        return 2 * self.parameters * SECONDS_A_GB

    @property
    def token(self) -> float:
        """Seconds to compute one token."""
        return self.parameters * SECONDS_A_TOKEN

    @property
    def context(self) -> float:
        """Seconds to read one token of a sequence's cache."""
        return self.cache_bytes / 1e9 * SECONDS_A_GB

    def step(self, computed: float, context: float) -> float:
        """A step that computes so many tokens over sequences that hold `context` tokens together."""
        return STEP + max(self.weights, self.token * computed) + self.context * context


# Two published times of one sequence's step on HBM3 (3.35 TB/s) give a straight line in the bytes of the weights:
# 2.43 ms for Qwen2-VL-2B's 3.1 GB (vLLM pull request 51349, H800), 6.48 ms for Llama 3.1 8B's 16.1 GB (InferenceBench,
# H100). Computing: 27,670 prompt tokens a second with Llama 3.1 8B (SGLang pull request 1060, H100).
SECONDS_A_GB = (6.48e-3 - 2.43e-3) / (16.06 - 3.09)
STEP = 2.43e-3 - 3.09 * SECONDS_A_GB
SECONDS_A_TOKEN = 1 / 27_670 / 8.03
SEQUENCES = 256
"""`engine.max_num_seqs`."""
BATCHED = 8192
"""Tokens that one step may compute (vLLM's `max_num_batched_tokens`)."""

SMALL = Model("2 B", 2.61, 2 * 26 * 4 * 256 * 2)
"""Gemma-2-2B, the paper's: 26 layers of 4 key and value heads of 256."""
LARGE = Model("8 B", 8.03, 2 * 32 * 8 * 128 * 2)
"""Llama 3.1 8B: 32 layers of 8 key and value heads of 128."""
MODELS = (SMALL, LARGE)


def binomial(least: int, most: int, mean: float) -> tuple[float, ...]:
    """Lengths from `least` to `most` with this mean."""
    n, p = most - least, (mean - least) / (most - least)
    shares = [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return (*[0.0] * (least - 1), *shares)


def counted(counts: Sequence[int]) -> tuple[float, ...]:
    """Shares from counts."""
    return tuple(count / sum(counts) for count in counts)


ACTION = 185
"""Characters of thought and action: mean of 5,551 turns of GPT-3.5 (InterCode's recorded ReAct runs)."""
SHOP = Workload(
    "WebShop", binomial(2, 10, 6.3), 1.86, tokens(ACTION), tokens(350), tokens(844) + TEMPLATE, pairs=1.0
)
SQL = Workload(
    "InterCode-SQL",
    counted([0, 32, 1, 410, 280, 102, 82, 33, 16, 78]),
    1.64,
    tokens(ACTION),
    tokens(400),
    tokens(132) + TEMPLATE,
    pairs=0.4,
)
WORKLOADS = (SHOP, SQL)
