"""A server that speaks S3 over HTTP on 127.0.0.1, with faults on demand.

It is moto's: of the servers that speak S3 it is the one on PyPI that needs no binary, no container and no network,
and starts in milliseconds. It knows conditional writes (If-Match, If-None-Match), as AWS and MinIO do.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from moto.server import ThreadedMotoServer

# vLLM looks at every name of every module when it starts, and flask's raise where there is no request: other tests of
# the same process may start an engine.
Flask("tests", root_path=".").test_request_context().push()

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "the-secret-key",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
ERROR = "<Error><Code>{}</Code><Message>We encountered an internal error.</Message></Error>"


@dataclass
class Fault:
    """What befalls the next `times` requests of a method whose path ends so."""

    method: str
    ending: str
    times: int = 1
    status: str = ""
    """What is answered instead; the request goes through where this is empty."""
    code: str = "InternalError"
    done_first: bool = False
    """Whether the request is carried out before, so that only its answer is lost."""
    meanwhile: Callable[[], object] | None = None
    """Called before anything else."""


@dataclass
class Server:
    """The server's address, what was asked of it, and the faults to come."""

    endpoint: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: "Counter[tuple[str, str]]" = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _writes: threading.Lock = field(default_factory=threading.Lock)

    def wrap(self, served: Application) -> Application:
        def inner(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] not in ("PUT", "DELETE"):
                return served(environ, start_response)
            with self._writes:  # moto looks at a condition and then writes; S3 does both at once.
                return list(served(environ, start_response))

        def outer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            fault = self._next(environ["REQUEST_METHOD"], environ["PATH_INFO"])
            if fault is None:
                return inner(environ, start_response)
            if fault.meanwhile:
                fault.meanwhile()
            if fault.done_first:
                list(inner(environ, lambda *_: lambda _: None))
            if not fault.status:
                return inner(environ, start_response)
            start_response(fault.status, [("Content-Type", "application/xml")])
            return [ERROR.format(fault.code).encode()]

        return outer

    def _next(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.asked[method, path] += 1
            for fault in self.faults:
                if fault.times and fault.method == method and path.endswith(fault.ending):
                    fault.times -= 1
                    return fault
        return None

    def count(self, method: str, part: str) -> int:
        """How many requests of a method had `part` in their path."""
        return sum(times for (used, path), times in self.asked.items() if used == method and part in path)


@contextmanager
def serving() -> Iterator[Server]:
    """Start the server, for as long as the block runs."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    server = Server("http://{}:{}".format(*moto.get_host_and_port()))
    inner = moto._server
    assert inner is not None
    inner.app = server.wrap(inner.app)  # type: ignore[attr-defined]
    try:
        yield server
    finally:
        moto.stop()
