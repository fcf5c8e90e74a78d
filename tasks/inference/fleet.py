"""Which of several endpoints a request goes to: the same one for a session, a live one always.

Rendezvous hashing: every session ranks all endpoints, and takes the first that lives. One that goes down moves only
its own sessions; when it comes back, they come back.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from rro.tasks.errors import UserError
from rro.tasks.inference.connections import Busy, Down
from rro.tasks.inference.endpoint import Endpoint
from rro.tasks.inference.engine import EngineUnavailable, GenerationFailed

log = logging.getLogger(__name__)

FAULTS = 3
"""Failures in a row that take an endpoint out; a refused connection does at once."""
PROBE_SECONDS = 1.0
"""Wait between two looks at an endpoint that is out."""
QUIET_SECONDS = 10.0
"""Silence after which an endpoint must show again what it holds: a server can be started anew in that time, with the
weights it was started with."""


class Fleet:
    """The endpoints of one engine, in one event loop."""

    def __init__(self, endpoints: Sequence[Endpoint], patience: float) -> None:
        self.endpoints = endpoints
        self.loop = asyncio.get_running_loop()
        self._patience = patience
        self._policy = Path()
        self._alive = asyncio.Event()
        self._probes: dict[str, asyncio.Task[None]] = {}
        self.closing: asyncio.Task[None] | None = None
        """Kept here, since the loop itself holds tasks weakly."""

    @property
    def live(self) -> list[Endpoint]:
        """Those that can be asked."""
        return [endpoint for endpoint in self.endpoints if endpoint.live]

    async def load(self, policy: Path) -> None:
        """Let every endpoint that can be reached take the weights; the others take them when they come back.

        Raises `UserError` where one serves another model or refuses the key, and where none lives.
        """
        self._policy = policy
        entered = await asyncio.gather(*map(self._enter, self.endpoints), return_exceptions=True)
        for endpoint, error in zip(self.endpoints, entered, strict=True):
            if isinstance(error, UserError) or (
                error and not isinstance(error, (Down, Busy, GenerationFailed))
            ):
                raise error
            if error is not None:
                self._out(endpoint, str(error))
        await self._somebody()

    async def choose(self, session: str, avoid: Collection[Endpoint] = ()) -> Endpoint:
        """The live endpoint that the session ranks first; one of `avoid` only where no other lives."""
        while True:
            await self._somebody()
            ranked = ranking(session, (endpoint.url for endpoint in self.endpoints))
            endpoint = max(self.live, key=lambda one: (one not in avoid, ranked[one.url]))
            if endpoint.asked or time.monotonic() - endpoint.heard < QUIET_SECONDS:
                return endpoint
            await self._confirm(endpoint)

    def fault(self, endpoint: Endpoint, error: Down) -> None:
        """Count a failure, and take the endpoint out where it is one too many."""
        endpoint.faults += 1
        if endpoint.live and (error.at_once or endpoint.faults >= FAULTS):
            self._out(endpoint, str(error))

    async def close(self) -> None:
        """Stop looking, and give back the connections."""
        for probe in self._probes.values():
            probe.cancel()
        await asyncio.gather(*(endpoint.close() for endpoint in self.endpoints))

    async def _enter(self, endpoint: Endpoint) -> None:
        async with endpoint.entering:
            await endpoint.enter(self._policy)
            endpoint.live = True
            self._alive.set()

    async def _confirm(self, endpoint: Endpoint) -> None:
        async with endpoint.entering:
            if not endpoint.live or time.monotonic() - endpoint.heard < QUIET_SECONDS:
                return
            try:
                await endpoint.enter(self._policy)
            except (Down, Busy, GenerationFailed, UserError) as error:
                self._out(endpoint, str(error))

    def _out(self, endpoint: Endpoint, reason: str) -> None:
        endpoint.take_out(reason)
        if not self.live:
            self._alive.clear()
        if endpoint.url not in self._probes:
            log.warning("endpoint %s is out: %s", endpoint.url, reason)
            self._probes[endpoint.url] = asyncio.create_task(self._probe(endpoint))

    async def _probe(self, endpoint: Endpoint) -> None:
        while not endpoint.live:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                await self._enter(endpoint)
            except (Down, Busy, GenerationFailed, UserError) as error:
                endpoint.reason = str(error)
        log.warning("endpoint %s is back", endpoint.url)
        del self._probes[endpoint.url]

    async def _somebody(self) -> None:
        """Wait until one lives. Raises `EngineUnavailable` when patience ends."""
        if self._alive.is_set():
            return
        try:
            await asyncio.wait_for(self._alive.wait(), self._patience)
        except TimeoutError:
            reasons = "\n".join(f"- {endpoint.url}: {endpoint.reason}" for endpoint in self.endpoints)
            raise EngineUnavailable(
                f"engine.urls: no endpoint has answered for {self._patience:g} s (engine.patience):\n{reasons}\n"
                "Start them, or name others; then the same command goes on with what is finished"
            ) from None


def ranking(session: str, urls: Iterable[str]) -> dict[str, bytes]:
    """A rank for each URL that depends on nothing but session and URL."""
    return {url: hashlib.blake2b(f"{session}\x1f{url}".encode(), digest_size=8).digest() for url in urls}
