"""A little OpenAI-compatible server: an answer is a function of weights, prompt and seed, and so can be foretold.

In a thread of the test (`running`), which can then change how it behaves; or as a process to kill:
`python -m tests.inference.little_server PORT MOST` answers MOST requests, and the others once it gets SIGUSR1.
"""

import asyncio
import json
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import uvicorn

STOP = 2
VOCABULARY = 380  # Fewer than any tokenizer of these tests has.
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


def drawn(policy: str, prompt: list[int], seed: int, most: int) -> tuple[list[int], str]:
    """The tokens without the stop token, and the finish reason."""
    random = Random(f"{policy} {prompt} {seed}")
    tokens = [random.randrange(5, VOCABULARY) for _ in range(random.randrange(most + 1))]
    return tokens, "stop" if len(tokens) < most else "length"


class Little:
    """One server's state, which a test may change while it runs."""

    def __init__(self, policy: str = "", most: float = math.inf) -> None:
        self.policy = policy
        self.most = most
        """Completions that are answered for now."""
        self.held = False
        """Whether none is."""
        self.models = {"base": 1000}
        self.key = ""
        self.health = 200
        self.dev_mode, self.extension, self.device = True, True, "cpu"
        self.token_ids, self.strict, self.usage = True, False, True
        self.next: list[Answer | Callable[[dict[str, Any]], Answer]] = []
        """Answers to the next completions, before it goes on as usual."""
        self.asked: list[dict[str, Any]] = []
        self.loads: list[str] = []
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, extra, content = await self.answer(
            scope["path"], headers, json.loads(body) if body not in (b"", b"null") else {}
        )
        listed = [
            (b"content-type", b"application/json"),
            *((k.encode(), v.encode()) for k, v in extra.items()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": content})

    async def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        if self.key and path.startswith("/v1") and headers.get("authorization") != f"Bearer {self.key}":
            given = headers.get("authorization", "")
            return said(401, f"Incorrect API key provided: {given}")
        if path == "/health":
            return self.health, {}, b""
        if path == "/v1/models":
            listed = [{"id": name, "max_model_len": length} for name, length in self.models.items()]
            return ok({"object": "list", "data": listed})
        if path == "/v1/completions":
            return await self.complete(body)
        if self.dev_mode:
            return self.develop(path, body)
        return said(404, "Not Found")

    async def complete(self, body: dict[str, Any]) -> Answer:
        self.asked.append(body)
        if self.next:
            scripted = self.next.pop(0)
            return scripted(body) if callable(scripted) else scripted
        if self.strict and "return_token_ids" in body:
            return said(400, "Unrecognized request argument supplied: return_token_ids")
        if body["model"] not in self.models:
            return said(404, f"The model `{body['model']}` does not exist.")
        number = len(self.asked)
        while self.held:
            await asyncio.sleep(0.01)
        while number > self.most:
            await asyncio.sleep(0.5)
        return ok(self.completion(body))

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        tokens, reason = drawn(self.policy, body["prompt"], body["seed"], body["max_tokens"])
        generated = tokens + [STOP] * (reason == "stop")
        choice: dict[str, Any] = {"index": 0, "text": " ".join(map(str, tokens)), "finish_reason": reason}
        if self.token_ids and not self.strict:
            choice |= {"token_ids": generated, "prompt_token_ids": body["prompt"]}
        usage = {
            "prompt_tokens": len(body["prompt"]),
            "completion_tokens": len(generated),
            "prompt_tokens_details": {"cached_tokens": 3},
        }
        return {"object": "text_completion", "choices": [choice], **({"usage": usage} if self.usage else {})}

    def develop(self, path: str, body: dict[str, Any]) -> Answer:
        if path == "/server_info":
            return ok({"vllm_config": {"device_config": {"device": self.device}}})
        if path == "/reset_prefix_cache":
            return ok({"success": True})
        if body["method"] == "load_policy" and not self.extension:
            return said(500, "Worker failed with error ''CPUWorker' object has no attribute 'load_policy''")
        folder = body["kwargs"].get("folder") or body["kwargs"]["weights_path"]
        if folder == "/nowhere":
            return said(500, "Worker failed with error 'Repo id must be in the form'")
        self.loads.append(f"{body['method']} {folder}")
        self.policy = folder
        return ok({"results": [None]})


def ok(body: Any) -> Answer:
    return 200, {}, json.dumps(body).encode()


def said(status: int, message: str, **headers: str) -> Answer:
    return status, headers, json.dumps({"error": {"message": message, "code": status}}).encode()


@contextmanager
def running(little: Little, port: int = 0, path: str = "", **options: Any) -> Iterator[Little]:
    """Serve in a thread while the block runs, on a port or a Unix socket; at its end it drops who still waits.

    `options` are uvicorn's.
    """
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(path or ("127.0.0.1", port))
        little.url = f"unix:{path}" if path else f"http://127.0.0.1:{listening.getsockname()[1]}"
        options = {"backlog": 4096, "log_level": "critical", "lifespan": "off", **options}
        config = uvicorn.Config(little, timeout_graceful_shutdown=0, **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield little
        finally:
            server.should_exit = True
            thread.join()


def main() -> None:
    port, most = sys.argv[1:]
    little = Little(most=float(most))
    signal.signal(signal.SIGUSR1, lambda *_: setattr(little, "most", math.inf))
    uvicorn.run(little, port=int(port), log_level="critical", lifespan="off", backlog=4096)


if __name__ == "__main__":
    main()
