"""Simulated engines: continuous batching, one step a token for all that run."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.workloads import BATCHED, SEQUENCES, Model

if TYPE_CHECKING:
    from tests.benchmarks.simulation import Client, World


@dataclass(frozen=True)
class Setup:
    """Who explores, and with what."""

    engines: int
    tasks: int
    clients: int = 1
    own: bool = False
    """Each client has an engine in its own process, so that its Python and the engine's steps take turns."""
    shard_tasks: int = 0
    """Tasks that a client takes at a time; with 0 all clients share all tasks from the start."""
    request_s: float = 0.0
    """Seconds of a client's Python for one request: walk, environment, tokens, HTTP."""
    task_s: float = 0.0
    """Seconds of a client's Python for one finished task: rows, pairs, Parquet."""
    shard_s: float = 0.0
    """Seconds between two shards of a client."""
    sequences: int = SEQUENCES
    batched: int = BATCHED
    vary: bool = True
    """Actions of different lengths, half to one and a half times the mean."""


@dataclass
class Outcome:
    """What a simulated exploration took."""

    seconds: float = 0.0
    requests: int = 0
    generated: int = 0
    computed: int = 0
    steps: int = 0
    busy: float = 0.0
    """Seconds that an engine was at work, on average."""
    python: float = 0.0
    """Seconds of Python of the busiest client."""
    fed: float = 0.0
    """When the last task was begun."""

    @property
    def batch(self) -> float:
        """Sequences of a step, on average."""
        return self.generated / max(1, self.steps)


@dataclass(slots=True)
class Request:
    """One generation."""

    prompt: int
    computed: int
    """Tokens of the prompt that no cache holds."""
    generated: int
    client: "Client"
    then: Callable[[], None]


class Engine:
    """Continuous batching: one step a token for all that run, with the new prompts that fit."""

    def __init__(self, world: "World", model: Model) -> None:
        self.world, self.model = world, model
        self.waiting: deque[Request] = deque()
        self.ends: defaultdict[int, list[Request]] = defaultdict(list)
        self.running = self.context = self.number = 0
        self.stepping = False

    def ask(self, request: Request) -> None:
        """Take a request in."""
        self.waiting.append(request)
        if not self.stepping:
            self.stepping = True
            self.world.later(self.world.now, self.step)

    def step(self) -> None:
        """Begin a step, if there is anything to do."""
        setup, room = self.world.setup, self.world.setup.batched
        new = 0
        while self.waiting and self.running < setup.sequences and self.waiting[0].computed + new <= room:
            request = self.waiting.popleft()
            new += request.computed
            self.running += 1
            self.context += request.prompt
            self.ends[self.number + request.generated].append(request)
        self.stepping = self.running > 0
        if not self.stepping:
            return
        seconds = self.model.step(self.running + new, self.context)
        out = self.world.outcome
        out.busy += seconds / setup.engines
        out.computed += new
        out.steps += 1
        self.world.later(self.world.now + seconds, self.end)

    def end(self) -> None:
        """End a step: every sequence has one token more, and some are finished."""
        self.world.outcome.generated += self.running
        self.context += self.running
        self.number += 1
        done = self.ends.pop(self.number, ())
        for request in done:
            self.running -= 1
            self.context -= request.prompt + request.generated
            request.client.answered(request)
        # What follows from the answers comes first; the Python of a client in the same process holds the step up.
        held = done[0].client.free if self.world.setup.own and done else 0.0
        self.world.later(max(self.world.now, held), self.step)
