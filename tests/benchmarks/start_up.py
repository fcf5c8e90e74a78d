"""How long the command line takes to answer: the best of five, in seconds."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

RRO = Path(sys.executable).parent / "rro"
COMMANDS = ["--help", "run --help", "profiles", "query", "query exploration-cost"]


def seconds(words: list[str]) -> float:
    """Wall time of one command on an empty warehouse."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run([RRO, *words], cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - began


if __name__ == "__main__":
    for command in COMMANDS:
        best = min(seconds(command.split()) for _ in range(5))
        sys.stdout.write(f"{best:6.2f}  rro {command}\n")
