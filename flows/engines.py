"""The one engine of this process: started when a stage needs it, given back before a training."""

import os
from pathlib import Path
from typing import Any

from rro.tasks.errors import UserError
from rro.tasks.exploration.policy import EnginePolicy
from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.inference.engine import Engine
from rro.tasks.settings import EngineSettings

_held: tuple[Path, EngineSettings, Engine, ChatFormat] | None = None


async def policy_on_engine(name: str, folder: Path, settings: EngineSettings) -> EnginePolicy:
    """The policy in `folder`, ready to act. An engine that runs a policy of the same kind only takes its weights."""
    global _held
    if _held is not None and (_held[1] != settings or _kind(_held[0]) != _kind(folder)):
        close_engine()
    if _held is None:
        engine, chat = await _start(folder, settings)
    else:
        loaded, _, engine, chat = _held
        if loaded != folder:
            await _load(engine, folder)
    _held = (folder, settings, engine, chat)
    return EnginePolicy(name, engine, chat, settings.max_tokens)


def _kind(folder: Path) -> list[bytes]:
    """What two policies must share to take each other's place: the architecture and the tokenizer."""
    files = (folder / name for name in ("config.json", "tokenizer.json", "chat_template.jinja"))
    return [file.read_bytes() if file.is_file() else b"" for file in files]


def close_engine() -> None:
    """Give back the engine's memory; nothing happens where none runs."""
    global _held
    if _held is not None:
        _held[2].close()
        _held = None


async def _start(folder: Path, settings: EngineSettings) -> tuple[Engine, ChatFormat]:
    from transformers import AutoTokenizer

    chat = ChatFormat(AutoTokenizer.from_pretrained(folder))
    if settings.kind == "vllm":
        from rro.tasks.inference.vllm_engine import VllmEngine

        return VllmEngine(folder, settings), chat
    engine = await _remote(folder, settings, chat)
    await _load(engine, folder)
    return engine, chat


async def _load(engine: Engine, folder: Path) -> None:
    """Let the engine take the weights. One that fails to holds nobody knows which, and is closed."""
    global _held
    try:
        await engine.load(folder)
    except BaseException:
        _held = None
        engine.close()
        raise


async def _remote(folder: Path, settings: EngineSettings, chat: ChatFormat) -> Engine:
    """An engine outside this process, not yet asked anything."""
    from rro.tasks.inference.openai_engine import EndpointEngine, vocabulary_of
    from rro.tasks.inference.server import ServerEngine

    vocabulary = vocabulary_of(folder, chat)
    if settings.kind == "server":
        return ServerEngine(folder, settings, vocabulary)
    return EndpointEngine(settings.urls, settings, vocabulary, await _api_key(settings))


async def _api_key(settings: EngineSettings) -> str:
    """The endpoints' API key, or nothing. It goes into the engine and nowhere else."""
    if settings.api_key_secret:
        from prefect.blocks.system import Secret

        try:
            secret: Any = await Secret.aload(settings.api_key_secret)
        except ValueError as error:
            raise UserError(
                f"engine.api_key_secret = {settings.api_key_secret!r}: Prefect has no such Secret block; make one in "
                "its UI under Blocks, or leave the setting empty and use the environment variable of "
                "engine.api_key_env"
            ) from error
        key = str(secret.get())
    else:
        key = os.environ.get(settings.api_key_env, "")
    if not (key := key.strip()).isascii() or not key.isprintable():
        raise UserError("the API key of engine.urls holds characters that no HTTP header may hold")
    return key
