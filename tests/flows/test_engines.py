"""Which engine the settings make, and that its API key goes nowhere else."""

import asyncio
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from rro.flows import engines
from rro.flows.engines import close_engine, policy_on_engine
from rro.tasks.errors import UserError
from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.inference.engine import EngineUnavailable
from rro.tasks.settings import EngineSettings
from rro.tasks.training.base_model import build_tiny
from tests.inference.conftest import (
    TINY,
    policies,  # noqa: F401 - a fixture
)
from tests.inference.formats import TEXT
from tests.inference.little_server import Little, running


def endpoints(little: Little, **changes: str) -> EngineSettings:
    return EngineSettings(kind="endpoints", urls=[little.url], max_model_len=256, max_tokens=8, **changes)  # type: ignore[arg-type]


def acted(folder: Path, settings: EngineSettings, times: int = 1) -> list[str]:
    """Actions that a policy draws on the engine."""

    async def work() -> list[str]:
        policy = await policy_on_engine("p", folder, settings)
        history = policy.open("go")
        return [(await policy.draw(history, 1.0, seed)).action for seed in range(times)]

    try:
        return asyncio.run(work())
    finally:
        close_engine()


def test_endpoints_are_given_the_policy_and_the_key_of_the_environment(
    policies: tuple[Path, Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(Little()) as little:
        little.key = "sk-environment"
        monkeypatch.setenv("RRO_API_KEY", " sk-environment\n")
        settings = endpoints(little)
        assert len(set(acted(policies[0], settings, 20))) > 10
        assert little.loads == [f"load_policy {policies[0]}"]
        assert "sk-environment" not in settings.model_dump_json()
        monkeypatch.setenv("OTHER", "sk-other")
        with pytest.raises(EngineUnavailable, match=r"refuses the API key .* variable OTHER") as caught:
            acted(policies[0], endpoints(little, api_key_env="OTHER"))
        assert "sk-other" not in str(caught.value)
        assert engines._held is None


def test_a_key_that_no_header_can_hold_is_refused_unseen(
    policies: tuple[Path, Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(Little()) as little:
        monkeypatch.setenv("RRO_API_KEY", "sk-\nsplit")
        with pytest.raises(UserError, match="characters that no HTTP header may hold") as caught:
            acted(policies[0], endpoints(little))
    assert "split" not in str(caught.value)


def test_a_secret_block_of_prefect_holds_the_key(
    prefect_server: None,
    policies: tuple[Path, Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.blocks.system import Secret

    Secret(value="sk-block").save("fleet-key")  # type: ignore[arg-type]
    monkeypatch.setenv("RRO_API_KEY", "sk-environment")
    with running(Little()) as little:
        little.key = "sk-block"
        assert len(acted(policies[0], endpoints(little, api_key_secret="fleet-key"))) == 1
        with pytest.raises(
            UserError, match=r"engine\.api_key_secret = 'nothing': Prefect has no such Secret block"
        ):
            acted(policies[0], endpoints(little, api_key_secret="nothing"))


def test_weights_that_failed_to_load_are_not_taken_for_loaded(policies: tuple[Path, Path]) -> None:  # noqa: F811
    with running(Little()) as little:
        settings = endpoints(little)

        async def changed() -> None:
            await policy_on_engine("one", policies[0], settings)
            little.dev_mode = False
            with pytest.raises(EngineUnavailable, match="VLLM_SERVER_DEV_MODE=1"):
                await policy_on_engine("two", policies[1], settings)
            little.dev_mode = True
            await policy_on_engine("two", policies[1], settings)

        try:
            asyncio.run(changed())
        finally:
            close_engine()
        assert little.policy == str(policies[1])


def test_a_policy_of_another_tokenizer_is_read_with_its_own(
    policies: tuple[Path, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    """One process may go through several runs, as a comparison over seeds does; each base has a tokenizer."""
    build_tiny(tmp_path / "other", [text.upper() for text in TEXT], TINY, 0)
    text = "Go to the red door, GO TO THE RED DOOR"

    async def read(folder: Path) -> tuple[int, ...]:
        return (await policy_on_engine("p", folder, endpoints(little))).open(text).tokens

    async def work() -> list[tuple[int, ...]]:
        return [await read(folder) for folder in (policies[0], tmp_path / "other", policies[0])]

    with running(Little()) as little:
        try:
            seen = asyncio.run(work())
        finally:
            close_engine()
    for tokens, folder in zip(seen, (policies[0], tmp_path / "other", policies[0]), strict=True):
        assert tokens == ChatFormat(AutoTokenizer.from_pretrained(folder)).start(text)
    assert seen[0] == seen[2] != seen[1]
