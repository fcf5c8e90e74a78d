"""Exploration against what its engine could do at best, and against the way it was done before: ratios of one run.

    python -m tests.benchmarks.explore [--policy FOLDER] [--profile quickstart] [--tasks 100] [--processes 1,4]

On one SFT policy, the first fresh tasks and one engine:

- `flow`: the Prefect flow `explore`, everything included; `walks`: the same without Prefect.
- `engine`: the engine alone, answering the very same requests (prompts, seeds, lengths), each handed over as soon as
  the one it had to wait for is answered; `batch`: all of them at once, as if nothing depended on anything.
- `replayed N`: the same decisions as IPR's public scripts make them: every rollout replays its prefix in the
  environment, every request tokenises its whole history, and each of N processes asks one thing at a time. Theirs
  are 32 processes on 8 engines, so 4 on one; here they are coroutines, which spares them their interpreters.
- where every second of `walks` went, and a tenth of the tasks against all of them, in time and in memory.

Engines that already run, empty prefix caches, the best of `--rounds`. Prints ratios and writes them to `--out`.
"""

import asyncio
import contextlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rro.tasks.process import prepare_environment

prepare_environment("tiny")

import pyarrow as pa  # noqa: E402 - the environment is prepared first
import pyarrow.parquet as pq  # noqa: E402

from rro.flows import engines  # noqa: E402
from rro.flows.common import Context, start_run  # noqa: E402
from rro.flows.explore import explore  # noqa: E402
from rro.flows.shards import Exploration, walking  # noqa: E402
from rro.tasks.environments.base import Environment, Task  # noqa: E402
from rro.tasks.exploration import acts  # noqa: E402
from rro.tasks.exploration.policy import Draw, EnginePolicy, History  # noqa: E402
from rro.tasks.exploration.walk import Walk, Walker  # noqa: E402
from rro.tasks.inference.dialogue import ChatFormat  # noqa: E402
from rro.tasks.inference.engine import Sampling  # noqa: E402
from rro.tasks.inference.vllm_engine import VllmEngine  # noqa: E402
from rro.tasks.settings import Settings, load_settings, merge, parse_settings  # noqa: E402
from rro.tasks.storage.tables import TABLES, table  # noqa: E402
from rro.tasks.storage.warehouse import Warehouse  # noqa: E402
from tests.benchmarks.policies import parser_of, policy_of  # noqa: E402

RUN = "benchmark"


@dataclass
class Request:
    """One generation of the recorded exploration."""

    place: int
    waits_for: int
    """The request whose answer brought this one about; -1 for none."""
    task: Task
    history: History
    seed: int
    temperature: float
    length: int = 0
    action: str = ""


@dataclass
class Log:
    """What one walk asked, and which answer it had when it asked next."""

    task: Task
    newest: int = -1


@dataclass
class Recording:
    """Every request of an exploration, in the order they were made."""

    requests: list[Request] = field(default_factory=list)


walk_log: ContextVar[Log] = ContextVar("walk_log")


@contextlib.contextmanager
def recorded(into: Recording) -> Iterator[None]:
    """Keep every request that walks make while the block runs."""
    draw, walk = EnginePolicy.draw, Walker.walk

    async def noted_walk(self: Walker, task: Task) -> Walk:
        walk_log.set(Log(task))
        return await walk(self, task)

    async def noted_draw(self: EnginePolicy, history: History, temperature: float, seed: int) -> Draw:
        log = walk_log.get()
        request = Request(len(into.requests), log.newest, log.task, history, seed, temperature)
        into.requests.append(request)
        drawn = await draw(self, history, temperature, seed)
        log.newest, request.length, request.action = request.place, drawn.usage.generated_tokens, drawn.action
        return drawn

    with patched((EnginePolicy, "draw", noted_draw), (Walker, "walk", noted_walk)):
        yield


@contextlib.contextmanager
def patched(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Attributes that are others while the block runs."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


class Seconds:
    """Where the seconds go: what is timed inside something else counts there alone."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            began = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                took = time.perf_counter() - began
                self.spent[name] += took - self._inner.pop()
                self._inner[-1] += took

        return wrapped

    @contextlib.contextmanager
    def watching(self, engine: VllmEngine) -> Iterator[None]:
        """Time the parts of an exploration while the block runs."""
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        parts = [
            ("engine", engine._llm, "step"),
            ("engine", engine._llm, "add_request"),
            ("environment", acts, "timed"),
            *(("tokeniser", ChatFormat, name) for name in ("start", "extend", "decode", "quote")),
            ("storage", Exploration, "publish"),
            ("progress", Exploration, "found"),
            ("idle", selector, "select"),
        ]
        with patched(*((owner, name, self.timed(part, getattr(owner, name))) for part, owner, name in parts)):
            yield


class Bench:
    """One policy on one engine, and the ways to explore with it."""

    def __init__(self, settings: Settings, folder: Path, warehouse: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.store = Warehouse.open(warehouse)
        (warehouse / "policies").mkdir(exist_ok=True)
        (warehouse / "policies" / folder.name).symlink_to(folder.absolute())

    async def prepare(self) -> None:
        policy = await engines.policy_on_engine(self.folder.name, self.folder, self.settings.engine)
        engine = policy._engine
        assert isinstance(engine, VllmEngine)
        self.engine, self.chat = engine, policy._chat

    def context(self, settings: Settings, run: str) -> Context:
        start_run(self.store, run, "benchmark", settings)
        row = {"policy": self.folder.name, "run": run, "iteration": 0, "stage": "sft", "path": ""}
        names = TABLES["policies"].names
        rows = table("policies", [{**dict.fromkeys(names), **row}])
        self.store.publish(run, "policy-i0", {"policies": rows})
        return Context(settings, run, 1, str(self.store.root))

    async def flow(self) -> None:
        self.context(self.settings, RUN)
        for manifest in self.store.shards(RUN, "explore-"):
            self.store.discard(RUN, manifest.shard)
        await explore(RUN, self.settings, 1, str(self.store.root))

    async def walks(self, tasks: int = 0) -> None:
        settings = parse_settings(
            merge(self.settings.model_dump(), {"explore": {"tasks": tasks}} if tasks else {})
        )
        exploration = Exploration.of(self.context(settings, f"{RUN}-{settings.explore.tasks}"))
        async with walking(exploration, exploration.shards, lambda found: None) as pool:
            for shard in exploration.shards:
                exploration.publish(shard, await pool.shard(shard))

    async def alone(self, requests: list[Request], depending: bool) -> None:
        """The engine with nothing around it."""
        llm = self.engine._llm
        children: dict[int, list[Request]] = defaultdict(list)
        for request in requests:
            children[request.waits_for if depending else -1].append(request)
        params = {request.place: self._fixed(request) for request in requests}

        def hand_over(ready: list[Request]) -> None:
            for request in ready:
                llm.add_request(str(request.place), *params[request.place])

        hand_over(children[-1])
        answered = 0
        while answered < len(requests):
            for output in llm.step():
                answered += 1
                hand_over(children[int(output.request_id)])

    def _fixed(self, request: Request) -> tuple[Any, Any]:
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=request.temperature,
            seed=request.seed,
            max_tokens=request.length,
            ignore_eos=True,
            skip_clone=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        return tokens_input(list(request.history.tokens)), params

    async def replayed(self, requests: list[Request], environment: Environment, processes: int) -> None:
        """One request at a time a process, prefixes replayed for every rollout."""
        by_task: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            by_task[request.task.id].append(request)
        tasks = iter(by_task.values())

        async def process() -> None:
            for listed in tasks:
                await self._replay_task(listed, environment)

        await asyncio.gather(*(process() for _ in range(processes)))

    async def _replay_task(self, listed: list[Request], environment: Environment) -> None:
        following = {request.place: follower(request, listed) for request in listed}
        continued = {after.place for after in following.values() if after is not None}
        for request in listed:
            if request.place in continued:
                continue
            episode = environment.start(request.task)
            for role, text in request.history.messages:
                if role == "assistant":
                    episode.step(text)
            current: Request | None = request
            while current is not None:
                messages = [{"role": role, "content": text} for role, text in current.history.messages]
                self.chat._encode(self.chat._render(messages))
                sampling = Sampling(
                    current.temperature,
                    current.seed,
                    self.settings.engine.max_tokens,
                    self.chat.stop_token_ids,
                )
                await self.engine.generate(current.history.tokens, sampling)
                episode.step(current.action)
                current = following[current.place]

    async def best(self, rounds: int, work: Callable[[], Awaitable[None]]) -> float:
        """Seconds of the fastest of some rounds, each with an empty prefix cache."""
        seconds = []
        for _ in range(rounds):
            self.engine._llm.reset_prefix_cache()
            began = time.perf_counter()
            await work()
            seconds.append(time.perf_counter() - began)
        return min(seconds)


def follower(request: Request, listed: list[Request]) -> Request | None:
    """The one request that goes on where this one ended; None where several do, each of them another rollout."""
    so_far = (*request.history.messages, ("assistant", request.action))
    found = [
        other
        for other in listed
        if other.waits_for == request.place and other.history.messages[: len(so_far)] == so_far
    ]
    return found[0] if len(found) == 1 else None


def most_memory_mib() -> float:
    """The most this process held since the mark was last taken back."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def forget_memory() -> None:
    """Take the mark of the most memory held back to what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


async def measure(bench: Bench, processes: list[int], rounds: int) -> list[dict[str, Any]]:
    await bench.prepare()
    tasks = bench.settings.explore.tasks
    rows: list[dict[str, Any]] = []

    def say(name: str, seconds: float, against: str, ratio: float) -> None:
        rows.append({"name": name, "seconds": seconds, "against": against, "ratio": ratio})
        print(f"{name:<24}{seconds:10.2f} s   {against:<28}{ratio:8.3f}", flush=True)

    recording = Recording()
    with recorded(recording):
        await bench.walks()
    asked = [request for request in recording.requests if request.length]
    tokens = sum(request.length for request in asked)
    print(f"{tasks} tasks, {len(asked)} requests, {tokens} generated tokens", flush=True)
    await bench.flow()  # The first flow of a process starts Prefect's server.
    flow = await bench.best(rounds, bench.flow)
    walks = await bench.best(rounds, bench.walks)
    engine = await bench.best(rounds, lambda: bench.alone(asked, depending=True))
    batch = await bench.best(rounds, lambda: bench.alone(asked, depending=False))
    say("flow", flow, "tokens a second", tokens / flow)
    say("walks", walks, "Prefect's share of the flow", 1 - walks / flow)
    say("engine", engine, "engine / flow", engine / flow)
    say("batch", batch, "batch / flow", batch / flow)
    environment = bench.context(bench.settings, RUN).environment
    for number in processes:
        seconds = await bench.best(1, lambda number=number: bench.replayed(asked, environment, number))
        say(f"replayed {number}", seconds, "times slower than the flow", seconds / flow)
    watch = Seconds()
    bench.engine._llm.reset_prefix_cache()
    began = time.perf_counter()
    with watch.watching(bench.engine):
        await bench.walks()
    whole = time.perf_counter() - began
    watch.spent["walk and asyncio"] = whole - sum(watch.spent.values())
    for name, seconds in sorted(watch.spent.items(), key=lambda item: -item[1]):
        say(f"- {name}", seconds, "share of the walks", seconds / whole)
    few = max(1, tasks // 10)
    forget_memory()
    less = await bench.best(1, lambda: bench.walks(few))
    memory = most_memory_mib()
    forget_memory()
    more = await bench.best(1, bench.walks)
    say(f"{few} tasks", less, "MiB", memory)
    say(f"{tasks} tasks", more, "times as long", more / less)
    say("", more, "times the memory", most_memory_mib() / memory)
    return rows


async def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--processes", default="1,4")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/explore.parquet"))
    given = parser.parse_args()
    folder = policy_of(given)
    settings = load_settings(given.profile, {"explore": {"tasks": given.tasks}})
    with tempfile.TemporaryDirectory() as warehouse:
        bench = Bench(settings, folder, Path(warehouse))
        rows = await measure(bench, [int(word) for word in given.processes.split(",") if word], given.rounds)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), given.out)


if __name__ == "__main__":
    asyncio.run(main())
