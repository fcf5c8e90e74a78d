"""Prefect's temporary server outlives Ctrl-C, and nothing else."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rro.flows.command_line.server import start_server

DRIVER = """
import signal, time
from rro.tasks.process import prepare_environment
prepare_environment()
from rro.flows.command_line.server import start_server
start_server()
from prefect.server.api.server import SubprocessASGIServer
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(SubprocessASGIServer().server_process.pid, flush=True)
time.sleep(120)
"""


@pytest.mark.slow
def test_ctrl_c_does_not_reach_the_server_and_kill_9_ends_it() -> None:
    command = [sys.executable, "-c", DRIVER]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    server = int(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(2)
    assert running(server)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while running(server):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def running(process: int) -> bool:
    """Whether a process is there and has not ended."""
    command = ["ps", "-o", "stat=", "-p", str(process)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.strip()[:1] not in ("", "Z")


def test_none_is_started_where_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.server.api import server
    from prefect.settings import PREFECT_API_URL, temporary_settings

    started: list[bool] = []
    monkeypatch.setattr(server.SubprocessASGIServer, "start", lambda self: started.append(True))
    monkeypatch.setitem(vars(server), "subprocess", subprocess)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        start_server()
    assert started == []
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        start_server()
    assert started == [True]
