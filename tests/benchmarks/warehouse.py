"""What publishing and reading a shard takes: in a folder, and over S3 to a server on this machine.

Milliseconds, the median of many. Give the root of another checkout's sources as an argument to measure its folder
warehouse in turn with this one's, shard by shard, so that both meet the same load.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[2]
SHARD_ROWS = 2000
ROUNDS = 40
CODE = """
import json, sys, time
import pyarrow as pa
from rro.tasks.storage.tables import TABLES
from rro.tasks.storage.warehouse import Warehouse

rows = int(sys.argv[2])
warehouse = Warehouse.open(sys.argv[1])
empty = dict.fromkeys(TABLES["steps"].names)
steps = [empty | {"run": "r", "step": f"s{i}", "action": f"click[{i}]"} for i in range(rows)]
table = pa.Table.from_pylist(steps, schema=TABLES["steps"])
for line in sys.stdin:
    began = time.perf_counter()
    warehouse.publish("r", line.strip(), {"steps": table, "pairs": TABLES["pairs"].empty_table()})
    middle = time.perf_counter()
    assert warehouse.read("steps", "r", line.strip()).num_rows == rows
    print(json.dumps([middle - began, time.perf_counter() - middle]), flush=True)
"""


class Side:
    """A process that publishes and reads one shard when it is told to."""

    def __init__(self, name: str, sources: Path, root: str) -> None:
        self.name = name
        self.seconds: list[tuple[float, float]] = []
        packages = {**os.environ, "PYTHONPATH": str(packaged(sources))}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, root, str(SHARD_ROWS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=packages,
        )

    def do(self, shard: str) -> None:
        """Publish and read the shard."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(shard, file=self.process.stdin, flush=True)
        self.seconds.append(tuple(json.loads(self.process.stdout.readline())))

    def show(self) -> None:
        """Print medians, the first round left out."""
        publish, read = (1000 * median(column) for column in zip(*self.seconds[1:], strict=True))
        print(f"{publish:8.2f} {read:8.2f}  {self.name}")


def packaged(sources: Path) -> Path:
    """A folder in which `rro` is that checkout's."""
    folder = Path(tempfile.mkdtemp())
    (folder / "rro").mkdir()
    for name in ("flows", "tasks", "data"):
        (folder / "rro" / name).symlink_to(sources / name)
    return folder


def main() -> None:
    """Let all sides take turns."""
    sys.path.insert(0, str(HERE))
    from tests.storage.objects import ENVIRONMENT, serving

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with serving() as server, tempfile.TemporaryDirectory() as scratch:
        os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=server.endpoint, RRO_CACHE=f"{scratch}/cache")
        urllib.request.urlopen(urllib.request.Request(f"{server.endpoint}/bench", method="PUT"))
        sides = [Side("folder", HERE, f"{scratch}/folder"), Side("s3 on 127.0.0.1", HERE, "s3://bench/x")]
        if len(sys.argv) > 1:
            sides.append(Side(f"folder, {sys.argv[1]}", Path(sys.argv[1]).resolve(), f"{scratch}/other"))
        for number in range(ROUNDS):
            for side in sides:
                side.do(f"s{number % 5}")
        print(" publish     read  ms a shard of two parts, at", time.strftime("%H:%M"))
        for side in sides:
            side.show()
            side.process.kill()
            side.process.wait()


if __name__ == "__main__":
    main()
