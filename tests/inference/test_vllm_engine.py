"""The vLLM engine: everyone is answered, seeds decide alone, weights can be swapped, failures are never answers."""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from rro.tasks.inference import vllm_engine
from rro.tasks.inference.engine import (
    Completion,
    ContextFull,
    EngineUnavailable,
    GenerationFailed,
    Sampling,
)
from rro.tasks.inference.vllm_arguments import BATCHED_TOKENS
from rro.tasks.inference.vllm_engine import VllmEngine
from tests.inference.conftest import SMALL

Result = TypeVar("Result")
STOP = 2
"""`<|im_end|>` of the tiny vocabulary."""


def prompt_of(number: int, length: int) -> list[int]:
    """Tokens that no other number's prompt begins with."""
    random = Random(number)
    return [random.randrange(5, 300) for _ in range(length)]


def run(*work: Awaitable[Result]) -> list[Result]:
    """All of it at the same time."""

    async def together() -> list[Result]:
        return await asyncio.gather(*work)

    return asyncio.run(together())


def drawn(engine: VllmEngine, prompt: Sequence[int], seed: int, **changes: Any) -> Awaitable[Completion]:
    sampling: dict[str, Any] = {
        "temperature": 1.0,
        "seed": seed,
        "max_tokens": 12,
        "stop_token_ids": (STOP,),
        **changes,
    }
    return engine.generate(prompt, Sampling(**sampling))


def greedy(engine: VllmEngine, prompt: Sequence[int], tokens: int = 8) -> Completion:
    (completion,) = run(drawn(engine, prompt, 0, temperature=0.0, max_tokens=tokens, stop_token_ids=()))
    return completion


def generated_by_transformers(policy: Path, prompt: Sequence[int], tokens: int = 8) -> tuple[int, ...]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(policy, dtype="float32")
    with torch.inference_mode():
        whole = model.generate(
            torch.tensor([list(prompt)]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=tokens,
            eos_token_id=None,
        )
    return tuple(whole[0, len(prompt) :].tolist())


def test_a_crowd_several_times_the_batch_is_answered(engine: VllmEngine) -> None:
    count = 5 * SMALL.max_num_seqs
    completions = run(*(drawn(engine, prompt_of(i, 5 + i % 40), i) for i in range(count)))
    assert len(completions) == count
    for number, done in enumerate(completions):
        assert done.prompt_tokens == 5 + number % 40
        assert STOP not in done.token_ids
        if done.finish_reason == "stop":
            assert done.generated_tokens == len(done.token_ids) + 1
        else:
            assert (done.finish_reason, done.generated_tokens, len(done.token_ids)) == ("length", 12, 12)
    assert {done.finish_reason for done in completions} == {"stop", "length"}


def test_a_seed_draws_the_same_tokens_alone_and_in_a_crowd(engine: VllmEngine) -> None:
    prompts = [prompt_of(i, 10 + 3 * i) for i in range(40)]
    crowd = run(*(drawn(engine, prompt, seed) for seed, prompt in enumerate(prompts)))
    alone = [run(drawn(engine, prompt, seed))[0] for seed, prompt in enumerate(prompts)]
    assert [done.token_ids for done in crowd] == [done.token_ids for done in alone]


def test_other_seeds_draw_other_tokens(engine: VllmEngine) -> None:
    completions = run(*(drawn(engine, prompt_of(1, 20), seed) for seed in range(20)))
    assert len({done.token_ids for done in completions}) == 20


def test_temperature_0_ignores_the_seed(engine: VllmEngine) -> None:
    completions = run(*(drawn(engine, prompt_of(1, 20), seed, temperature=0.0) for seed in range(5)))
    assert len({done.token_ids for done in completions}) == 1


@pytest.mark.parametrize(("length", "fits"), [(244, True), (245, False), (256, False), (1000, False)])
def test_prompt_and_answer_must_fit_the_context_together(engine: VllmEngine, length: int, fits: bool) -> None:
    assert SMALL.max_model_len == 244 + 12
    if fits:
        assert run(drawn(engine, prompt_of(0, length), 0))[0].prompt_tokens == length
    else:
        with pytest.raises(ContextFull, match=rf"{length} prompt tokens leave {256 - length} of engine\."):
            run(drawn(engine, prompt_of(0, length), 0))


def test_seeded_prompts_that_exceed_one_step_together_are_answered(engine: VllmEngine) -> None:
    count, length = 60, 230
    assert count * length > 2 * BATCHED_TOKENS
    completions = run(*(drawn(engine, prompt_of(i, length), i) for i in range(count)))
    assert [done.prompt_tokens for done in completions] == [length] * count


def test_a_repeated_prefix_is_taken_from_the_cache_and_changes_nothing(engine: VllmEngine) -> None:
    prompt = prompt_of(9001, 150)
    first, second, longer = (
        run(drawn(engine, tokens, 3))[0] for tokens in (prompt, prompt, [*prompt, 9, 8, 7])
    )
    assert (first.cached_tokens, second.cached_tokens, longer.cached_tokens) == (0, 128, 128)
    assert first.token_ids == second.token_ids


def test_greedy_answers_are_those_of_transformers(engine: VllmEngine, policies: tuple[Path, Path]) -> None:
    for number in (1, 2, 3):
        prompt = prompt_of(number, 30 * number)
        expected = generated_by_transformers(policies[0], prompt)
        assert len(set(expected)) > 4
        assert greedy(engine, prompt).token_ids == expected


def test_load_swaps_the_weights_and_forgets_every_prefix(
    engine: VllmEngine, policies: tuple[Path, Path]
) -> None:
    prompt = prompt_of(9002, 150)
    before, again = greedy(engine, prompt), greedy(engine, prompt)
    assert again.cached_tokens > 0
    try:
        asyncio.run(engine.load(policies[1]))
        swapped = greedy(engine, prompt)
    finally:
        asyncio.run(engine.load(policies[0]))
    assert swapped.cached_tokens == 0
    assert swapped.token_ids == generated_by_transformers(policies[1], prompt) != before.token_ids
    back = greedy(engine, prompt)
    assert (back.token_ids, back.cached_tokens) == (before.token_ids, 0)


def test_a_refused_prompt_harms_nobody_else(engine: VllmEngine) -> None:
    async def mixed() -> list[Any]:
        work = [drawn(engine, prompt, 1) for prompt in ([10**6], prompt_of(1, 9), [], prompt_of(2, 9))]
        return await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), 60)

    wrong, right, empty, other = asyncio.run(mixed())
    assert (right.prompt_tokens, other.prompt_tokens) == (9, 9)
    assert "out of vocabulary" in str(wrong)
    assert "empty" in str(empty)


def test_generations_nobody_waits_for_are_given_up(engine: VllmEngine, policies: tuple[Path, Path]) -> None:
    async def cancel_some() -> Completion:
        tasks = [asyncio.ensure_future(drawn(engine, prompt_of(i, 20), i, max_tokens=200)) for i in range(9)]
        await asyncio.sleep(0.05)
        for task in tasks[:-1]:
            task.cancel()
        kept = await tasks[-1]
        await engine.load(policies[0])
        return kept

    alone = run(drawn(engine, prompt_of(8, 20), 8, max_tokens=200))[0]
    assert asyncio.run(cancel_some()).token_ids == alone.token_ids


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"policy '.*/nowhere': no model there \(config\.json is"):
        VllmEngine(tmp_path / "nowhere", SMALL)


class Scripted:
    """Stands where vLLM's engine begins: answers each request with the next finish reason, or breaks."""

    def __init__(self, *reasons: str | Exception) -> None:
        self.reasons = list(reasons)
        self.seeds: list[int] = []
        self.requests: list[tuple[str, list[int]]] = []

    def add_request(self, name: str, prompt: Any, params: Any) -> None:
        self.seeds.append(params.seed)
        self.requests.append((name, prompt["prompt_token_ids"]))

    def step(self) -> list[Any]:
        reason = self.reasons.pop(0)
        if isinstance(reason, Exception):
            raise reason
        name, prompt = self.requests.pop(0)
        answer = SimpleNamespace(finish_reason=reason, token_ids=[7, 8])
        return [
            SimpleNamespace(
                request_id=name, prompt_token_ids=prompt, outputs=[answer], num_cached_tokens=None
            )
        ]


def scripted(
    monkeypatch: pytest.MonkeyPatch, policies: tuple[Path, Path], *reasons: str | Exception
) -> tuple[VllmEngine, Scripted]:
    llm = Scripted(*reasons)
    monkeypatch.setattr(vllm_engine, "_start", lambda policy, settings: llm)
    return VllmEngine(policies[0], SMALL), llm


@pytest.mark.parametrize("odd", ["abort", "error", "repetition", None])
def test_an_odd_finish_is_tried_again_with_the_same_seed(
    monkeypatch: pytest.MonkeyPatch, policies: tuple[Path, Path], odd: str
) -> None:
    engine, llm = scripted(monkeypatch, policies, odd, odd, "length")
    (completion,) = run(drawn(engine, [5, 6], 42))
    assert completion == Completion((7, 8), "length", 2, 2, 0)
    assert llm.seeds == [42, 42, 42]


def test_an_answer_that_stays_odd_is_a_failure_and_never_a_short_answer(
    monkeypatch: pytest.MonkeyPatch, policies: tuple[Path, Path]
) -> None:
    engine, llm = scripted(monkeypatch, policies, "abort", "abort", "abort", "stop")
    with pytest.raises(GenerationFailed, match=r"no usable answer in 3 tries \(engine\.attempts\)"):
        run(drawn(engine, [5, 6], 42))
    assert llm.reasons == ["stop"]


def test_an_engine_that_breaks_fails_everyone_who_waits(
    monkeypatch: pytest.MonkeyPatch, policies: tuple[Path, Path]
) -> None:
    engine, _ = scripted(monkeypatch, policies, "stop", RuntimeError("out of memory"))

    async def all_three() -> list[Any]:
        work = (drawn(engine, [5, 6], seed) for seed in range(3))
        return await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), 30)

    first, *others = asyncio.run(all_three())
    assert first.token_ids == (7,)
    assert [str(error) for error in others] == ["the engine stopped: out of memory"] * 2
    assert all(isinstance(error, EngineUnavailable) for error in others)
