"""Engine of endpoints: the same answers from one server and from many, and never a lost one or an invented one."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from rro.tasks.errors import UserError
from rro.tasks.inference import connections, fleet, openai_engine
from rro.tasks.inference.answers import Vocabulary
from rro.tasks.inference.engine import (
    Completion,
    ContextFull,
    Engine,
    EngineUnavailable,
    GenerationFailed,
    Load,
    Sampling,
)
from rro.tasks.inference.openai_engine import EndpointEngine
from rro.tasks.settings import EngineSettings
from tests.inference.little_server import STOP, VOCABULARY, Answer, Little, drawn, ok, running, said

Result = TypeVar("Result")
POLICY = Path("/policies/one")
SPOKEN = Vocabulary(VOCABULARY, lambda text: tuple(map(int, text.split())), ("<|im_end|>",))
TOKENS = 8


def settings(*urls: str, **changes: Any) -> EngineSettings:
    kept: dict[str, Any] = {
        "swap": "none",
        "max_model_len": 256,
        "max_num_seqs": 64,
        "patience": 60.0,
        "timeout": 20.0,
    }
    return EngineSettings(kind="endpoints", urls=list(urls), **{**kept, **changes})


def engine_on(*littles: Little, key: str = "", **changes: Any) -> EndpointEngine:
    chosen = settings(*(little.url for little in littles), **changes)
    return EndpointEngine(chosen.urls, chosen, SPOKEN, key)


def ask(engine: Engine, number: int, session: str = "", **changes: Any) -> Awaitable[Completion]:
    sampling: dict[str, Any] = {
        "temperature": 1.0,
        "seed": number,
        "max_tokens": TOKENS,
        "stop_token_ids": (STOP,),
    }
    return engine.generate(
        prompt_of(number), Sampling(**{**sampling, **changes}), session or f"session {number}"
    )


def prompt_of(number: int) -> list[int]:
    return [5 + number % 300, 6, 7 + number // 300]


def foretold(number: int, policy: str = "") -> tuple[int, ...]:
    return tuple(drawn(policy, prompt_of(number), number, TOKENS)[0])


def run(engine: EndpointEngine, work: Callable[[], Awaitable[Result]], policy: Path = POLICY) -> Result:
    """Load the policy, do the work, close: all in one event loop."""

    async def whole() -> Result:
        try:
            await engine.load(policy)
            return await work()
        finally:
            engine.close()
            await asyncio.sleep(0)

    return asyncio.run(whole())


def answers(engine: EndpointEngine, count: int, **changes: Any) -> list[Completion]:
    async def together() -> list[Completion]:
        return await asyncio.gather(*(ask(engine, number, **changes) for number in range(count)))

    return run(engine, together)


@pytest.fixture
def little() -> Iterator[Little]:
    with running(Little()) as server:
        yield server


@pytest.fixture
def other() -> Iterator[Little]:
    with running(Little()) as server:
        yield server


def test_one_endpoint_and_two_give_the_same_answers(little: Little, other: Little) -> None:
    alone, shared = answers(engine_on(little), 200), answers(engine_on(little, other), 200)
    assert [done.token_ids for done in alone] == [foretold(number) for number in range(200)]
    assert shared == alone
    assert {done.finish_reason for done in alone} == {"stop", "length"}
    assert 60 < len(other.asked) < 140


def test_a_session_stays_where_its_prefix_is(little: Little, other: Little) -> None:
    engine = engine_on(little, other)

    async def three_turns() -> None:
        for turn in range(3):
            await asyncio.gather(
                *(ask(engine, 100 * turn + episode, f"episode {episode}") for episode in range(30))
            )

    run(engine, three_turns)
    seen = [{body["seed"] % 100 for body in server.asked} for server in (little, other)]
    assert seen[0].isdisjoint(seen[1])
    assert min(map(len, seen)) > 5
    assert len(little.asked) == 3 * len(seen[0])


def test_when_an_endpoint_goes_only_its_own_sessions_move() -> None:
    urls = [f"http://host{number}:8000" for number in range(5)]

    def places(listed: list[str]) -> dict[str, str]:
        return {
            session: max(ranks, key=ranks.__getitem__)
            for session in map(str, range(1000))
            if (ranks := fleet.ranking(session, listed))
        }

    before, after = places(urls), places(urls[:-1])
    assert {session for session in before if before[session] != after[session]} == {
        session for session, url in before.items() if url == urls[-1]
    }
    counts = [list(before.values()).count(url) for url in urls]
    assert 150 < min(counts) <= max(counts) < 250


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture
def processes() -> Iterator[list[tuple[str, subprocess.Popen[bytes]]]]:
    """Two little servers that answer 300 requests, each in a process that can be killed."""
    started = []
    for port in free_ports(2):
        command = [sys.executable, "-m", "tests.inference.little_server", str(port), "300"]
        started.append((f"http://127.0.0.1:{port}", subprocess.Popen(command, cwd=Path(__file__).parents[2])))
    for url, _ in started:
        for _ in range(300):
            try:
                httpx.get(url + "/health", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
    yield started
    for _, process in started:
        process.kill()
        process.wait()


def test_a_kill_with_2000_requests_in_flight_loses_none(
    processes: list[tuple[str, subprocess.Popen[bytes]]],
) -> None:
    chosen = settings(*(url for url, _ in processes), max_num_seqs=1000, patience=60.0, attempts=1)
    engine = EndpointEngine(chosen.urls, chosen, SPOKEN)

    async def half_way() -> list[Completion]:
        asking = [asyncio.ensure_future(ask(engine, number)) for number in range(3000)]
        while sum(one.done() for one in asking) < 600:
            await asyncio.sleep(0.05)
        load = await engine.stepped()
        assert load.running + load.waiting == 2400
        (_, survivor), (_, victim) = processes
        os.kill(victim.pid, signal.SIGKILL)
        os.kill(survivor.pid, signal.SIGUSR1)
        return await asyncio.gather(*asking)

    done = run(engine, half_way)
    assert [one.token_ids for one in done] == [foretold(number) for number in range(3000)]


def test_an_endpoint_that_comes_back_is_used_again_with_the_current_weights() -> None:
    (port,) = free_ports(1)
    with ExitStack() as stack:
        steady = stack.enter_context(running(Little()))
        flaky = stack.enter_context(ExitStack())
        first = flaky.enter_context(running(Little(), port))
        engine = engine_on(steady, first, swap="vllm")

        async def through_a_restart() -> Little:
            await asyncio.gather(*(ask(engine, number) for number in range(50)))
            flaky.close()
            await asyncio.gather(*(ask(engine, number) for number in range(50)))
            again = flaky.enter_context(running(Little("the start's"), port))
            while not again.asked:
                done = await asyncio.gather(*(ask(engine, number) for number in range(50)))
                assert [one.token_ids for one in done] == [
                    foretold(number, str(POLICY)) for number in range(50)
                ]
                await asyncio.sleep(0.1)
            return again

        again = run(engine, through_a_restart)
        assert first.asked
        assert (again.policy, again.loads) == (str(POLICY), [f"load_policy {POLICY}"])


def test_one_that_was_silent_shows_its_weights_before_it_is_asked(
    little: Little, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "QUIET_SECONDS", 0.2)
    engine = engine_on(little, swap="vllm")

    async def restarted_in_silence() -> Completion:
        await ask(engine, 1)
        await asyncio.sleep(0.3)
        little.policy = "the start's"
        return await ask(engine, 2)

    assert run(engine, restarted_in_silence).token_ids == foretold(2, str(POLICY))
    assert len(little.loads) >= 2


def test_all_dead_is_told_with_every_address_and_what_to_do(little: Little) -> None:
    gone = [f"http://127.0.0.1:{port}" for port in free_ports(2)]
    chosen = settings(*gone, patience=0.5)
    engine = EndpointEngine(gone, chosen, SPOKEN)
    with pytest.raises(EngineUnavailable) as caught:
        answers(engine, 3)
    for url in gone:
        assert f"- {url}: " in str(caught.value)
    assert "no endpoint has answered for 0.5 s (engine.patience)" in str(caught.value)
    assert "Start them, or name others" in str(caught.value)


def broken(status: int) -> Answer:
    return said(status, "it broke")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_endpoint_that_fails_several_times_is_left_alone(
    little: Little, other: Little, status: int
) -> None:
    little.next = [broken(status)] * 500
    little.health = 503
    done = answers(engine_on(little, other, attempts=1), 100)
    assert [one.token_ids for one in done] == [foretold(number) for number in range(100)]
    assert len(little.asked) < 100


def test_one_failure_takes_no_endpoint_out(little: Little, other: Little) -> None:
    little.next = [broken(500)] * 2
    engine = engine_on(little, other)

    async def one_after_the_other() -> None:
        for number in range(40):
            await ask(engine, number)

    run(engine, one_after_the_other)
    assert len(little.asked) > 10


def test_an_endpoint_that_hangs_is_left_for_another(little: Little, other: Little) -> None:
    little.held = True
    done = answers(engine_on(little, other, timeout=2.0), 30)
    assert [one.token_ids for one in done] == [foretold(number) for number in range(30)]


class Poisoned(Little):
    """Drops one request, and no other."""

    async def complete(self, body: dict[str, Any]) -> Answer:
        return broken(500) if body["prompt"] == prompt_of(0) else await super().complete(body)


@pytest.mark.parametrize("count", [1, 30], ids=["alone", "among others"])
def test_a_request_that_every_endpoint_drops_does_not_go_round_for_ever(count: int) -> None:
    async def together() -> list[Completion | BaseException]:
        asking = (ask(engine, number) for number in range(count))
        return await asyncio.gather(*asking, return_exceptions=True)

    with running(Poisoned()) as one, running(Poisoned()) as two:
        engine = engine_on(one, two, patience=30.0)
        dropped, *others = run(engine, together)
    with pytest.raises(GenerationFailed, match=r"lost its endpoint 10 times: http.*HTTP 500"):
        raise dropped if isinstance(dropped, BaseException) else AssertionError(dropped)
    assert [one.token_ids for one in others if isinstance(one, Completion)] == [
        foretold(number) for number in range(1, count)
    ]


PAGE: Answer = (200, {}, b"<html>Back soon</html>")
OUTAGES = pytest.mark.parametrize("answer", [broken(503), PAGE], ids=["HTTP 503", "a page"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(openai_engine, "PAUSE_SECONDS", 0.05)


@OUTAGES
@pytest.mark.usefixtures("quick")
def test_an_outage_behind_a_healthy_address_is_outlasted(little: Little, answer: Answer) -> None:
    engine = engine_on(little)

    async def through_it() -> list[Completion]:
        await ask(engine, 10)
        little.next = [answer] * 10**5
        asking = [asyncio.ensure_future(ask(engine, number)) for number in range(10)]
        while len(little.asked) < 150:  # More than ten requests' tries.
            await asyncio.sleep(0.05)
            assert not any(one.done() for one in asking)
        assert (await engine.stepped()).full
        little.next = []
        return await asyncio.gather(*asking)

    assert [one.token_ids for one in run(engine, through_it)] == [foretold(number) for number in range(10)]


@OUTAGES
@pytest.mark.usefixtures("quick")
def test_an_outage_behind_a_healthy_address_that_does_not_end_is_told(little: Little, answer: Answer) -> None:
    little.next = [answer] * 10**5
    with pytest.raises(
        EngineUnavailable, match=r"none has answered a request for 3 s \(engine\.patience\): "
    ):
        answers(engine_on(little, patience=3.0), 5)


def test_another_endpoint_is_asked_after_nonsense(little: Little, other: Little) -> None:
    little.next = [PAGE] * 10**5
    done = answers(engine_on(little, other, attempts=2), 30)
    assert [one.token_ids for one in done] == [foretold(number) for number in range(30)]


def test_with_no_endpoint_alive_there_is_no_room() -> None:
    with running(Little()) as little:
        engine = engine_on(little)

        async def without() -> Load:
            little.next = [said(404, "gone")]
            little.health = 503
            asking = asyncio.ensure_future(ask(engine, 1))
            while not little.asked:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            load = await engine.stepped()
            asking.cancel()
            return load

        load = run(engine, without)
    assert (load.running, load.room, load.full) == (0, 0, True)


def test_a_wrong_key_is_told_without_the_key(little: Little) -> None:
    little.key = "the right one"
    with pytest.raises(EngineUnavailable, match=r"refuses the API key \(HTTP 401\): .*RRO_API_KEY") as caught:
        answers(engine_on(little, key="sk-secret"), 1)
    assert "sk-secret" not in str(caught.value)
    assert len(answers(engine_on(little, key="the right one"), 5)) == 5


def test_a_server_that_repeats_the_key_does_not_get_it_into_a_message(
    little: Little, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    little.next = [said(400, "odd: Bearer sk-secret")]
    with pytest.raises(GenerationFailed, match=r"odd: Bearer \*\*\*") as caught:
        answers(engine_on(little, key="sk-secret"), 1)
    assert "sk-secret" not in str(caught.value) + repr(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("models", "model", "message"),
    [
        ({"a": 1000, "b": 1000}, "", r"engine\.model is not set and http.* lists 2 models: a, b; name one"),
        ({}, "", r"lists 0 models: none"),
        ({"a": 1000, "b": 1000}, "c", r"engine\.model = 'c': http.* has no such model; known: a, b"),
        ({"a": 255}, "", r"engine\.max_model_len = 256: http.* reads at most 255 tokens"),
    ],
)
def test_a_model_that_is_not_to_be_had_is_told(
    little: Little, models: dict[str, int], model: str, message: str
) -> None:
    little.models = models
    with pytest.raises(UserError, match=message):
        answers(engine_on(little, model=model), 1)


def test_a_named_model_is_asked_for(little: Little) -> None:
    little.models = {"a": 1000, "b": 256}
    answers(engine_on(little, model="b"), 3)
    assert {body["model"] for body in little.asked} == {"b"}


@pytest.mark.parametrize(("length", "fits"), [(248, True), (249, False), (3000, False)])
def test_prompt_and_answer_must_fit_together(little: Little, length: int, fits: bool) -> None:
    engine = engine_on(little)

    async def work() -> Completion:
        return await engine.generate([7] * length, Sampling(1.0, 1, TOKENS, (STOP,)))

    if fits:
        assert run(engine, work).prompt_tokens == length
    else:
        with pytest.raises(
            ContextFull, match=rf"{length} prompt tokens leave {256 - length} of engine\.max_model_len"
        ):
            run(engine, work)
        assert not little.asked


VLLM_400 = "This model's maximum context length is 256 tokens. However, your prompt contains 300 input tokens"
SGLANG_400 = "The input (300 tokens) is longer than the model's context length (256 tokens)."


@pytest.mark.parametrize("message", [VLLM_400, SGLANG_400])
def test_a_servers_own_refusal_of_the_length_is_one(little: Little, message: str) -> None:
    little.next = [said(400, message)]
    with pytest.raises(ContextFull, match="context length"):
        answers(engine_on(little), 1)
    assert len(little.asked) == 1


def test_another_refusal_is_not_asked_again(little: Little) -> None:
    little.next = [said(400, "Token id 1000000 is out of vocabulary")]
    with pytest.raises(GenerationFailed, match="out of vocabulary"):
        answers(engine_on(little), 1)
    assert len(little.asked) == 1


def choice(**changes: Any) -> Answer:
    return ok({"choices": [{"text": "", "finish_reason": "stop", "token_ids": [7, STOP], **changes}]})


NONSENSE = {
    "html": ((200, {}, b"<html>Bad gateway</html>"), "not JSON"),
    "nothing": ((200, {}, b""), "not JSON"),
    "not text": ((200, {}, b"\xff\xfe\x00"), "not JSON"),
    "deep": ((200, {}, b"[" * 100_000), "not JSON"),
    "empty object": (ok({}), "no single choice"),
    "list": (ok([]), "no single choice"),
    "null": (ok(None), "no single choice"),
    "no choices": (ok({"choices": []}), "no single choice"),
    "choices of another type": (ok({"choices": {"0": 1}}), "no single choice"),
    "two choices": (ok({"choices": [{}, {}]}), "no single choice"),
    "a choice of text": (ok({"choices": ["stop"]}), "no single choice"),
    "text tokens": (choice(token_ids=["7", "2"]), "token ids that are none"),
    "true tokens": (choice(token_ids=[True, 2]), "token ids that are none"),
    "fractions": (choice(token_ids=[7.0, 2]), "token ids that are none"),
    "tokens as text": (choice(token_ids="7 2"), "token ids that are none"),
    "outside": (
        choice(token_ids=[VOCABULARY, STOP]),
        f"{VOCABULARY} is outside the vocabulary of {VOCABULARY}",
    ),
    "negative": (choice(token_ids=[-1, STOP]), "-1 is outside the vocabulary"),
    "too many": (choice(token_ids=[7] * 9), "9 tokens where at most 8"),
    "another prompt": (choice(prompt_token_ids=[1, 2]), "another prompt"),
    "neither": (choice(token_ids=None, text=None), "neither token ids nor text"),
    "abort": (choice(finish_reason="abort"), "finish reason 'abort'"),
    "no reason": (choice(finish_reason=None), "finish reason 'None'"),
    "filtered": (choice(finish_reason="content_filter"), "finish reason 'content_filter'"),
    "odd reason": (choice(finish_reason={"stop": 1}), "finish reason"),
    "huge": ((200, {}, b" " * (connections.ANSWER_BYTES + 1)), "more than 16 MiB"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_tried_again_and_then_a_failure(little: Little, case: str) -> None:
    answer, message = NONSENSE[case]
    little.next = [answer] * 3
    with pytest.raises(GenerationFailed, match=r"no usable answer in 3 tries \(engine\.attempts\)") as caught:
        answers(engine_on(little), 1)
    assert message in str(caught.value)
    # The last one is for a single token: it tells whether anything else is answered.
    assert [len(body["prompt"]) for body in little.asked] == [3, 3, 3, 1]
    assert {body["seed"] for body in little.asked} == {0}
    little.next = [answer] * 2
    assert answers(engine_on(little), 1)[0].token_ids == foretold(0)


def test_nonsense_that_repeats_the_key_is_told_without_it(little: Little) -> None:
    little.next = [(200, {}, b"<p>sk-secret</p>")] * 3
    with pytest.raises(GenerationFailed, match=r"not JSON: '<p>\*\*\*</p>'") as caught:
        answers(engine_on(little, key="sk-secret"), 1)
    assert "sk-secret" not in str(caught.value)


def test_an_answer_that_the_context_cut_off_is_not_a_short_answer(little: Little) -> None:
    little.next = [choice(token_ids=[7, 8, 9], finish_reason="length")]
    with pytest.raises(ContextFull, match="after 3 of 8 tokens"):
        answers(engine_on(little), 1)


def test_a_rate_limit_is_waited_for(little: Little) -> None:
    little.next = [said(429, "slow down", **{"retry-after": "0.6"})]
    begun = time.monotonic()
    done = answers(engine_on(little, attempts=1), 1)
    assert time.monotonic() - begun >= 0.6
    assert done[0].token_ids == foretold(0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("100000", connections.LONGEST_BACK_OFF),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", connections.LONGEST_BACK_OFF),
        (None, connections.BACK_OFF_SECONDS),
        ("", connections.BACK_OFF_SECONDS),
        ("soon", connections.BACK_OFF_SECONDS),
        ("-5", connections.BACK_OFF_SECONDS),
        ("nan", connections.BACK_OFF_SECONDS),
        ("Fri, 99 Dec 9999 99:59:59 GMT", connections.BACK_OFF_SECONDS),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float) -> None:
    assert connections.seconds_to_wait(header) == seconds


def test_a_rate_limit_that_does_not_end_is_told(little: Little) -> None:
    little.next = [said(429, "slow down", **{"retry-after": "0.2"})] * 50
    with pytest.raises(EngineUnavailable, match=r"HTTP 429 .* for 0\.5 s \(engine\.patience\)"):
        answers(engine_on(little, patience=0.5), 1)


class Unlucky(Little):
    """Answers any request but one, which it puts off until it is told."""

    putting_off, put_off = True, 0

    async def complete(self, body: dict[str, Any]) -> Answer:
        if self.putting_off and body["seed"] == 0:
            self.put_off += 1
            return said(429, "slow down", **{"retry-after": "0.1"})
        return await super().complete(body)


def test_a_rate_limit_under_which_others_are_answered_is_waited_for() -> None:
    server = Unlucky()
    with running(server):
        engine = engine_on(server, patience=1.5)

        async def beside_others() -> Completion:
            asking = asyncio.ensure_future(ask(engine, 0))
            begun = time.monotonic()
            while time.monotonic() - begun < 4.0:
                await ask(engine, 1)
                await asyncio.sleep(0.05)
            assert server.put_off > 1
            server.putting_off = False
            return await asking

        assert run(engine, beside_others).token_ids == foretold(0)


def test_tokens_are_counted_by_the_server(little: Little) -> None:
    done = answers(engine_on(little), 40)
    for one in done:
        assert (one.prompt_tokens, one.cached_tokens) == (3, 3)
        assert one.generated_tokens == len(one.token_ids) + (one.finish_reason == "stop")


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "many", "completion_tokens": -1}, [1]])
def test_where_the_server_counts_nothing_the_client_does(little: Little, usage: Any) -> None:
    counted = answers(engine_on(little), 20)
    little.usage = False
    little.next = [lambda body: ok({**little.completion(body), "usage": usage})] * 20
    without = answers(engine_on(little), 20)
    assert [(one.token_ids, one.generated_tokens, one.prompt_tokens) for one in without] == [
        (one.token_ids, one.generated_tokens, one.prompt_tokens) for one in counted
    ]
    assert {one.cached_tokens for one in without} == {0}


@pytest.mark.parametrize("counted", [0, 3, 10**6])
def test_tokens_that_are_returned_count_for_themselves(little: Little, counted: int) -> None:
    expected = answers(engine_on(little), 20)
    usage = {"prompt_tokens": 3, "completion_tokens": counted, "prompt_tokens_details": {"cached_tokens": 3}}
    little.next = [lambda body: ok({**little.completion(body), "usage": usage})] * 20
    assert answers(engine_on(little), 20) == expected


def test_text_is_tokenised_where_a_server_returns_no_token_ids(little: Little) -> None:
    little.token_ids = False
    assert answers(engine_on(little), 30) == answers(engine_on(little), 30)
    assert [one.token_ids for one in answers(engine_on(little), 30)] == [
        foretold(number) for number in range(30)
    ]


def test_a_server_that_knows_openais_settings_only_is_asked_with_those(little: Little) -> None:
    little.strict = True
    assert [one.token_ids for one in answers(engine_on(little), 5)] == [
        foretold(number) for number in range(5)
    ]
    assert {"return_token_ids", "top_k", "stop_token_ids"}.isdisjoint(little.asked[-1])
    assert little.asked[-1]["stop"] == ["<|im_end|>"]


def test_endpoints_of_one_policy_refuse_a_second_even_after_the_engine_was_closed(little: Little) -> None:
    engine = engine_on(little)
    answers(engine, 1)
    with pytest.raises(
        UserError, match=r"engine\.swap = 'none': http.* serve /policies/one, and /policies/two is"
    ):
        run(engine_on(little), lambda: asyncio.sleep(0), Path("/policies/two"))
    assert len(answers(engine_on(little), 1)) == 1


def test_another_policy_is_loaded_everywhere(little: Little, other: Little) -> None:
    engine = engine_on(little, other, swap="vllm")

    async def two_policies() -> list[Completion]:
        before = [await ask(engine, number) for number in range(20)]
        await engine.load(Path("/policies/two"))
        return before + [await ask(engine, number) for number in range(20)]

    done = [one.token_ids for one in run(engine, two_policies)]
    assert done == [foretold(n, policy) for policy in (str(POLICY), "/policies/two") for n in range(20)]
    assert little.loads == other.loads == [f"load_policy {POLICY}", "load_policy /policies/two"]


def test_a_gpu_server_needs_no_extension(little: Little) -> None:
    little.extension, little.device = False, "cuda"
    answers(engine_on(little, swap="vllm"), 1)
    assert little.loads == [f"reload_weights {POLICY}"]


class Silent(Little):
    """Does not know /server_info."""

    def develop(self, path: str, body: dict[str, Any]) -> Answer:
        return said(404, "Not Found") if path == "/server_info" else super().develop(path, body)


def test_a_server_that_does_not_tell_its_device_is_refused_for_that() -> None:
    silent = Silent()
    silent.extension = False
    with (
        running(silent),
        pytest.raises(EngineUnavailable, match=r"does not tell whether .* CPU, .*--worker-extension-cls"),
    ):
        answers(engine_on(silent, swap="vllm"), 1)


@pytest.mark.parametrize(
    ("change", "policy", "message"),
    [
        (
            {"dev_mode": False},
            POLICY,
            r"start it with VLLM_SERVER_DEV_MODE=1 in its environment, or set engine\.swap",
        ),
        (
            {"extension": False},
            POLICY,
            r"start it with --worker-extension-cls rro\.tasks\.inference\.worker\.Policy",
        ),
        (
            {},
            Path("/nowhere"),
            r"could not load the weights .*/nowhere.* the same path for server and client",
        ),
    ],
    ids=["no development mode", "no extension on a cpu", "no such folder"],
)
def test_a_server_that_cannot_change_weights_is_told_how_to(
    little: Little, change: dict[str, Any], policy: Path, message: str
) -> None:
    for name, value in change.items():
        setattr(little, name, value)
    with pytest.raises(EngineUnavailable, match=message):
        run(engine_on(little, swap="vllm"), lambda: asyncio.sleep(0), policy)


def test_what_nobody_waits_for_is_given_up(little: Little) -> None:
    little.held = True
    engine = engine_on(little)

    async def cancel() -> int:
        asking = [asyncio.ensure_future(ask(engine, number)) for number in range(5)]
        while len(little.asked) < 5:
            await asyncio.sleep(0.01)
        for one in asking:
            one.cancel()
        ended = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended)
        return (await engine.stepped()).running

    assert run(engine, cancel) == 0


def test_an_engine_serves_one_event_loop_after_another(little: Little) -> None:
    engine = engine_on(little)
    for _ in range(2):
        assert answers(engine, 5)[4].token_ids == foretold(4)


def test_the_load_tells_who_waits(little: Little) -> None:
    little.held = True
    engine = engine_on(little, max_num_seqs=10)

    async def crowd() -> tuple[int, int, int, bool]:
        asking = asyncio.gather(*(ask(engine, number) for number in range(50)))
        load = await engine.stepped()
        little.held = False
        await asking
        return load.running, load.waiting, load.room, load.full

    assert run(engine, crowd) == (10, 40, 10, True)
    assert len(little.asked) == 50


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"kind": "endpoints"}, r"engine\.urls = \[\]: engine\.kind = 'endpoints' needs at least one"),
        ({"urls": ["http://a"]}, r"only engine\.kind = 'endpoints' reads them"),
        ({"kind": "server", "urls": ["http://a"]}, r"only engine\.kind = 'endpoints' reads them"),
        ({"kind": "endpoints", "urls": ["ftp://a"]}, r"engine\.urls = .*it must look like http://host:8000"),
        ({"kind": "endpoints", "urls": ["localhost:8000"]}, r"it must look like http://host:8000"),
        ({"kind": "endpoints", "urls": ["http://a:99999"]}, r"Port out of range"),
        ({"kind": "endpoints", "urls": ["http://a?b=c"]}, r"without anything behind it"),
        ({"kind": "endpoints", "urls": ["http://a/v1", "http://a"]}, r"names an endpoint twice"),
        ({"kind": "endpoints", "urls": ["http://me:sk-1@a"]}, r"the address of a holds a password"),
    ],
)
def test_impossible_addresses_are_refused(engine: dict[str, Any], message: str) -> None:
    from rro.tasks.settings import load_settings

    with pytest.raises(UserError, match=message) as caught:
        load_settings("quickstart", {"engine": engine})
    assert "sk-1" not in str(caught.value)


def test_addresses_are_taken_with_and_without_v1() -> None:
    urls = ["http://a:8000/v1/", "https://b/api/v1", "http://[::1]:8000/"]
    assert settings(*urls).urls == ["http://a:8000", "https://b/api", "http://[::1]:8000"]
