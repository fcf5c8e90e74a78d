"""Four pipelines at once: one warehouse, and one Prefect server whose database is PostgreSQL."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from rro.flows.command_line.server import end_with_parent
from rro.tasks.storage.warehouse import Warehouse
from tests.faults.started import SECONDS, descendants, free_port, kill, rro
from tests.flows.mini import PROFILE, Ran

SEEDS = range(4)
ALL_SECONDS = 1500
DEBIAN = "/usr/lib/postgresql/*/bin"


def programs() -> Path | None:
    """Where PostgreSQL's programs are: on the path, or where Debian keeps them."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    return max(Path("/").glob(f"{DEBIAN[1:]}/"), key=lambda folder: float(folder.parent.name), default=None)


PROGRAMS = programs()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(ALL_SECONDS + 3 * SECONDS),
    pytest.mark.skipif(
        PROGRAMS is None, reason=f"PostgreSQL is not installed: no initdb on the path or in {DEBIAN}"
    ),
    pytest.mark.skipif(
        os.geteuid() == 0 and shutil.which("setpriv") is None,
        reason="PostgreSQL refuses to run as root, and setpriv, which could give the rights up, is not there",
    ),
]


@contextmanager
def running(words: list[str], log: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A server, ended with the block: asked first, so that PostgreSQL gives its shared memory back."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            words,
            stdout=out,
            stderr=out,
            env={**os.environ, **environment},
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        yield process
    finally:
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        kill(process, *below)


@contextmanager
def postgresql(log: Path) -> Iterator[str]:
    """PostgreSQL on an empty database; its address as SQLAlchemy wants it."""
    assert PROGRAMS is not None
    folder, port, become = Path(tempfile.mkdtemp(prefix="rro-postgresql-")), free_port(), []
    if os.geteuid() == 0:
        user = next(found for name in ("postgres", "nobody") if (found := known(name)))
        os.chown(folder, user.pw_uid, user.pw_gid)
        become = [
            "setpriv",
            f"--reuid={user.pw_uid}",
            f"--regid={user.pw_gid}",
            "--clear-groups",
            "--pdeathsig=INT",
            "--",
        ]
    data = f"--pgdata={folder / 'data'}"
    reached = ["--host=127.0.0.1", f"--port={port}", "--username=rro"]
    server = [
        str(PROGRAMS / "postgres"),
        "-D",
        str(folder / "data"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-F",
    ]
    try:
        subprocess.run(
            [*become, str(PROGRAMS / "initdb"), data, "--username=rro", "--auth=trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        with running([*become, *server, "-c", "unix_socket_directories="], log) as process:
            wait_until(
                lambda: subprocess.run([str(PROGRAMS / "pg_isready"), *reached], check=False).returncode == 0,
                process,
                log,
            )
            for program, *words in (("createuser", "prefect"), ("createdb", "--owner=prefect", "prefect")):
                subprocess.run([str(PROGRAMS / program), *reached, *words], check=True)
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def known(user: str) -> pwd.struct_passwd | None:
    return next((found for found in pwd.getpwall() if found.pw_name == user), None)


@contextmanager
def prefect(database: str, folder: Path) -> Iterator[str]:
    """`prefect server start` on a database; the address of its API."""
    port, log = free_port(), folder / "server.log"
    words = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    place = {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
    with running(words, log, **place) as process:
        url = f"http://127.0.0.1:{port}/api"
        wait_until(lambda: healthy(url), process, log)
        yield url


def healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False


def wait_until(happened: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.3)


def run_all(folder: Path) -> dict[int, str]:
    """Four pipelines at once; seed to what each that failed said."""
    with ExitStack() as stack:
        commands = {
            seed: stack.enter_context(
                rro(folder / f"seed {seed}", "run", "--profile", str(PROFILE), "--seed", str(seed))
            )
            for seed in SEEDS
        }
        deadline = time.monotonic() + ALL_SECONDS
        for command in commands.values():
            command.process.wait(deadline - time.monotonic())
        return {seed: command.err for seed, command in commands.items() if command.process.returncode}


def pipelines(url: str) -> dict[str, str]:
    """Name to state of every pipeline that the server knows."""
    found = httpx.post(
        f"{url}/flow_runs/filter", json={"flows": {"name": {"any_": ["pipeline"]}}}, timeout=60
    )
    return {run["name"]: run["state_name"] for run in found.raise_for_status().json()}


def test_four_pipelines_at_once_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgresql(tmp_path / "postgresql.log") as database, prefect(database, tmp_path) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        assert run_all(tmp_path) == {}
        in_prefect = pipelines(url)
    store = Warehouse(tmp_path / "warehouse")
    assert len(store.runs()) == len(SEEDS)
    assert in_prefect == {f"pipeline {run}": "Completed" for run in store.runs()}
    rows = [row for run in store.runs() for row in Ran(store, run).rows("runs")]
    assert {(row["seed"], row["status"]) for row in rows} == {(seed, "finished") for seed in SEEDS}
    assert "database is locked" not in (tmp_path / "server.log").read_text()
