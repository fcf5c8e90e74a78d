"""vLLM in this process: one engine that every coroutine shares.

`step` runs in the event loop itself. Between two steps, everyone who was answered gets the chance to ask
again, so each batch is as full as the walk allows and, given the same requests in the same order, the same
from run to run. On a CPU the notes in `docs/log.md` explain the engine arguments.
"""

import asyncio
import itertools
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rro.tasks.inference.engine import (
    Completion,
    ContextFull,
    EngineUnavailable,
    GenerationFailed,
    Load,
    Sampling,
)
from rro.tasks.inference.vllm_arguments import engine_arguments
from rro.tasks.inference.worker import pack_tied_head
from rro.tasks.process import cpu_threads
from rro.tasks.settings import EngineSettings

log = logging.getLogger(__name__)

SETTLE = 12
"""Turns of the event loop between two steps: more than the longest chain of awaits from an answer to the
next request (a rollout's answer, `gather`, the walk, the next draw)."""

IDLE = 0.01
"""Seconds between two looks at an engine that has nothing to do."""


class VllmEngine:
    """An `Engine` on vLLM's own scheduler, without a server."""

    def __init__(self, policy: Path, settings: EngineSettings) -> None:
        if not (policy / "config.json").is_file():
            raise EngineUnavailable(f"policy {str(policy)!r}: no model there (config.json is missing)")
        self._settings = settings
        self._llm = _start(policy, settings)
        self._ids = itertools.count()
        self._waiting: dict[str, asyncio.Future[Completion]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._step: asyncio.Future[None] | None = None

    async def generate(self, prompt: Sequence[int], sampling: Sampling, session: str = "") -> Completion:
        """Draw one completion; aborted generations are tried again, with the same seed."""
        room = self._settings.max_model_len - len(prompt)
        if room < sampling.max_tokens:
            raise ContextFull(f"{len(prompt)} prompt tokens leave {room} of engine.max_model_len")
        for attempt in range(self._settings.attempts):
            try:
                return await self._submit(prompt, sampling)
            except GenerationFailed as error:
                log.warning(
                    "generation failed (try %d of %d): %s", attempt + 1, self._settings.attempts, error
                )
        raise GenerationFailed(f"no usable answer in {self._settings.attempts} tries (engine.attempts)")

    async def stepped(self) -> Load:
        """The load after the next step, or soon where nothing is asked for."""
        if self._pump is None or self._pump.done():
            await asyncio.sleep(IDLE)
        else:
            self._step = self._step or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._step)
        return self._load()

    async def load(self, policy: Path) -> None:
        """Swap the weights in place; same architecture and vocabulary only."""
        assert not self._waiting, "weights cannot be swapped under running generations"
        self._llm.collective_rpc("reload_weights", kwargs={"weights_path": str(policy)})
        self._llm.apply_model(pack_tied_head)
        self._llm.reset_prefix_cache()

    def close(self) -> None:
        """Drop the engine; its memory goes back when the last reference does."""
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        if hasattr(self, "_llm"):
            self._llm.engine_core.shutdown()
            del self._llm

    def _load(self) -> Load:
        scheduler = self._llm.engine_core.engine_core.scheduler
        running, waiting = scheduler.get_request_counts()
        return Load(
            running=running,
            waiting=waiting,
            room=self._settings.max_num_seqs,
            cache_used=scheduler.kv_cache_manager.usage,
            preempted=sum(request.num_preemptions for request in scheduler.requests.values()),
        )

    async def _submit(self, prompt: Sequence[int], sampling: Sampling) -> Completion:
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind

        name = str(next(self._ids))
        params = SamplingParams(
            temperature=sampling.temperature,
            seed=sampling.seed,
            max_tokens=sampling.max_tokens,
            stop_token_ids=list(sampling.stop_token_ids),
            detokenize=False,
            skip_clone=True,  # Nobody else holds it; vLLM would copy it deeply for every request.
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        self._llm.add_request(name, tokens_input(list(prompt)), params)
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting[name] = answer
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        try:
            return await answer
        finally:
            # Still there only where whoever asked was cancelled.
            if self._waiting.pop(name, None) is not None and hasattr(self, "_llm"):
                self._llm.abort_request([name])

    async def _run(self) -> None:
        """Step until nobody waits. An engine that breaks fails everyone who waits, not one of them."""
        try:
            while self._waiting:
                for _ in range(SETTLE):
                    await asyncio.sleep(0)
                for output in self._llm.step():
                    self._deliver(output)
                self._tell()
        except Exception as error:
            waiting, self._waiting = self._waiting, {}
            for answer in waiting.values():
                if not answer.done():
                    answer.set_exception(EngineUnavailable(f"the engine stopped: {error}"))
            raise
        finally:
            self._tell()

    def _tell(self) -> None:
        """Wake who waits for a step."""
        if self._step is not None and not self._step.done():
            self._step.set_result(None)
        self._step = None

    def _deliver(self, output: Any) -> None:
        answer = self._waiting.pop(output.request_id, None)
        if answer is None or answer.cancelled():
            return
        best = output.outputs[0]
        if best.finish_reason not in ("stop", "length"):
            answer.set_exception(GenerationFailed(f"finish reason {best.finish_reason!r}"))
            return
        tokens = tuple(best.token_ids)
        answer.set_result(
            Completion(
                token_ids=tokens[:-1] if best.finish_reason == "stop" else tokens,
                finish_reason=best.finish_reason,
                generated_tokens=len(tokens),
                prompt_tokens=len(output.prompt_token_ids),
                cached_tokens=output.num_cached_tokens or 0,
            )
        )


def _start(policy: Path, settings: EngineSettings) -> Any:
    """vLLM's engine, or an `EngineUnavailable` that says what is missing."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    try:
        import torch
        from vllm import EngineArgs, LLMEngine
    except ImportError as error:
        raise EngineUnavailable(
            f"engine.kind = 'vllm': vLLM cannot be imported ({error}); install the extra: "
            "pip install 'rro[cpu]' or 'rro[gpu]'; `rro doctor` says more"
        ) from error
    cuda = torch.cuda.is_available()
    if not cuda:
        torch.set_num_threads(cpu_threads(settings.threads))
    arguments = EngineArgs(**engine_arguments(policy, settings, cuda), disable_log_stats=True)
    return LLMEngine.from_engine_args(arguments)
