"""The keeper ends a server with its starter, however either ends, and lets it finish first where it can."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inference.processes import group, until_gone

SERVER = """
import signal, subprocess, sys, time
engine = subprocess.Popen(["sleep", "600"])
stubborn = subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
def finish(*_):
    time.sleep(0.5)
    with open(sys.argv[1], "w") as file:
        file.write("finished" if engine.poll() is None else "the engine was gone")
    sys.exit()
signal.signal(signal.SIGTERM, finish)
print(engine.pid, flush=True)
while True:
    time.sleep(1)
"""
STARTER = """
import subprocess, sys, time
keeper = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)
print(keeper.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A starter of a kept server that has children, one of which ignores SIGTERM; and the keeper's process id."""
    (tmp_path / "folder").mkdir()
    kept = [sys.executable, "-c", SERVER, str(tmp_path / "told")]
    words = ["-m", "rro.tasks.inference.keeper", str(tmp_path / "folder"), *kept]
    command = [sys.executable, "-c", STARTER, sys.executable, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        keeper = int(starter.stdout.readline())
        assert starter.stdout.readline()
        assert len(group(keeper)) >= 4
        yield starter, keeper
        starter.kill()
        until_gone(keeper)


def test_a_killed_starter_leaves_nothing_and_its_server_finishes(
    started: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    starter, keeper = started
    starter.kill()
    until_gone(keeper)
    assert (tmp_path / "told").read_text() == "finished"
    assert not (tmp_path / "folder").exists()


def test_a_killed_server_leaves_nothing_but_its_folder_to_read(
    started: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    _, keeper = started
    (server,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    os.kill(int(server), signal.SIGKILL)
    until_gone(keeper)
    assert (tmp_path / "folder").exists()


def test_a_server_is_kept_while_its_starter_lives(started: tuple[subprocess.Popen[str], int]) -> None:
    _, keeper = started
    before = group(keeper)
    time.sleep(1.0)
    assert set(before) & set(group(keeper))
    assert len(group(keeper)) >= 4
