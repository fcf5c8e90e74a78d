"""Keeps a server only as long as whoever started it lives: `python -m rro.tasks.inference.keeper FOLDER COMMAND...`.

The keeper reads its standard input, whose other end only its starter holds. When that end closes, because the starter
asks for it, ends or is killed, the server is asked to finish, and after a while everything it started is killed and
its folder removed. A death signal of the kernel would not do: it reaches one process of vLLM's three, and follows a
thread, not a process. It must be started as the leader of a process group, which it ends. It takes the standard
library alone, so that it starts at once.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 40.0
"""For requests under way to be answered, before what is left is killed."""
LEFT_SECONDS = 5.0
"""For what a server leaves behind when it ends: vLLM's engine and workers need up to four."""
LOOK_SECONDS = 0.2
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run the command until it ends or standard input does, then end all of this process group."""
    # The server's own children become ours when it dies, so that the end of the last one can be seen.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # A handler, since "ignore" would be inherited by the server.
    signal.signal(signal.SIGTERM, lambda *_: None)
    folder, *command = sys.argv[1:]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while not (given_up := closed(sys.stdin.fileno())) and server.poll() is None:
        pass
    # The server alone: its engine, asked at the same time, would drop what is being answered.
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(GRACE_SECONDS)
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + LEFT_SECONDS
    while children_left() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    if given_up:  # Else the starter still wants to read why the server ended.
        shutil.rmtree(folder, ignore_errors=True)
    if children_left():
        os.killpg(0, signal.SIGKILL)  # This process with them.


def closed(source: int) -> bool:
    """Whether the other end is closed, after a moment's look."""
    readable, _, _ = select.select([source], [], [], LOOK_SECONDS)
    return bool(readable) and not os.read(source, 1)


def children_left() -> bool:
    """Whether any child, or child of a child that has ended, still runs."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
        return True
    return False


if __name__ == "__main__":
    main()
