"""Exploration on many engines, simulated event by event: walks that wait for rollouts, engines that batch, clients
whose Python is one thread.

What is left out: preempted requests and caches that overflow, networks, failures, the seconds in which the pool grows
to its size. Equal seed, equal result.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from tests.benchmarks.batching import Engine, Outcome, Request, Setup
from tests.benchmarks.workloads import BLOCK, Model, Workload


class Client:
    """One process with one event loop: what it does, it does one after the other."""

    def __init__(self, world: "World", number: int) -> None:
        self.world, self.number = world, number
        self.free = self.spent = 0.0
        self.outstanding = 0
        self.left = 0
        """Walks of the shard at hand that have not ended."""
        self.shard: Iterator[int] = iter(())
        setup = world.setup
        self.room = setup.sequences * setup.engines // setup.clients

    def work(self, seconds: float) -> float:
        """Spend Python seconds as soon as there is time; when they are over."""
        self.free = max(self.free, self.world.now) + seconds
        self.spent += seconds
        return self.free

    def answered(self, request: Request) -> None:
        """Take an answer, and do what follows from it."""
        self.world.later(self.work(self.world.setup.request_s), lambda: self.go_on(request))

    def go_on(self, request: Request) -> None:
        """Ask what comes next, then begin more walks as long as the engines have room."""
        self.outstanding -= 1
        request.then()
        self.fill()

    def ask(self, walk: "Walk", depth: int, known: bool, then: Callable[[], None]) -> None:
        """Have an action drawn; `known` where the cache holds the history but for a part of a block."""
        world, workload = self.world, self.world.workload
        mean = workload.generated
        generated = world.random.randint(mean - mean // 2, mean + mean // 2) if world.setup.vary else mean
        computed = BLOCK // 2 + (0 if known else workload.observation if depth else workload.opening)
        self.outstanding += 1
        world.outcome.requests += 1
        walk.engine.ask(Request(workload.prompt(depth), computed, generated, self, then))

    def fill(self) -> None:
        """Begin walks while fewer requests are out than the engines decode together."""
        while self.outstanding < self.room:
            if next(self.shard, None) is None:
                if self.left or not self.take():
                    return
                continue
            self.left += 1
            Walk(self).start()

    def take(self) -> bool:
        """Take the next shard; False where there is none, or none yet."""
        taken = self.world.take()
        self.shard = iter(range(taken))
        if taken and self.world.now:
            self.world.later(self.work(self.world.setup.shard_s), self.fill)
            return False
        return bool(taken)

    def ended(self) -> None:
        """A walk has ended."""
        self.left -= 1
        self.world.later(self.work(self.world.setup.task_s), self.fill)


@dataclass(slots=True)
class Walk:
    """One task: m rollouts from the start, then candidates one at a time, each with its own m rollouts."""

    client: Client
    engine: Engine = field(init=False)
    depth: int = 0
    drawn: int = 0
    open: int = 0
    """Rollouts that have not ended."""

    def __post_init__(self) -> None:
        engines, world = self.client.world.engines, self.client.world
        self.engine = engines[self.client.number] if world.setup.own else world.random.choice(engines)

    def start(self) -> None:
        """The first step's reference."""
        self.roll_out(0, self.draw)

    def roll_out(self, depth: int, then: Callable[[], None]) -> None:
        """m rollouts at once; the first to be read computes what the others find in the cache."""
        self.open = self.client.world.workload.rollouts
        for number in range(self.open):
            self.act(depth, number > 0, then)

    def act(self, depth: int, known: bool, then: Callable[[], None]) -> None:
        """One action of a rollout, and the next one unless that was the last."""

        def after() -> None:
            if not self.client.world.ends(depth):
                return self.act(depth + 1, False, then)
            self.open -= 1
            if not self.open:
                then()

        self.client.ask(self, depth, known, after)

    def draw(self) -> None:
        """The next candidate."""
        self.drawn += 1
        self.client.ask(self, self.depth, True, self.judge)

    def judge(self) -> None:
        """Score the candidate where it goes on and is new."""
        world = self.client.world
        if world.ends(self.depth):
            self.decide(True)
        elif world.random.random() < world.workload.scored:
            self.roll_out(self.depth + 1, lambda: self.decide(False))
        else:
            self.decide(False)

    def decide(self, over: bool) -> None:
        """Stop drawing, or not; go on from the last candidate."""
        world = self.client.world
        if self.drawn < world.workload.most and world.random.random() >= world.rises:
            return self.draw()
        if over:
            return self.client.ended()
        self.depth, self.drawn = self.depth + 1, 0
        self.draw()


class World:
    """Engines, clients, time."""

    def __init__(self, setup: Setup, workload: Workload, model: Model, seed: int) -> None:
        self.setup, self.workload = setup, workload
        self.random = Random(seed)
        self.outcome = Outcome()
        self.now = 0.0
        self.left = setup.tasks
        self.rises = stopping(workload.candidates, workload.most)
        self._ends = [
            share / workload.beyond(depth) if workload.beyond(depth) > 0 else 1.0
            for depth, share in enumerate(workload.lengths)
        ]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.engines = [Engine(self, model) for _ in range(setup.engines)]
        self.clients = [Client(self, number) for number in range(setup.clients)]

    def later(self, when: float, what: Callable[[], None]) -> None:
        """Have something happen at a time; what was said first happens first."""
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what))

    def take(self) -> int:
        """Tasks of the next shard."""
        taken = min(self.setup.shard_tasks or -(-self.setup.tasks // self.setup.clients), self.left)
        self.left -= taken
        if taken:
            self.outcome.fed = self.now
        return taken

    def ends(self, depth: int) -> bool:
        """Whether the action after so many ends the episode."""
        return self.random.random() < self._ends[depth]

    def run(self) -> Outcome:
        """Until nothing is left to do."""
        for client in self.clients:
            client.fill()
        while self._events:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.outcome.seconds = self.now
        self.outcome.python = max(client.spent for client in self.clients)
        return self.outcome


def stopping(mean: float, most: int) -> float:
    """The chance to stop after each draw that gives this mean number of draws, of `most` at most."""
    low, high = 0.0, 1.0
    for _ in range(60):
        chance = (low + high) / 2
        expected = sum((1 - chance) ** drawn for drawn in range(most))
        low, high = (chance, high) if expected > mean else (low, chance)
    return low


def simulate(setup: Setup, workload: Workload, model: Model, seed: int = 0) -> Outcome:
    """One exploration."""
    return World(setup, workload, model, seed).run()
