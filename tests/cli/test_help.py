"""Help pages: complete, and fast because nothing heavy is loaded for them."""

import re
import subprocess
import sys

import pytest

from rro.flows.cli import COMMANDS
from rro.flows.command_line.flags import leaves
from rro.tasks.settings import Settings
from tests.cli.conftest import Rro

HEAVY = {
    "prefect",
    "torch",
    "vllm",
    "trl",
    "transformers",
    "pandas",
    "pyarrow",
    "duckdb",
    "numpy",
    "datasets",
}
LOADED = """
import sys
from rro.flows.cli import main
try:
    main({words})
except SystemExit as end:
    assert not end.code
print("loaded:", *sorted({heavy} & set(sys.modules)))
"""


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["profiles"], ["sql", "--help"]])
def test_nothing_heavy_is_loaded(words: list[str]) -> None:
    code = LOADED.format(words=words, heavy=HEAVY)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "loaded:"


def test_help_lists_every_command(rro: Rro) -> None:
    ended = rro("--help")
    assert ended.code == 0
    assert all(f"{name} " in ended.out and title in ended.out for name, (_, title) in COMMANDS.items())


@pytest.mark.parametrize("command", ["run", "stage"])
def test_help_lists_every_setting(rro: Rro, command: str) -> None:
    shown = rro(command, "--help").out.replace("\n", " ")
    missing = [
        ".".join(path)
        for path, *_ in leaves(Settings)
        if f"--{'.'.join(path).replace('_', '-')}" not in shown.replace(" ", "")
    ]
    assert missing == []


def test_help_tells_meaning_bounds_and_default(rro: Rro) -> None:
    shown = " ".join(rro("run", "--help").out.replace("│", " ").split())
    assert "m: rollouts that score one candidate. [at least 1; default: 5]" in shown
    assert re.search(r"\[at least \d+; multiple of \d+; default: \d+\]", shown)
    assert "[--environment.options.KEY VALUE]" in shown
    assert shown.index("Settings: sft") < shown.index("Settings: explore") < shown.index("Settings: dpo")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(rro: Rro, command: str) -> None:
    ended = rro(command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert COMMANDS[command][1] in " ".join(ended.out.split())
