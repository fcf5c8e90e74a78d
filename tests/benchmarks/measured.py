"""What can be measured of an exploration without a GPU: the Python that one request costs its client.

Walks are real (the bundled shop, pages as upstream writes them), their engine is not: it answers at once, with the
scripted expert's next action or another. Seconds are processor seconds of this process, but for DuckDB's and Prefect's.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

import httpx

from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from rro.tasks.exploration.explore import Pool
from rro.tasks.exploration.origin import Origin, Rows
from rro.tasks.exploration.play import demonstrate, first_message
from rro.tasks.exploration.policy import Draw, EnginePolicy, History
from rro.tasks.exploration.rows import walk_rows
from rro.tasks.exploration.walk import Walk, Walker
from rro.tasks.inference.answers import Vocabulary
from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.inference.engine import Completion, Load, Sampling
from rro.tasks.inference.openai_engine import EndpointEngine
from rro.tasks.settings import EngineSettings, ExploreSettings
from rro.tasks.training.base_model import train_tokenizer
from tests.benchmarks.workloads import ACTION

RUN = "scaling"
TASKS = 40
OTHERS = ("click[back to search]", "click[next >]", "search[a blue one]", "click[description]")
WANDERS = 0.2
"""How often the scripted policy does something else."""
TOGETHER = 32
"""Requests in flight, few enough for connections to be used again before they close."""
SERVER = """
import json, sys, uvicorn

async def app(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = {"data": [{"id": "base", "max_model_len": 8192}]}
    if scope["path"] == "/v1/completions":
        prompt, drawn = json.loads(body)["prompt"], [7] * 45 + [2]
        choice = {"index": 0, "text": "", "finish_reason": "stop", "token_ids": drawn, "prompt_token_ids": prompt}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(drawn)}
        answer = {"choices": [choice], "usage": usage}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", lifespan="off")
"""
Figure = tuple[str, float, str]
"""Name, value, unit."""


class Ready:
    """An engine that has its answer already."""

    def __init__(self) -> None:
        self.answer: tuple[int, ...] = ()
        self.asked = 0

    async def generate(self, prompt: Sequence[int], sampling: Sampling, session: str = "") -> Completion:
        self.asked += 1
        return Completion(self.answer, "stop", len(self.answer), len(prompt), len(prompt))

    async def stepped(self) -> Load:
        await asyncio.sleep(0)
        return Load(1, 0, 256)

    async def load(self, policy: Path) -> None:
        pass

    def close(self) -> None:
        pass


class Shopper(EnginePolicy):
    """Does what the expert did at this point of the task, most of the time."""

    def __init__(self, engine: Ready, chat: ChatFormat, experts: dict[str, list[str]]) -> None:
        super().__init__("shopper", engine, chat, 64)
        self._ready = engine
        self._experts = experts
        self._said = {action: chat.quote(action) for listed in experts.values() for action in listed}
        self._said |= {action: chat.quote(action) for action in OTHERS}

    async def draw(self, history: History, temperature: float, seed: int) -> Draw:
        random, done = Random(seed), len(history.messages) // 2
        listed = self._experts[history.session]
        action = listed[min(done, len(listed) - 1)]
        self._ready.answer = self._said[random.choice(OTHERS) if random.random() < WANDERS else action]
        return await super().draw(history, temperature, seed)


@dataclass
class Explored:
    """Some walks of the shop."""

    tasks: int = TASKS
    seconds: float = 0.0
    requests: int = 0

    @cached_property
    def walks(self) -> list[Walk]:
        shop = WebShop(ShopOptions())
        chosen = shop.tasks("train")[: self.tasks]
        experts = {}
        for number, task in enumerate(chosen):
            played = demonstrate(shop, shop.expert(number, shop.ExpertOptions()), task)
            experts[first_message(shop, shop.start(task).observation)] = played.actions
        texts = [*experts, *(action for listed in experts.values() for action in listed)]
        engine = Ready()
        policy = Shopper(engine, ChatFormat(train_tokenizer(texts, 1536)), experts)
        walker = Walker(shop, policy, policy, SETTINGS, 0)

        async def all_of_them() -> list[Walk]:
            pool: Pool[Walk] = Pool(walker.walk, lambda walk: None, policy.stepped)
            pool.start({"all": chosen})
            return await pool.shard("all")

        began = time.process_time()
        walks = asyncio.run(all_of_them())
        self.seconds, self.requests = time.process_time() - began, engine.asked
        return walks

    @cached_property
    def rows(self) -> Rows:
        """Their rows, with a thought before every action, as a ReAct policy writes them."""
        rows = walk_rows(self.walks, ORIGIN, SETTINGS)
        words = " ".join(row["observation"] for row in rows["candidates"]).split()
        random = Random(0)

        def thought(action: str) -> str:
            missing = ACTION - len(action) - len("Thought: \nAction: ")
            return f"Thought: {' '.join(random.choices(words, k=60))[: max(0, missing)]}\nAction: {action}"

        for row in [*rows["candidates"], *rows["steps"]]:
            row["action"] = row["action"] and thought(row["action"])
        for row in rows["rollouts"]:
            row["actions"] = [thought(action) for action in row["actions"]]
        return rows


SETTINGS = ExploreSettings()
ORIGIN = Origin(RUN, 1, "rising", "shopper", "webshop", "shopper")


def machine() -> Iterator[Figure]:
    """How fast this machine is at Python, to compare its figures with another's."""
    total, began = 0, time.process_time()
    for number in range(2_000_000):
        total += number * number
    yield "2,000,000 sums of squares", time.process_time() - began, "s"


def walking(explored: Explored) -> Iterator[Figure]:
    """Python of the walk, without engine and HTTP."""
    walks = explored.walks
    yield "requests a task", explored.requests / len(walks), ""
    yield "walk, one request", 1e3 * explored.seconds / explored.requests, "ms"


def asking(prompt_tokens: int, requests: int = 1000) -> Iterator[Figure]:
    """Python of one request over HTTP, to a server in another process that answers at once."""
    prompts = [[5 + (number * 7 + place) % 300 for place in range(prompt_tokens)] for number in range(50)]
    with _server() as url:
        settings = EngineSettings(kind="endpoints", urls=[url], swap="none", max_model_len=8192)
        engine = EndpointEngine(settings.urls, settings, Vocabulary(380, lambda text: (), ()))

        async def ask(numbers: Iterator[int]) -> None:
            for number in numbers:
                await engine.generate(prompts[number % 50], Sampling(1.0, number, 64, (2,)), str(number % 50))

        async def seconds(count: int) -> float:
            numbers, began = iter(range(count)), time.process_time()
            await asyncio.gather(*(ask(numbers) for _ in range(TOGETHER)))
            return time.process_time() - began

        async def measured() -> float:
            await engine.load(Path("/policies/one"))
            await seconds(TOGETHER)  # Connects.
            spent = await seconds(requests)
            engine.close()
            await asyncio.sleep(0.1)
            return spent

        yield f"HTTP, one request of {prompt_tokens} tokens", 1e3 * asyncio.run(measured()) / requests, "ms"


@contextmanager
def _server() -> Iterator[str]:
    port = 20_000 + Random().randrange(20_000)
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{url}/health", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()
