"""The one engine of this process: started when a stage needs it, given back before a training."""

from pathlib import Path

from rro.tasks.exploration.policy import EnginePolicy
from rro.tasks.inference.dialogue import ChatFormat
from rro.tasks.inference.engine import Engine
from rro.tasks.settings import EngineSettings

_held: tuple[Path, EngineSettings, Engine, ChatFormat] | None = None


async def policy_on_engine(name: str, folder: Path, settings: EngineSettings) -> EnginePolicy:
    """The policy in `folder`, ready to act. An engine that already runs only takes its weights."""
    global _held
    if _held is not None and _held[1] != settings:
        close_engine()
    if _held is None:
        engine, chat = _start(folder, settings)
    else:
        loaded, _, engine, chat = _held
        if loaded != folder:
            await engine.load(folder)
    _held = (folder, settings, engine, chat)
    return EnginePolicy(name, engine, chat, settings.max_tokens)


def close_engine() -> None:
    """Give back the engine's memory; nothing happens where none runs."""
    global _held
    if _held is not None:
        _held[2].close()
        _held = None


def _start(folder: Path, settings: EngineSettings) -> tuple[Engine, ChatFormat]:
    from transformers import AutoTokenizer

    from rro.tasks.inference.vllm_engine import VllmEngine

    return VllmEngine(folder, settings), ChatFormat(AutoTokenizer.from_pretrained(folder))
