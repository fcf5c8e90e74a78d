"""The parent's side of the worker: starts it, asks it, and notices when a statement has ended it."""

import json
import os
import select
import subprocess
import sys
import weakref
from typing import Any

from rro.tasks.environments.intercode_sql import worker

WALL_FACTOR, WALL_EXTRA = 10.0, 60.0
"""The worker limits its own processor time; if it is silent for much longer than that, it is ended from here."""


class WorkerEnded(Exception):
    """The worker is gone; `code` is its exit code, negative for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the worker ended with {code}")
        self.code = code


class WorkerProcess:
    """One running worker. It ends when its standard input is closed, so at the latest with this process."""

    def __init__(self, limits: dict[str, Any]) -> None:
        # -P: nothing is imported from the folder that the user happens to be in.
        command = [sys.executable, "-P", "-m", worker.__name__, json.dumps(limits)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._patience = limits["seconds"] * WALL_FACTOR + WALL_EXTRA
        self.close = weakref.finalize(self, _end, self._process)
        """Ends the worker; called at the latest when nobody holds this object any more."""

    @property
    def pid(self) -> int:
        """Of the worker."""
        return self._process.pid

    def ask(self, *request: str) -> worker.Reply:
        """The worker's answer; `WorkerEnded` if there is none."""
        try:
            self._write(json.dumps(request).encode())
            rows, error = json.loads(self._read())
        except (BrokenPipeError, EOFError):
            self.close()
            raise WorkerEnded(self._process.returncode) from None
        return rows, error

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        rest = memoryview(worker.LENGTH.pack(len(data)) + data)
        while rest:
            rest = rest[os.write(self._process.stdin.fileno(), rest) :]

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        descriptor, data, size = self._process.stdout.fileno(), bytearray(), worker.LENGTH.size
        while len(data) < size:
            if not select.select([descriptor], [], [], self._patience)[0]:
                self._process.kill()
            part = os.read(descriptor, worker.AT_ONCE)
            if not part:
                raise EOFError
            data += part
            if size == worker.LENGTH.size and len(data) >= size:
                size += worker.LENGTH.unpack_from(data)[0]
        return bytes(data[worker.LENGTH.size :])


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
