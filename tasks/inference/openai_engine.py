"""Any number of OpenAI-compatible servers as one engine.

An answer depends on prompt, sampling and weights alone, so a request that an endpoint loses is asked of another with
the same seed, and the run is the same run. `docs/engines.md` tells how servers are started.
"""

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rro.tasks.errors import UserError
from rro.tasks.inference.answers import Vocabulary, completion, request
from rro.tasks.inference.connections import Busy, Down, Refused
from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.inference.endpoint import Endpoint
from rro.tasks.inference.engine import (
    Completion,
    ContextFull,
    EngineUnavailable,
    GenerationFailed,
    Load,
    Sampling,
)
from rro.tasks.inference.fleet import Fleet
from rro.tasks.settings import EngineSettings

log = logging.getLogger(__name__)

AHEAD = 2
"""Requests sent to an endpoint for each sequence it decodes, so that the next one waits there when one ends."""
MOVES = 10
"""How often a request may lose its endpoint: one that brings servers down must not go round for ever."""
IDLE_SECONDS = 0.05
"""Wait between two looks at the load."""
PAUSE_SECONDS = 1.0
"""Wait between two looks at whether anything is answered again."""

_served: dict[tuple[str, ...], Path] = {}
"""The policy that endpoints without `engine.swap` were taken to serve, for as long as this process lasts: engines are
closed for a training, and the policy it makes is not the one they serve."""


class Spent(GenerationFailed):
    """A request's tries are used up."""

    def __init__(self, reason: str, since: float = 0.0) -> None:
        super().__init__(reason)
        self.since = since
        """When the first one failed."""


class EndpointEngine:
    """An `Engine` on the endpoints of `engine.urls`."""

    def __init__(
        self, urls: Sequence[str], settings: EngineSettings, vocabulary: Vocabulary, key: str = ""
    ) -> None:
        self._urls = tuple(urls)
        self._settings = settings
        self._vocabulary = vocabulary
        self._key = key
        self._policy = Path()
        self._fleet: Fleet | None = None
        self._loading: asyncio.Task[None] | None = None
        self._answered: dict[str, float] = {}
        """When each endpoint last gave a completion: one can seem healthy and give none."""
        self._asked = 0.0
        """When the newest request that was answered had been asked."""
        self._stranded = 0
        """Requests that wait until any is answered."""

    async def generate(self, prompt: Sequence[int], sampling: Sampling, session: str = "") -> Completion:
        """Draw one completion, from the session's endpoint if it lives."""
        room = self._settings.max_model_len - len(prompt)
        if room < sampling.max_tokens:
            raise ContextFull(f"{len(prompt)} prompt tokens leave {room} of engine.max_model_len")
        fleet = await self._opened()
        session = session or str(sampling.seed)
        since = 0.0
        while True:
            try:
                return await self._try(fleet, session, prompt, sampling)
            except Spent as spent:
                # Is it this request, or would any fail now? Only the first is the request's own failure.
                since = since or spent.since
                probe = prompt[:1], replace(sampling, max_tokens=1)
                if await self._answers(fleet, session, *probe, since):
                    raise
                await self._outlast(fleet, session, *probe, spent)

    async def stepped(self) -> Load:
        """The load a moment later."""
        await asyncio.sleep(IDLE_SECONDS)
        endpoints = self._fleet.live if self._fleet is not None and not self._stranded else []
        each = self._settings.max_num_seqs
        running = sum(min(endpoint.asked, each) for endpoint in endpoints)
        asked = sum(endpoint.asked for endpoint in endpoints)
        return Load(running=running, waiting=asked - running, room=each * len(endpoints))

    async def load(self, policy: Path) -> None:
        """Let every endpoint take the policy's weights. `UserError` where they serve another and cannot."""
        if self._settings.swap == "none":
            served = _served.setdefault(self._urls, policy)
            if served != policy:
                raise UserError(
                    f"engine.swap = 'none': {', '.join(self._urls)} were taken to serve {served}, and {policy} is "
                    "asked for; set engine.swap = 'vllm', or run this stage alone on endpoints that serve it"
                )
        self._policy, self._loading = policy, None
        await self._opened()

    def close(self) -> None:
        """Give back the connections; the servers go on."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None and not fleet.loop.is_closed():
            fleet.closing = fleet.loop.create_task(fleet.close())

    async def _opened(self) -> Fleet:
        """The fleet of this event loop, with the policy loaded: connections cannot go from one loop to another."""
        loop = asyncio.get_running_loop()
        if self._fleet is None or self._fleet.loop is not loop:
            in_flight = AHEAD * self._settings.max_num_seqs
            endpoints = [Endpoint(url, self._settings, self._key, in_flight) for url in self._urls]
            self._fleet, self._loading = Fleet(endpoints, self._settings.patience), None
        if self._loading is None:
            self._loading = loop.create_task(self._fleet.load(self._policy))
        await asyncio.shield(self._loading)
        return self._fleet

    async def _try(self, fleet: Fleet, session: str, prompt: Sequence[int], sampling: Sampling) -> Completion:
        """Ask until there is an answer, elsewhere after a failure. Raises `Spent` after too many."""
        failures: list[str] = []
        moves: dict[Endpoint, str] = {}
        moved, busy_since, since = 0, 0.0, 0.0
        while len(failures) < self._settings.attempts and moved < MOVES:
            endpoint = await fleet.choose(session, moves)
            try:
                return await self._ask(endpoint, prompt, sampling)
            except Busy as error:
                busy_since = busy_since or time.monotonic()
                answered = self._answered.get(endpoint.url, 0.0)
                self._check_patience(endpoint, max(busy_since, answered), error)
            except Down as error:
                since = since or time.monotonic()
                fleet.fault(endpoint, error)
                moved, moves[endpoint] = moved + 1, str(error)
            except (ContextFull, Refused):
                raise
            except GenerationFailed as error:
                since = since or time.monotonic()
                moves[endpoint] = str(error)
                failures.append(f"{endpoint.url}: {error}")
                log.warning(
                    "generation failed (try %d of %d): %s",
                    len(failures),
                    self._settings.attempts,
                    failures[-1],
                )
        if moved == MOVES:
            reasons = "; ".join(f"{endpoint.url}: {reason}" for endpoint, reason in moves.items())
            raise Spent(f"lost its endpoint {MOVES} times: {reasons}", since)
        raise Spent(
            f"no usable answer in {self._settings.attempts} tries (engine.attempts); the last: {failures[-1]}",
            since,
        )

    async def _answers(
        self, fleet: Fleet, session: str, prompt: Sequence[int], sampling: Sampling, since: float
    ) -> bool:
        """Whether a request asked since then was answered, or this one is: there may be no other."""
        if self._asked <= since:
            endpoint = await fleet.choose(session)
            try:
                await self._ask(endpoint, prompt, sampling)
            except Down as error:
                fleet.fault(endpoint, error)
            except (Busy, GenerationFailed) as error:
                log.info("%s gives no answer yet: %s", endpoint.url, error)
        return self._asked > since

    async def _outlast(
        self, fleet: Fleet, session: str, prompt: Sequence[int], sampling: Sampling, spent: Spent
    ) -> None:
        """Wait until a request is answered again. Raises `EngineUnavailable` when patience ends."""
        self._stranded += 1
        try:
            while time.monotonic() - spent.since < self._settings.patience:
                await asyncio.sleep(PAUSE_SECONDS)
                if await self._answers(fleet, session, prompt, sampling, spent.since):
                    return
        finally:
            self._stranded -= 1
        raise EngineUnavailable(
            f"engine.urls: endpoints live, but none has answered a request for {self._settings.patience:g} s "
            f"(engine.patience): {spent}\n"
            "Mend them, or name others; then the same command goes on with what is finished"
        )

    def _check_patience(self, endpoint: Endpoint, since: float, error: Busy) -> None:
        if time.monotonic() - since > self._settings.patience:
            raise EngineUnavailable(
                f"{endpoint.url} has answered nothing but HTTP 429 (too many requests) for "
                f"{self._settings.patience:g} s (engine.patience); lower engine.max_num_seqs, or ask its "
                "owner for a higher limit"
            ) from error

    async def _ask(self, endpoint: Endpoint, prompt: Sequence[int], sampling: Sampling) -> Completion:
        plain, begun = endpoint.plain, time.monotonic()
        body = request(endpoint.model, prompt, sampling, self._vocabulary, plain)
        try:
            answer = await endpoint.complete(body)
        except Refused as error:
            if plain or not any(
                name in str(error) for name in ("token_ids", "top_k", "min_p", "repetition_penalty")
            ):
                raise
            log.warning("endpoint %s takes OpenAI's own settings only: %s", endpoint.url, error)
            endpoint.plain = True
            return await self._ask(endpoint, prompt, sampling)
        read = completion(answer, prompt, sampling, self._vocabulary)
        self._answered[endpoint.url] = time.monotonic()
        self._asked = max(self._asked, begun)
        return read


def vocabulary_of(policy: Path, chat: ChatFormat) -> Vocabulary:
    """What is needed to read answers of servers that speak with this policy's tokens."""
    try:
        config = json.loads((policy / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineUnavailable(
            f"policy {str(policy)!r}: its config.json cannot be read ({error})"
        ) from error
    size = config.get("vocab_size") or config.get("text_config", {}).get("vocab_size")
    return Vocabulary(size or chat.vocabulary, chat.quote, chat.stop_texts)
