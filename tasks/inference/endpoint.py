"""One OpenAI-compatible server as a client sees it: its requests, its health, the weights it holds.

Failures are told apart by whose they are: the endpoint's (`Down`, the request goes elsewhere), the rate limit's
(`Busy`), the request's own (`ContextFull`, `Refused`), the answer's (`GenerationFailed`), the user's (`UserError`).
"""

import asyncio
import email.utils
import functools
import json
import math
import ssl
import time
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import httpx

from rro.tasks.errors import UserError
from rro.tasks.inference.engine import ContextFull, EngineUnavailable, GenerationFailed
from rro.tasks.settings import EngineSettings

CONNECT_SECONDS = 30.0
"""For a connection, and for a look at its health. An address that gives none is out as soon as one that refuses;
thousands of connections at once take a busy machine seconds."""
LANE = 32
"""Connections of one httpx client. At every request it searches all that it has: with 2,000 in one client that took
four fifths of this process's time."""
KEEP_ALIVE_SECONDS = 2.0
"""uvicorn, and so vLLM, hangs up after 5 idle seconds; a request sent at that moment would be lost."""
ANSWER_BYTES = 16 * 2**20
"""Longest answer that is read: far more than a model can say, far less than memory."""
LOAD_SECONDS = 600.0
"""Longest wait for weights to be read from a shared folder."""
BACK_OFF_SECONDS = 1.0
"""Wait after HTTP 429 where the server names no time, and longest where it names one."""
LONGEST_BACK_OFF = 120.0
TOO_LONG = ("context length", "max_model_len", "context_length_exceeded", "maximum sequence length")
"""Words by which servers refuse a prompt for its length."""
EXTENSION = "rro.tasks.inference.worker.PolicyWeights"


class Down(Exception):
    """The endpoint gave no answer, or said that it cannot; any other may."""

    def __init__(self, reason: str, at_once: bool = False) -> None:
        super().__init__(reason)
        self.at_once = at_once
        """Whether one such failure is enough to take the endpoint out."""


class Busy(Exception):
    """HTTP 429: ask again after some seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"busy for {seconds:.1f} s")
        self.seconds = seconds


class Refused(GenerationFailed):
    """The server will not answer this prompt, however often it is asked."""


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
        self._key = key
        self._free_at = 0.0
        self._room = asyncio.Semaphore(in_flight)
        self._requests: set[asyncio.Task[Any]] = set()
        self._lanes = [self._client() for _ in range(math.ceil((in_flight + 1) / LANE))]
        # One for each place in the room, and one for looks at its health; the one given back last goes first, since
        # its connection is still open.
        self._free = [lane for lane in self._lanes for _ in range(LANE)]

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url,
            headers={
                "Accept-Encoding": "identity",
                **({"Authorization": f"Bearer {self._key}"} if self._key else {}),
            },
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE_SECONDS),
            verify=_certificates() if self.url.startswith("https:") else False,
            trust_env=httpx.URL(self.url).host not in ("127.0.0.1", "localhost", "::1"),
        )

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
        health = await self._get("/health")
        if health.status_code not in (200, 404, 405):  # SGLang and vLLM know /health, hosted APIs need not.
            self._not_ok(health)
        await self._choose_model()
        if self._settings.swap == "vllm":
            await self._load(policy)
        self.faults, self.heard = 0, time.monotonic()

    async def close(self) -> None:
        """Give back the connections."""
        await asyncio.gather(*(lane.aclose() for lane in self._lanes))

    async def _choose_model(self) -> None:
        answer = await self._get("/v1/models")
        if answer.status_code == 404 and self._settings.model:
            return
        if answer.status_code != 200:
            self._not_ok(answer)
        body = _parsed(answer.content)
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
            await self._call("reload_weights", {"weights_path": str(policy)})
        if not (kept and all(kept)):
            answer = await self._post("/reset_prefix_cache?reset_running_requests=true", None)
            if not isinstance(answer, dict) or answer.get("success") is not True:
                raise Down("it did not forget its cached prefixes")

    async def _call(self, method: str, arguments: dict[str, str]) -> tuple[bool, list[Any]]:
        """Whether every worker of the server knows the method, and what each returned."""
        body = {"method": method, "kwargs": arguments, "timeout": LOAD_SECONDS}
        answer = await self._send("POST", "/collective_rpc", body, LOAD_SECONDS)
        if answer.status_code == 404:
            raise EngineUnavailable(
                f"engine.swap = 'vllm': {self.url} cannot take other weights; start it with VLLM_SERVER_DEV_MODE=1 "
                "in its environment, or set engine.swap = 'none' if it serves the policy already"
            )
        if answer.status_code == 200:
            results = _parsed(answer.content)
            return True, results.get("results", []) if isinstance(results, dict) else []
        said = self._said(answer)
        if "has no attribute" in said:
            return False, []
        if answer.status_code == 500:
            raise EngineUnavailable(
                f"{self.url} could not load the weights in {arguments}: {said}; the folder must be there under the "
                "same path for server and client, and the model be of the architecture that the server started with"
            )
        self._not_ok(answer)

    async def _refuse_cpu(self) -> None:
        """vLLM's own reload is wrong on a CPU where output layer and embedding share their weights."""
        info = _parsed(
            (await self._send("GET", "/server_info?config_format=json", None, LOAD_SECONDS)).content
        )
        with suppress(KeyError, TypeError):
            if info["vllm_config"]["device_config"]["device"] != "cpu":
                return
        raise EngineUnavailable(
            f"engine.swap = 'vllm': {self.url} generates on a CPU, where vLLM's own reload forgets the output layer; "
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

    async def _get(self, path: str) -> httpx.Response:
        return await self._send("GET", path, None, CONNECT_SECONDS)

    async def _post(self, path: str, body: Any) -> Any:
        answer = await self._send("POST", path, body, self._settings.timeout)
        if answer.status_code != 200:
            self._not_ok(answer)
        return _parsed(answer.content)

    async def _send(self, method: str, path: str, body: Any, seconds: float) -> httpx.Response:
        """One answer, read up to a limit. Raises `Down` where there is none."""
        lane = self._free.pop()
        try:
            timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=None)
            async with lane.stream(method, path, json=body, timeout=timeout) as answer:
                read = bytearray()
                async for piece in answer.aiter_raw():
                    read += piece
                    if len(read) > ANSWER_BYTES:
                        raise GenerationFailed(f"an answer of more than {ANSWER_BYTES >> 20} MiB")
                return httpx.Response(answer.status_code, headers=_plain(answer.headers), content=bytes(read))
        except httpx.ConnectTimeout:
            raise Down(f"no connection within {CONNECT_SECONDS:g} s", at_once=True) from None
        except httpx.ConnectError as error:
            raise Down(str(error) or "no connection", at_once=True) from None
        except httpx.TimeoutException:
            raise Down(f"no answer within {seconds:g} s (engine.timeout)") from None
        except httpx.TransportError as error:
            raise Down(str(error) or type(error).__name__) from None
        finally:
            self._free.append(lane)

    def _not_ok(self, answer: httpx.Response) -> NoReturn:
        """Raise what a status other than 200 means."""
        status = answer.status_code
        if status in (401, 403):
            raise EngineUnavailable(
                f"{self.url} refuses the API key (HTTP {status}): put the right one into the environment variable "
                f"{self._settings.api_key_env} (engine.api_key_env), or name a Prefect Secret block that holds it "
                "(engine.api_key_secret)"
            )
        if status == 429:
            self._free_at = time.monotonic() + (seconds := _retry_after(answer.headers.get("retry-after")))
            raise Busy(seconds)
        said = f"HTTP {status}: {self._said(answer)}"
        if status in (400, 413, 422):
            if any(words in said for words in TOO_LONG):
                raise ContextFull(f"{self.url}: {said}")
            raise Refused(f"{self.url}: {said}")
        raise Down(said, at_once=status == 404)

    def _said(self, answer: httpx.Response) -> str:
        """The beginning of what a server said, on one line, without the key should it repeat it."""
        text = " ".join(answer.content[:2000].decode(errors="replace").split())
        return (text.replace(self._key, "***") if self._key else text)[:300]


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Read once: it takes longer than a request."""
    return httpx.create_ssl_context()


def _plain(headers: httpx.Headers) -> httpx.Headers:
    """The headers that are read here; those of an encoding would be applied to the body."""
    return httpx.Headers({name: value for name, value in headers.items() if name == "retry-after"})


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise GenerationFailed(f"the answer is not JSON: {content[:60]!r}") from None


def _retry_after(value: str | None) -> float:
    """Seconds from a Retry-After header, which holds seconds or a date."""
    with suppress(ValueError, TypeError):
        if value and value.strip().replace(".", "", 1).isdigit():
            return min(float(value), LONGEST_BACK_OFF)
        wait = (email.utils.parsedate_to_datetime(value or "") - datetime.now(UTC)).total_seconds()
        return min(max(wait, 0.0), LONGEST_BACK_OFF)
    return BACK_OFF_SECONDS
