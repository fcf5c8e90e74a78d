"""One OpenAI-compatible server as a client sees it: what it is asked, its health, the weights it holds."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from rro.tasks.errors import UserError
from rro.tasks.inference.connections import CONNECT_SECONDS, Busy, Connections, Down, Reply, fail
from rro.tasks.inference.engine import EngineUnavailable
from rro.tasks.settings import EngineSettings

LOAD_SECONDS = 600.0
"""Longest wait for weights to be read from a shared folder."""
EXTENSION = "rro.tasks.inference.worker.PolicyWeights"


class Endpoint:
    """One URL. Belongs to the event loop it was made in, as its connections do."""

    def __init__(self, url: str, settings: EngineSettings, key: str, in_flight: int) -> None:
        self.url = url
        self.live = False
        self.plain = False
        """Whether the server refused what OpenAI's own API does not know."""
        self.model = settings.model
        self.asked = 0
        """Requests that are sent or wait for room."""
        self.faults = 0
        """Failures since the last answer."""
        self.reason = "not asked yet"
        """Why it is not live."""
        self.heard = time.monotonic()
        self.entering = asyncio.Lock()
        self._settings = settings
        self._free_at = 0.0
        self._room = asyncio.Semaphore(in_flight)
        self._requests: set[asyncio.Task[Any]] = set()
        # One place more than requests, for looks at its health.
        self._connections = Connections(url, key, in_flight + 1)

    async def complete(self, body: dict[str, Any]) -> Any:
        """The parsed answer of POST /v1/completions."""
        self.asked += 1
        try:
            async with self._room:
                if (wait := self._free_at - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                if not self.live:  # It may have gone down while this waited.
                    raise Down(self.reason, at_once=True)
                answer = await self._unless_taken_out(self._post("/v1/completions", body))
        finally:
            self.asked -= 1
        self.faults, self.heard = 0, time.monotonic()
        return answer

    def take_out(self, reason: str) -> None:
        """Ask it nothing more; what it was asked is `Down` and goes elsewhere at once."""
        self.live, self.reason = False, reason
        for asking in self._requests:
            asking.cancel()

    async def enter(self, policy: Path) -> None:
        """Make sure that it is alive, serves the model and holds the policy's weights. `Down` or `UserError`."""
        health = await self._look("/health")
        if health.status not in (200, 404, 405):  # vLLM and SGLang know /health, hosted APIs need not.
            self._fail(health)
        await self._choose_model()
        if self._settings.swap == "vllm":
            await self._load(policy)
        self.faults, self.heard = 0, time.monotonic()

    async def close(self) -> None:
        """Give back the connections."""
        await self._connections.aclose()

    async def _choose_model(self) -> None:
        answer = await self._look("/v1/models")
        if answer.status == 404 and self._settings.model:
            return
        if answer.status != 200:
            self._fail(answer)
        body = answer.json()
        listed = body.get("data") if isinstance(body, dict) else None
        if not isinstance(listed, list) or not all(isinstance(one, dict) and "id" in one for one in listed):
            raise EngineUnavailable(
                f"{self.url}: /v1/models lists no models; is it an OpenAI-compatible server?"
            )
        models = {str(one["id"]): one for one in listed}
        wanted, known = self._settings.model, ", ".join(models) or "none"
        if not wanted and len(models) != 1:
            raise UserError(
                f"engine.model is not set and {self.url} lists {len(models)} models: {known}; name one"
            )
        self.model = wanted or next(iter(models))
        if self.model not in models:
            raise UserError(f"engine.model = {wanted!r}: {self.url} has no such model; known: {known}")
        context = models[self.model].get("max_model_len")
        if type(context) is int and context < self._settings.max_model_len:
            raise UserError(
                f"engine.max_model_len = {self._settings.max_model_len}: {self.url} reads at most {context} tokens; "
                "lower it, or start the server with a larger --max-model-len"
            )

    async def _load(self, policy: Path) -> None:
        folder = {"folder": str(policy)}
        known, kept = await self._call("load_policy", folder)
        if not known:
            await self._refuse_cpu()
            await self._call("reload_weights", {"weights_path": str(policy)}, needed=True)
        if not (kept and all(kept)):
            answer = await self._post("/reset_prefix_cache?reset_running_requests=true", None)
            if not isinstance(answer, dict) or answer.get("success") is not True:
                raise Down("it did not forget its cached prefixes")

    async def _call(
        self, method: str, arguments: dict[str, str], needed: bool = False
    ) -> tuple[bool, list[Any]]:
        """Whether every worker of the server knows the method, and what each returned."""
        body = {"method": method, "kwargs": arguments, "timeout": LOAD_SECONDS}
        answer = await self._connections.send("POST", "/collective_rpc", body, LOAD_SECONDS)
        if answer.status == 404:
            raise EngineUnavailable(
                f"engine.swap = 'vllm': {self.url} cannot take other weights; start it with VLLM_SERVER_DEV_MODE=1 "
                "in its environment, or set engine.swap = 'none' if it serves the policy already"
            )
        if answer.status == 200:
            results = answer.json()
            return True, results.get("results", []) if isinstance(results, dict) else []
        if not needed and f"no attribute '{method}'" in answer.said:
            return False, []
        if answer.status == 500:
            raise EngineUnavailable(
                f"{self.url} could not load the weights in {', '.join(arguments.values())}: {answer.said}; the folder "
                "must be there under the same path for server and client, and the model be of the architecture that "
                "the server started with"
            )
        self._fail(answer)

    async def _refuse_cpu(self) -> None:
        """vLLM's own reload is wrong on a CPU where output layer and embedding share their weights."""
        path = "/server_info?config_format=json"
        info = (await self._connections.send("GET", path, None, LOAD_SECONDS)).json()
        said = "does not tell whether it generates on a CPU"
        with suppress(KeyError, TypeError):
            if info["vllm_config"]["device_config"]["device"] != "cpu":
                return
            said = "generates on a CPU"
        raise EngineUnavailable(
            f"engine.swap = 'vllm': {self.url} {said}, where vLLM's own reload forgets the output layer; "
            f"start it with --worker-extension-cls {EXTENSION}"
        )

    async def _unless_taken_out(self, work: Coroutine[Any, Any, Any]) -> Any:
        asking = asyncio.ensure_future(work)
        self._requests.add(asking)
        try:
            return await asking
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.live or (task and task.cancelling()):
                raise
            raise Down(self.reason) from None
        finally:
            self._requests.discard(asking)

    async def _look(self, path: str) -> Reply:
        return await self._connections.send("GET", path, None, CONNECT_SECONDS)

    async def _post(self, path: str, body: Any) -> Any:
        answer = await self._connections.send("POST", path, body, self._settings.timeout)
        if answer.status != 200:
            self._fail(answer)
        return answer.json()

    def _fail(self, answer: Reply) -> NoReturn:
        try:
            fail(self.url, answer, self._settings.api_key_env)
        except Busy as error:
            self._free_at = time.monotonic() + error.seconds
            raise
