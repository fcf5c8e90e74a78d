"""A run's lock on an object store: an object with its owner and a heartbeat, since no kernel drops it for the dead.

A lock is stale when its owner's process is seen to be gone on this machine, or when it has not been written for
`STALE` seconds by the store's own clock, so that no two machines' clocks need agree.
"""

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rro.tasks.errors import UserError
from rro.tasks.storage.store import ObjectStore

BEAT = 15.0
"""Seconds between two signs of life."""
STALE = 90.0
TRIES = 100
SETTLE = 1.0
"""Seconds after which a stolen lock is looked at again, where the store cannot refuse the second of two thieves."""

log = logging.getLogger(__name__)


@contextmanager
def lease(store: ObjectStore, key: str, what: str) -> Iterator[None]:
    """Hold `what` by the object `key` while the block runs; `UserError` at once if somebody else holds it."""
    owner = {
        "owner": secrets.token_hex(8),
        "host": socket.gethostname(),
        "place": _place(),
        "pid": os.getpid(),
    }
    _claim(store, key, what, owner)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(store, key, what, owner, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        _give_back(store, key, what, owner)


def _claim(store: ObjectStore, key: str, what: str, owner: dict[str, Any]) -> None:
    for _ in range(TRIES):
        if store.create(key, _signed(owner)):
            return
        content, version = store.seen(key)
        age = store.age(key)
        if content is None or age is None:  # Given back just now.
            continue
        held = _parsed(content)
        if held.get("owner") == owner["owner"]:  # The answer to our own request was lost on the way.
            return
        if age <= STALE and not _gone(held):
            raise UserError(
                f"{what}: another process (pid {held.get('pid', 'unknown')} on {held.get('host', 'unknown')}) is "
                f"writing it, last heard of {age:.0f} s ago; wait for it to end or stop it. If it was killed, its "
                f"lock falls {STALE:.0f} s after its last sign of life, or at once if you delete {store.address(key)}"
            )
        if _stolen(store, key, owner, version):
            return
    raise UserError(f"{what}: {store.address(key)} came and went {TRIES} times; see who else works on it")


def _stolen(store: ObjectStore, key: str, owner: dict[str, Any], version: str | None) -> bool:
    """Whether a dead owner's lock is ours now."""
    if not store.replace(key, _signed(owner), version):
        return False
    if version is None:
        time.sleep(SETTLE)
    return bool(_owner(store.read(key)) == owner["owner"])


def _beat(store: ObjectStore, key: str, what: str, owner: dict[str, Any], ended: threading.Event) -> None:
    """Sign again and again; stop when somebody else has taken the lock for dead."""
    while not ended.wait(BEAT):
        try:
            content, version = store.seen(key)
            if _owner(content) != owner["owner"] or not store.replace(key, _signed(owner), version):
                log.warning(
                    "%s: %s is another process's now, after a silence of this one; "
                    "both go on, and of each shard the last one published stays",
                    what,
                    store.address(key),
                )
                return
        except UserError as error:  # It is tried again; the lock lives for some beats more.
            log.warning("%s: no sign of life could be given: %s", what, error)


def _give_back(store: ObjectStore, key: str, what: str, owner: dict[str, Any]) -> None:
    """Remove the lock if it is still ours. What was done under it is done, whether that succeeds or not."""
    try:
        if _owner(store.read(key)) == owner["owner"]:
            store.remove(key)
    except UserError as error:
        log.warning("%s: its lock stays for %.0f s: %s", what, STALE, error)


def _signed(owner: dict[str, Any]) -> bytes:
    return json.dumps(owner | {"heartbeat": time.time()}, indent=2).encode()


def _parsed(content: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        value = json.loads(content)
        if isinstance(value, dict):
            return value
    return {}


def _owner(content: bytes | None) -> str | None:
    return None if content is None else _parsed(content).get("owner")


def _place() -> str | None:
    """What tells this machine's boot and process numbers from all others', containers' too; None if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _gone(held: dict[str, Any]) -> bool:
    """Whether the owner was a process of this machine and is no more."""
    pid = held.get("pid")
    if held.get("place") is None or held["place"] != _place() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
