"""A MariaDB server of the tests: on a free port of this machine, with a data folder of its own, ended by its id."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rro.tasks.errors import UserError

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
SERVER = shutil.which("mariadbd", path=PLACES)
INSTALL = shutil.which("mariadb-install-db", path=PLACES)
MISSING = None if SERVER and INSTALL else "mariadbd is not installed (Debian's package is mariadb-server)"
START_SECONDS = 60


@dataclass
class MariaDb:
    """A server that runs."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def admin(self) -> str:
        """The address of its administrator, who has no password."""
        return self.url("root")

    def url(self, user: str) -> str:
        return f"mysql://{user}@127.0.0.1:{self.port}"

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a statement, asked as the administrator."""
        from rro.tasks.environments.intercode_sql.mysql_address import read_address
        from rro.tasks.environments.intercode_sql.mysql_session import Session

        session = Session(read_address(self.admin, "NO_PASSWORD"))
        try:
            return list(session.ask(sql))
        finally:
            session.close()

    def memory(self) -> int:
        """The most memory it has held so far, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(folder: Path, *options: str) -> Iterator[MariaDb]:
    """A server with an empty data folder; its folder must be short, a socket lies in it."""
    make_folder(folder)
    server = start(folder, *options)
    try:
        yield server
    finally:
        server.stop()
        for made in (folder, _temporaries(folder)):
            shutil.rmtree(made, ignore_errors=True)


def make_folder(folder: Path) -> None:
    small = [
        "--innodb-log-file-size=4M",
        "--innodb-use-native-aio=0",
        "--skip-test-db",
        "--skip-name-resolve",
    ]
    install = [str(INSTALL), "--no-defaults", f"--datadir={folder}", *small]
    install += [*_as_root(), _own_temporaries(folder), "--auth-root-authentication-method=normal"]
    ended = subprocess.run(install, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"no data folder: {ended.stdout}{ended.stderr}")


def start(folder: Path, *options: str, port: int = 0) -> MariaDb:
    port = port or free_port()
    files = [
        f"--datadir={folder}",
        f"--socket={folder}/s",
        f"--pid-file={folder}/pid",
        f"--log-error={folder}/log",
    ]
    small = [
        "--innodb-buffer-pool-size=32M",
        "--innodb-log-file-size=4M",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    network = ["--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"]
    like_upstream = ["--lower-case-table-names=1", "--skip-log-bin"]
    process = subprocess.Popen(
        [
            str(SERVER),
            "--no-defaults",
            *_as_root(),
            _own_temporaries(folder),
            *files,
            *small,
            *network,
            *like_upstream,
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = MariaDb(folder, port, process)
    try:
        _wait(server)
    except BaseException:
        server.stop()
        raise
    return server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: MariaDb) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            server.ask("SELECT 1")
            return
        except UserError:
            log = server.folder / "log"
            ended = server.process.poll() is not None
            if ended or time.monotonic() > until:
                raise RuntimeError(f"no server: {log.read_text() if log.is_file() else 'no log'}") from None
            time.sleep(0.05)


def _temporaries(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-tmp")


def _own_temporaries(folder: Path) -> str:
    # A server that starts removes all temporary tables in this folder, those of other servers too.
    _temporaries(folder).mkdir(parents=True, exist_ok=True)
    return f"--tmpdir={_temporaries(folder)}"


def _as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


def everything(server: MariaDb) -> dict[str, object]:
    """All that an attack might change on a server."""
    names = server.ask(
        "SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables "
        "WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'sys', 'mysql') ORDER BY 1"
    )
    system = (
        "mysql.global_priv, mysql.db, mysql.tables_priv, mysql.proc, mysql.func, mysql.plugin, mysql.event"
    )
    return {
        "rows": server.ask(f"CHECKSUM TABLE {', '.join(str(row[0]) for row in names)} EXTENDED"),
        "definitions": [server.ask(f"SHOW CREATE TABLE {row[0]}") for row in names],
        "databases": server.ask("SHOW DATABASES"),
        "system": server.ask(f"CHECKSUM TABLE {system} EXTENDED"),
        "variables": server.ask("SHOW GLOBAL VARIABLES WHERE Variable_name NOT LIKE 'gtid%'"),
    }


def is_quiet(server: MariaDb, user: str) -> bool:
    """Whether soon nothing runs in the name of a user."""
    running = (
        f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{user}' AND command = 'Query'"
    )
    for _ in range(200):
        if server.ask(running) == [(0,)]:
            return True
        time.sleep(0.05)
    return False
