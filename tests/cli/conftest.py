from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rro.flows import cli
from rro.flows.command_line import run as run_module


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Rro = Callable[..., Ended]


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty warehouse that commands find by themselves."""
    monkeypatch.setenv("RRO_WAREHOUSE", str(tmp_path / "warehouse"))
    return tmp_path / "warehouse"


@pytest.fixture
def rro(warehouse: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rro:
    """Runs one command line in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> Ended:
        code = 0
        try:
            cli.main(list(words))
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands where the flows begin, which take minutes; holds what they were called with."""
    made: list[dict[str, Any]] = []

    def flow(name: str) -> Callable[..., Any]:
        async def called(**arguments: Any) -> str:
            made.append({"flow": name, **arguments})
            return str(arguments["run"])

        return called

    monkeypatch.setattr(run_module, "flow", flow)
    monkeypatch.setattr(run_module, "report", lambda store, name, where: None)
    return made
