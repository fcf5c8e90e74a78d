"""Prefect's temporary server, started where Ctrl-C does not reach it.

A terminal sends Ctrl-C to every process in front of it. A server that dies of it leaves the flows waiting for
ever to report that they were stopped, so it gets a session of its own, and ends with this process instead.
"""

import ctypes
import signal
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

PR_SET_PDEATHSIG = 1


def start_server() -> None:
    """Start the server that Prefect would start by itself, if no other one is set."""
    from prefect.client.base import ServerType, determine_server_type
    from prefect.server.api import server

    if determine_server_type() != ServerType.EPHEMERAL:
        return
    detached = partial(subprocess.Popen, start_new_session=True, preexec_fn=end_with_parent)
    # Prefect offers no way to say how; every later user takes the instance that is started here.
    vars(server)["subprocess"] = SimpleNamespace(**{**vars(subprocess), "Popen": detached})
    server.SubprocessASGIServer().start()


def end_with_parent() -> None:
    """Let the kernel end this process when the one that started it is gone, even by kill -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
