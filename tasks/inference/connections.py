"""HTTP to one server: thousands of requests at once, and every failure told apart by whose it is.

The endpoint's (`Down`, the request goes elsewhere), the rate limit's (`Busy`), the request's own (`ContextFull`,
`Refused`), the answer's (`GenerationFailed`), the user's (`EngineUnavailable`). No message holds the API key.
"""

import email.utils
import functools
import json
import math
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

import httpx

from rro.tasks.inference.engine import ContextFull, EngineUnavailable, GenerationFailed

CONNECT_SECONDS = 30.0
"""For a connection, and for a look at a server's health. An address that gives none is out as soon as one that refuses;
thousands of connections at once take a busy machine seconds."""
LANE = 32
"""Connections of one httpx client. At every request it searches all that it has: 2,000 requests in flight through one
client took this process 2.4 times as long as through many, 2,000 through 256 connections 2.3 times."""
KEEP_ALIVE_SECONDS = 2.0
"""uvicorn, and so vLLM, hangs up after 5 idle seconds; a request sent at that moment would be lost."""
ANSWER_BYTES = 16 * 2**20
"""Longest answer that is read: far more than a model can say, far less than memory."""
UNIX = "unix:"
"""Begins the address of a socket on this machine."""
BACK_OFF_SECONDS = 1.0
"""Wait after HTTP 429 where the server names no time."""
LONGEST_BACK_OFF = 120.0
TOO_LONG = ("context length", "max_model_len", "context_length_exceeded", "maximum sequence length")
"""Words by which servers refuse a prompt for its length."""


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


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said."""

    status: int
    content: bytes
    retry_after: str | None
    secret: str = field(repr=False)
    """The API key, which some servers repeat."""

    @property
    def said(self) -> str:
        """Its beginning, on one line and without the key."""
        text = " ".join(self.content[:2000].decode(errors="replace").split())
        return (text.replace(self.secret, "***") if self.secret else text)[:300]

    def json(self) -> Any:
        """The content as values. `GenerationFailed` where it is no JSON."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            raise GenerationFailed(f"the answer is not JSON: {self.said[:60]!r}") from None


class Connections:
    """Connections to one URL, for as many requests at once as there are `places`.

    The URL may be `unix:` and the path of a socket: a server of our own listens on one (`server.py`).
    """

    def __init__(self, url: str, key: str, places: int) -> None:
        self._url = url
        self._key = key
        lanes = [self._client() for _ in range(math.ceil(places / LANE))]
        self._lanes = lanes
        # The one given back last goes first, since its connection is still open.
        self._free = [lane for lane in lanes for _ in range(LANE)]

    async def send(self, method: str, path: str, body: Any, seconds: float) -> Reply:
        """One answer, read up to a limit. Raises `Down` where there is none within `seconds`."""
        lane = self._free.pop()
        try:
            timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=None)
            async with lane.stream(method, path, json=body, timeout=timeout) as answer:
                read = bytearray()
                async for piece in answer.aiter_raw():
                    read += piece
                    if len(read) > ANSWER_BYTES:
                        raise GenerationFailed(f"an answer of more than {ANSWER_BYTES >> 20} MiB")
                return Reply(answer.status_code, bytes(read), answer.headers.get("retry-after"), self._key)
        except httpx.ConnectTimeout:
            raise Down(f"no connection within {CONNECT_SECONDS:g} s", at_once=True) from None
        except httpx.ConnectError as error:
            raise Down(str(error) or "no connection", at_once=True) from None
        except httpx.TimeoutException:
            raise Down(f"no answer within {seconds:g} s") from None
        except httpx.TransportError as error:
            raise Down(str(error) or type(error).__name__) from None
        finally:
            self._free.append(lane)

    async def aclose(self) -> None:
        """Close them all."""
        for lane in self._lanes:
            await lane.aclose()

    def _client(self) -> httpx.AsyncClient:
        secret = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        headers = {"Accept-Encoding": "identity", **secret}
        limits = httpx.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE_SECONDS)
        if self._url.startswith(UNIX):
            socket = httpx.AsyncHTTPTransport(uds=self._url.removeprefix(UNIX), limits=limits)
            return httpx.AsyncClient(
                base_url="http://server", headers=headers, transport=socket, trust_env=False
            )
        return httpx.AsyncClient(
            base_url=self._url,
            headers=headers,
            limits=limits,
            verify=_certificates() if self._url.startswith("https:") else False,
            trust_env=httpx.URL(self._url).host not in ("127.0.0.1", "localhost", "::1"),
        )


def fail(url: str, reply: Reply, key_from: str) -> NoReturn:
    """Raise what a status other than 200 means; `key_from` names the variable that holds the key."""
    status, said = reply.status, f"HTTP {reply.status}: {reply.said}"
    if status in (401, 403):
        raise EngineUnavailable(
            f"{url} refuses the API key (HTTP {status}): put the right one into the environment variable "
            f"{key_from} (engine.api_key_env), or name a Prefect Secret block that holds it (engine.api_key_secret)"
        )
    if status == 429:
        raise Busy(seconds_to_wait(reply.retry_after))
    if status in (400, 413, 422):
        raise (ContextFull if any(words in said for words in TOO_LONG) else Refused)(f"{url}: {said}")
    raise Down(said, at_once=status == 404)


def seconds_to_wait(retry_after: str | None) -> float:
    """Seconds from a Retry-After header, which holds seconds or a date."""
    with suppress(ValueError, TypeError):
        if retry_after and retry_after.strip().replace(".", "", 1).isdigit():
            return min(float(retry_after), LONGEST_BACK_OFF)
        wait = (email.utils.parsedate_to_datetime(retry_after or "") - datetime.now(UTC)).total_seconds()
        return min(max(wait, 0.0), LONGEST_BACK_OFF)
    return BACK_OFF_SECONDS


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Read once: it takes longer than a request."""
    return httpx.create_ssl_context()
