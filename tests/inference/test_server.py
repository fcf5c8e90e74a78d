"""Real vLLM servers: they answer as the engine in this process does, take other weights, and leave nothing behind."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rro.tasks.environments.base import Task, Turn
from rro.tasks.exploration.explore import Pool
from rro.tasks.exploration.origin import Origin
from rro.tasks.exploration.pairs import extract
from rro.tasks.exploration.policy import EnginePolicy
from rro.tasks.exploration.rows import walk_rows
from rro.tasks.exploration.strategies import make_strategy
from rro.tasks.exploration.walk import Walk, Walker
from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.inference.engine import Completion, Engine, EngineUnavailable, Sampling
from rro.tasks.inference.openai_engine import EndpointEngine, vocabulary_of
from rro.tasks.inference.server import Server, ServerEngine
from rro.tasks.inference.vllm_engine import VllmEngine
from rro.tasks.settings import ExploreSettings, PairSettings
from tests.exploration.tabular import Tabular
from tests.inference.conftest import SMALL
from tests.inference.processes import group, until_gone
from tests.inference.test_vllm_engine import STOP, generated_by_transformers, prompt_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

Result = TypeVar("Result")
PROMPTS = [prompt_of(number, 10 + 6 * number) for number in range(24)]
STOPS = (STOP, *range(5, 40))
"""So many that about every other answer of these policies ends at one."""


@pytest.fixture(scope="module")
def chat(policies: tuple[Path, Path]) -> ChatFormat:
    from transformers import AutoTokenizer

    return ChatFormat(AutoTokenizer.from_pretrained(policies[0]))


@pytest.fixture(scope="module")
def first(policies: tuple[Path, Path]) -> Iterator[Server]:
    """A server that was started with the first policy."""
    yield from started(policies[0])


@pytest.fixture(scope="module")
def second(policies: tuple[Path, Path]) -> Iterator[Server]:
    """A server that was started with the second policy."""
    yield from started(policies[1])


def started(policy: Path) -> Iterator[Server]:
    server = Server(policy, SMALL)
    try:
        asyncio.run(server.up())
        yield server
    finally:
        server.stop()
    assert processes_of(server) == []


def client(servers: Sequence[Server], policy: Path, chat: ChatFormat, **changes: Any) -> EndpointEngine:
    """The endpoint engine on servers of our own, as `ServerEngine` has it on one."""
    settings = SMALL.model_copy(update={"patience": 30.0, **changes})
    return EndpointEngine([server.url for server in servers], settings, vocabulary_of(policy, chat))


@pytest.fixture(scope="module", autouse=True)
def key_of_another_server() -> Iterator[None]:
    """A key in the user's environment, which servers of our own must not ask for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_API_KEY", "another server's key")
        yield


def run(engine: Engine, policy: Path, work: Callable[[], Awaitable[Result]]) -> Result:
    async def whole() -> Result:
        await engine.load(policy)
        return await work()

    return asyncio.run(whole())


async def drawn(engine: Engine, temperature: float = 1.0) -> list[Completion]:
    asking = (
        engine.generate(prompt, Sampling(temperature, seed, 12, STOPS), f"session {seed}")
        for seed, prompt in enumerate(PROMPTS)
    )
    return await asyncio.gather(*asking)


def said(completions: Sequence[Completion]) -> list[tuple[tuple[int, ...], str, int, int]]:
    return [
        (one.token_ids, one.finish_reason, one.generated_tokens, one.prompt_tokens) for one in completions
    ]


REACH = """
import http.client, os, socket, sys
path, user = sys.argv[1:]
os.setuid(int(user))
connection = http.client.HTTPConnection("server")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(path)
connection.request("GET", "/server_info")
print(connection.getresponse().status)
"""


def reached(server: Server, user: int) -> str:
    """What a user who asks for the development API is told."""
    words = [sys.executable, "-c", REACH, server.url.removeprefix("unix:"), str(user)]
    ended = subprocess.run(words, capture_output=True, text=True)
    return ended.stdout or ended.stderr


def ports(pid: int) -> list[int]:
    """TCP ports that a process listens on."""
    links = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    return [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links]


def api_of(server: Server) -> int:
    """The process that answers HTTP."""
    keeper = server._keeper.pid
    (child,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    return int(child)


def processes_of(server: Server) -> list[str]:
    """What is alive in the server's process group."""
    return group(server._keeper.pid)


def test_a_server_answers_as_the_engine_in_this_process_does(
    engine: VllmEngine, first: Server, policies: tuple[Path, Path], chat: ChatFormat
) -> None:
    fleet = client([first], policies[0], chat)
    for temperature in (1.0, 0.0):
        here = asyncio.run(drawn(engine, temperature))
        there = run(fleet, policies[0], lambda: drawn(fleet, temperature))  # noqa: B023
        assert said(there) == said(here)
        assert {one.finish_reason for one in here} == {"stop", "length"}


def test_a_server_is_reached_by_its_user_alone(first: Server) -> None:
    """The development API asks for no key, so whoever reached it could change the weights."""
    assert ports(api_of(first)) == []
    assert reached(first, os.geteuid()) == "200\n"
    if os.geteuid() == 0:
        assert "PermissionError" in reached(first, 65534)


def test_a_repeated_prompt_is_counted_as_cached(
    first: Server, policies: tuple[Path, Path], chat: ChatFormat
) -> None:
    fleet = client([first], policies[0], chat)

    async def twice() -> list[int]:
        prompt = prompt_of(9003, 150)
        return [(await fleet.generate(prompt, Sampling(1.0, 3, 4))).cached_tokens for _ in range(2)]

    assert run(fleet, policies[0], twice) == [0, 128]


def test_swapped_weights_answer_as_transformers_does_with_them(
    first: Server, policies: tuple[Path, Path], chat: ChatFormat
) -> None:
    swapped = client([first], policies[0], chat)

    async def greedy() -> tuple[int, ...]:
        return (await swapped.generate(PROMPTS[9], Sampling(0.0, 0, 8))).token_ids

    for policy in (policies[0], policies[1], policies[0]):
        assert run(swapped, policy, greedy) == generated_by_transformers(policy, PROMPTS[9])


def test_swapped_weights_answer_as_a_fresh_start_with_them(
    first: Server, second: Server, policies: tuple[Path, Path], chat: ChatFormat
) -> None:
    swapped, fresh = client([first], policies[0], chat), client([second], policies[1], chat, swap="none")
    before = run(swapped, policies[0], lambda: drawn(swapped))
    after = run(swapped, policies[1], lambda: drawn(swapped))
    assert said(after) == said(run(fresh, policies[1], lambda: drawn(fresh))) != said(before)
    assert said(run(swapped, policies[0], lambda: drawn(swapped))) == said(before)


@dataclass
class HashEpisode:
    """Three turns; the outcome is a hash of what was done."""

    task: str
    done: str = ""
    turns: int = 0
    observation: str = "begin"

    def step(self, action: str) -> Turn:
        self.turns, self.done = self.turns + 1, f"{self.done}|{action}"
        value = hashlib.sha256(f"{self.task}{self.done}".encode()).digest()[0] / 255
        self.observation = f"seen {round(value * 9)}"
        ended = self.turns == 3
        return Turn(self.observation, done=ended, outcome=value if ended else 0.0)

    def copy(self) -> "HashEpisode":
        return HashEpisode(self.task, self.done, self.turns, self.observation)


class Hashed(Tabular):
    """A task to every number, and a value to whatever a policy says."""

    def start(self, task: Task) -> Any:
        return HashEpisode(task.id, observation=f"task {task.id}")


def explored(engine: Engine, policy: Path, chat: ChatFormat, midway: Callable[[], None]) -> list[Any]:
    """The pairs of thirty tasks; `midway` is called when a third are done."""
    settings = ExploreSettings(max_candidates=3, rollouts=2)
    acting = EnginePolicy("p", engine, chat, max_tokens=8)
    walker = Walker(Hashed({}), acting, acting, settings, 7)
    walks: list[Walk] = []

    def count(walk: Walk) -> None:
        walks.append(walk)
        if len(walks) == 10:
            midway()

    async def whole() -> list[Walk]:
        pool = Pool(walker.walk, count, walker.stepped)
        pool.start({"all": [Task(str(number), "train", "act", 1.0) for number in range(30)]})
        return await pool.shard("all")

    rows = walk_rows(run(engine, policy, whole), Origin("r", 1, "rising", "p", "hashed", "p"), settings)
    assert not [row for row in rows["rollouts"] if row.get("outcome") is None]
    pairs = extract(rows, make_strategy(settings).pairs, PairSettings(), 0)
    return [(row["task"], row["chosen"], row["rejected"], row["margin"]) for row in pairs]


def test_two_endpoints_explore_the_same_pairs_as_one_even_if_one_is_killed(
    first: Server, second: Server, policies: tuple[Path, Path], chat: ChatFormat
) -> None:
    """Last of those that need the second server."""
    alone = explored(client([first], policies[0], chat), policies[0], chat, lambda: None)
    together = explored(client([first, second], policies[0], chat), policies[0], chat, lambda: None)
    assert len(alone) > 20
    assert together == alone

    def kill() -> None:
        os.killpg(second._keeper.pid, signal.SIGKILL)

    assert explored(client([first, second], policies[0], chat), policies[0], chat, kill) == alone


def test_a_server_that_is_stopped_finishes_its_answers(
    first: Server, policies: tuple[Path, Path], chat: ChatFormat
) -> None:
    """Last of those that need the first server."""
    fleet = client([first], policies[0], chat)

    async def stopped_meanwhile() -> tuple[list[Completion], float]:
        asking = [
            asyncio.ensure_future(fleet.generate(prompt, Sampling(1.0, seed, 100)))
            for seed, prompt in enumerate(PROMPTS[:8])
        ]
        await asyncio.sleep(0.3)
        assert not any(one.done() for one in asking)
        begun = time.monotonic()
        stopping = threading.Thread(target=first.stop)
        stopping.start()
        done = await asyncio.gather(*asking)
        stopping.join()
        return done, time.monotonic() - begun

    done, seconds = run(fleet, policies[0], stopped_meanwhile)
    assert [one.generated_tokens for one in done] == [100] * 8
    assert seconds < 40
    assert processes_of(first) == []


PARENT = """
import asyncio, sys
from pathlib import Path
from rro.tasks.inference.server import Server
from tests.inference.conftest import SMALL
server = Server(Path(sys.argv[1]), SMALL)
print(server._keeper.pid, server._folder.name, flush=True)
asyncio.run(server.up())
print("up", flush=True)
asyncio.run(asyncio.sleep(600))
"""


def test_a_killed_parent_leaves_no_orphan(policies: tuple[Path, Path]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(policies[0])],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        keeper = int(pid)
        assert parent.stdout.readline() == "up\n"
        assert len(group(keeper)) >= 3
        assert Path(folder, "socket").exists()
        parent.send_signal(signal.SIGKILL)
    until_gone(keeper)
    assert not Path(folder).exists()


def test_a_killed_server_is_told_with_its_last_words_and_leaves_no_orphan(
    policies: tuple[Path, Path], chat: ChatFormat
) -> None:
    engine = ServerEngine(policies[0], SMALL, vocabulary_of(policies[0], chat))
    keeper = engine._server._keeper.pid

    async def until_killed() -> None:
        await engine.generate(PROMPTS[0], Sampling(1.0, 0, 4))
        os.kill(api_of(engine._server), signal.SIGKILL)
        await asyncio.to_thread(until_gone, keeper)
        await engine.generate(PROMPTS[0], Sampling(1.0, 1, 4))

    try:
        with pytest.raises(EngineUnavailable, match=r"the vLLM server has ended; it said last:\n"):
            run(engine, policies[0], until_killed)
    finally:
        engine.close()


def test_a_server_that_cannot_start_is_told_with_its_last_words(tmp_path: Path, chat: ChatFormat) -> None:
    (tmp_path / "config.json").write_text(
        '{"architectures": ["Nobodys"], "model_type": "nobodys", "vocab_size": 9}'
    )
    engine = ServerEngine(tmp_path, SMALL, vocabulary_of(tmp_path, chat))
    try:
        with pytest.raises(EngineUnavailable, match=r"it said last:\n[\s\S]*nobodys"):
            asyncio.run(engine.load(tmp_path))
    finally:
        engine.close()
    assert group(engine._server._keeper.pid) == []


def test_a_missing_folder_is_named(tmp_path: Path, chat: ChatFormat, policies: tuple[Path, Path]) -> None:
    with pytest.raises(EngineUnavailable, match=r"policy '.*/nowhere': no model there \(config\.json is"):
        ServerEngine(tmp_path / "nowhere", SMALL, vocabulary_of(policies[0], chat))
