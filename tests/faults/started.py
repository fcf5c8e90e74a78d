"""Commands that a test starts, watches and ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.flows.mini import PLUGIN

SECONDS = 600


@dataclass
class Started:
    """A command under way, and where what it says goes."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    def wait_for(self, happened: Callable[[], bool], what: str) -> None:
        """Watch the warehouse until something is there; the command must not end before."""
        deadline = time.monotonic() + SECONDS
        while not happened():
            assert self.process.poll() is None, f"ended before {what}: {self.err}"
            assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
            time.sleep(0.003)

    def end(self, how: signal.Signals | None = None) -> int:
        """Its exit code, after a signal or by itself; what it started must end with it."""
        below = descendants(self.process.pid)
        if how is not None:
            self.process.send_signal(how)
        code = self.process.wait(SECONDS)
        deadline = time.monotonic() + 30
        while left := [pid for pid in below if alive(pid)]:
            assert time.monotonic() < deadline, f"left behind: {[command_of(pid) for pid in left]}"
            time.sleep(0.05)
        return code


def descendants(pid: int) -> list[int]:
    try:
        threads = Path(f"/proc/{pid}/task").glob("*/children")
        children = [int(child) for thread in threads for child in thread.read_text().split()]
    except FileNotFoundError:
        return []
    return [found for child in children for found in (child, *descendants(child))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def kill(process: "subprocess.Popen[bytes]", *more: int) -> None:
    """End a process and all that it started, as if their machine had lost power, and `more` by their pids."""
    below = descendants(process.pid)
    if process.poll() is None:
        process.kill()
    for pid in (*below, *more):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def rro(folder: Path, *words: str) -> Iterator[Started]:
    """`rro` with a Prefect home apart from everybody's. Whatever it leaves running is ended, and only that."""
    folder.mkdir()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(folder.parent / "prefect"),
        "PYTHONPATH": os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")]),
        "RRO_WAREHOUSE": str(folder.parent / "warehouse"),
        "COLUMNS": "120",
    }
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "rro.flows.cli", *words],
            stdout=out,
            stderr=err,
            env=environment,
            start_new_session=True,
        )
        try:
            yield Started(process, folder)
        finally:
            if process.poll() is None:
                kill(process)
