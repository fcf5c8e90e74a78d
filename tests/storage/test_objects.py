"""Object stores: kills, lost answers, two writers, parts that go under a reader, and what a person is told."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import duckdb
import pytest

from rro.flows import cli
from rro.tasks import doctor
from rro.tasks.errors import UserError
from rro.tasks.storage import remote as remote_module
from rro.tasks.storage.queries import list_queries, run_query
from rro.tasks.storage.tables import TABLES
from rro.tasks.storage.views import connect, query, rebuild
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import build
from tests.storage.objects import Fault, Server
from tests.storage.shards import SHARD, listing, part_key, seconds, stages

LOST = "500 Internal Server Error"
WRITER = """
import os, sys
import pyarrow as pa
from rro.tasks.storage.tables import TABLES
from rro.tasks.storage.remote import RemoteStore
from rro.tasks.storage.warehouse import Warehouse

warehouse = Warehouse(sys.argv[1])

def publish(value):
    row = dict.fromkeys(TABLES["stages"].names) | {"run": "r", "stage": "sft", "seconds": value}
    warehouse.publish("r", "s", {"stages": pa.Table.from_pylist([row] * 50, schema=TABLES["stages"])})
"""


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", WRITER + script, *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


# Kills and lost answers.


@pytest.mark.parametrize("moment", ["replace", "_remove_parts"])
def test_a_writer_killed_before_or_after_its_manifest(s3: str, moment: str) -> None:
    warehouse = Warehouse.open(s3)
    warehouse.publish("r", "s", stages(1.0))
    owner = "RemoteStore" if moment == "replace" else "Warehouse"
    assert start(f"{owner}.{moment} = lambda *_: os._exit(9)\npublish(2.0)", s3).wait() == 9
    assert set(seconds(warehouse)) == {1.0 if moment == "replace" else 2.0}
    assert len(listing(warehouse)) == 3
    assert warehouse.sweep("r") == []  # Too young: its manifest may be on the way.
    assert len(warehouse.sweep("r", older_than=-1)) == 1
    assert len(listing(warehouse)) == 2
    warehouse.publish("r", "s", stages(3.0))
    assert seconds(warehouse) == [3.0]


def test_a_manifest_that_cannot_be_put_leaves_the_old_shard(
    s3: str, s3_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    warehouse = Warehouse.open(s3)
    warehouse.publish("r", "s", stages(1.0))
    s3_server.faults.append(Fault("PUT", "manifest.json", times=2, status=LOST))
    with pytest.raises(UserError, match=rf"{s3}/{SHARD}/manifest\.json: cannot write: .*internal error"):
        warehouse.publish("r", "s", stages(2.0))
    assert seconds(warehouse) == [1.0]
    warehouse.publish("r", "s", stages(3.0))
    assert seconds(warehouse) == [3.0]


@pytest.mark.parametrize("done_first", [False, True])
def test_an_answer_lost_once_is_asked_for_again(s3: str, s3_server: Server, done_first: bool) -> None:
    warehouse = Warehouse.open(s3)
    for method, ending in [("PUT", "manifest.json"), ("PUT", ".parquet"), ("DELETE", ".parquet")]:
        s3_server.faults.append(Fault(method, ending, status=LOST, done_first=done_first))
    for value in (1.0, 2.0):
        s3_server.faults.append(Fault("PUT", "manifest.json", status=LOST, done_first=done_first))
        warehouse.publish("r", "s", stages(value))
    s3_server.faults += [Fault("GET", ending, status=LOST) for ending in ("manifest.json", ".parquet", "/")]
    manifest = warehouse.finished("r", "s")
    assert manifest is not None
    assert (manifest.generation, seconds(warehouse)) == (2, [2.0])
    assert listing(warehouse) == ["manifest.json", "stages-2.parquet"]
    assert [fault.times for fault in s3_server.faults[:5]] == [0] * 5


def test_a_server_without_conditional_writes_is_written_without(s3: str, s3_server: Server) -> None:
    warehouse = Warehouse.open(s3)
    refused = {"status": "501 Not Implemented", "code": "NotImplemented"}
    s3_server.faults.append(Fault("PUT", "/lock", **refused))
    with warehouse.lock("r"), pytest.raises(UserError, match="another process"), Warehouse(s3).lock("r"):
        pytest.fail("two holders")
    for value in (1.0, 2.0):
        warehouse.publish("r", "s", stages(value))
    other = Warehouse(s3)
    s3_server.faults.append(Fault("PUT", "manifest.json", **refused))
    other.publish("r", "s", stages(3.0))
    assert seconds(warehouse) == [3.0]
    assert [fault.times for fault in s3_server.faults] == [0, 0]


# Two writers, and readers beside them.


def test_who_is_overtaken_at_its_manifest_sees_the_other_and_leaves_nothing(
    s3: str, s3_server: Server
) -> None:
    warehouse, other = Warehouse.open(s3), Warehouse(s3)
    warehouse.publish("r", "s", stages(1.0))
    s3_server.faults.append(
        Fault("PUT", "manifest.json", meanwhile=lambda: other.publish("r", "s", stages(2.0)))
    )
    assert warehouse.publish("r", "s", stages(3.0)).generation == 3
    assert seconds(warehouse) == [3.0]
    assert listing(warehouse) == ["manifest.json", "stages-2.parquet"]  # Named before it was overtaken.


def test_who_is_overtaken_by_a_discard_publishes_all_the_same(s3: str, s3_server: Server) -> None:
    warehouse, other = Warehouse.open(s3), Warehouse(s3)
    warehouse.publish("r", "s", stages(1.0))
    s3_server.faults.append(Fault("PUT", "manifest.json", meanwhile=lambda: other.discard("r", "s")))
    assert warehouse.publish("r", "s", stages(2.0)).generation == 1
    assert seconds(warehouse) == [2.0]


def at_once(*works: Callable[[], object]) -> None:
    """Do all of it at the same time; the first error is raised."""
    errors: list[BaseException] = []

    def caught(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=caught, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_two_writers_and_a_reader_at_once(remote: Warehouse) -> None:
    """Of two shards that are published at the same time the last one stays, whole, and no reader sees another."""
    remote.publish("r", "s", stages(*[0.0] * 20))
    ended = threading.Event()
    seen: list[int] = []

    def write(value: float) -> None:
        for _ in range(10):
            Warehouse(remote.url).publish("r", "s", stages(*[value] * 20))

    def read() -> None:
        while not ended.is_set():
            values = seconds(remote)
            assert len(values) == 20
            assert len(set(values)) == 1
            seen.append(1)

    reader = threading.Thread(target=lambda: at_once(read))
    reader.start()
    at_once(lambda: write(1.0), lambda: write(2.0))
    ended.set()
    reader.join()
    assert seen
    manifest = remote.finished("r", "s")
    assert manifest is not None
    assert set(seconds(remote)) < {1.0, 2.0}
    remote.sweep("r", older_than=-1)
    assert set(remote._store.files(SHARD)) == {"manifest.json", manifest.parts[0].file}


def test_two_processes_publish_one_shard(s3: str) -> None:
    warehouse = Warehouse.open(s3)
    script = "for _ in range(10):\n    publish(float(sys.argv[2]))"
    writers = [start(script, s3, value) for value in (1, 2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(seconds(warehouse)) == 50
    assert len(set(seconds(warehouse))) == 1
    manifest = warehouse.finished("r", "s")
    assert manifest is not None
    assert manifest.generation == 20
    assert len(listing(warehouse)) == 2


def test_a_part_that_goes_under_a_reader_is_read_anew(s3: str, s3_server: Server) -> None:
    warehouse, other = Warehouse.open(s3), Warehouse(s3)
    warehouse.publish("r", "s", stages(1.0))
    s3_server.faults.append(Fault("GET", ".parquet", meanwhile=lambda: other.publish("r", "s", stages(2.0))))
    assert seconds(warehouse) == [2.0]


def test_a_connection_whose_parts_are_gone_says_so_and_the_next_one_answers(remote: Warehouse) -> None:
    for shard in "st":
        remote.publish("r", shard, stages(1.0))
    connection = connect(remote)
    remote.publish("r", "t", stages(2.0))
    with pytest.raises(UserError, match=r"^SQL: "):
        query(connection, "FROM stages")
    assert query(connect(remote), "SELECT sum(seconds) AS sum FROM stages")["sum"].to_pylist() == [3.0]


# Questions.


def test_every_question_has_the_answer_it_has_on_a_folder(remote: Warehouse, little: Warehouse) -> None:
    build(remote.url)
    here, there = connect(little), connect(remote)
    for name in [*TABLES, "step_summary", "task_summary", "exploration_cost", "cost_per_pair", "shards"]:
        asked = (
            f"SELECT * EXCLUDE (bytes) FROM {name} ORDER BY ALL"
            if name == "shards"
            else f"FROM {name} ORDER BY ALL"
        )
        assert query(there, asked).equals(query(here, asked)), name
    for named in list_queries():
        assert run_query(there, named.name, "late").equals(run_query(here, named.name, "late")), named.name


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_parquet('{url}/secret.parquet')",
        "SELECT * FROM glob('{url}/*')",
        "COPY (SELECT 1) TO '{url}/stolen.csv'",
    ],
)
def test_sql_reads_nothing_but_the_parts(remote: Warehouse, sql: str) -> None:
    remote.publish("r", "s", stages(1.0))
    remote._store.write("secret.parquet", b"secret")
    with pytest.raises(UserError, match=r"^SQL: "):
        query(connect(remote), sql.format(url=remote.url))
    assert not remote._store.has("stolen.csv")


def test_the_file_of_views_lies_in_the_cache_and_reads_the_url(remote: Warehouse, tmp_path: Path) -> None:
    build(remote.url)
    path = rebuild(remote)
    assert path.is_relative_to(tmp_path / "cache")
    with duckdb.connect(path, read_only=True) as client:
        client.register_filesystem(remote.filesystem)
        assert client.execute("SELECT count(*) FROM candidates WHERE run = 'late'").fetchall() == [(12,)]
        assert client.execute("SELECT pairs FROM cost_per_pair WHERE run = 'late'").fetchall() == [(2,)]


# Damage and leftovers.


def test_files_beside_a_run_are_kept(warehouse: Warehouse) -> None:
    address = warehouse.save_file("r", "comparison.md", b"# Found")
    assert address == f"{warehouse.url}/runs/r/comparison.md"
    assert warehouse._store.read("runs/r/comparison.md") == b"# Found"


def test_age_is_told_by_the_stores_clock(remote: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.publish("r", "s", stages(1.0))
    real = remote_module.time.time
    monkeypatch.setattr(remote_module.time, "time", lambda: real() + 7200)
    age = Warehouse(remote.url)._store.age(part_key(remote))
    assert age is not None
    assert age < 60


# What a person is told.


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", "name a bucket, as in s3://bucket/prefix"),
        ("memory://a/../b", "name a bucket and a plain prefix"),
        ("nowhere://x", "no such protocol as nowhere://; take s3://, gs:// or a folder"),
        ("gs://x/y", r"warehouse gs://x/y: the package for gs:// is missing; pip install 'rro\[gcs\]'"),
        ("abfs://x/y", "warehouse abfs://x/y: the package for abfs:// is missing; install it"),
    ],
)
def test_an_url_that_nobody_can_open(url: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Warehouse.open(url)


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = import_module("fsspec.registry")._registry
    monkeypatch.delitem(loaded, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match=r"pip install 'rro\[s3\]'"):
        Warehouse("s3://bucket/x")


@pytest.mark.parametrize(
    "url", ["ftp://me:hunter2@host/x", "s3://AKIA:first/hunter2@bucket/x", "s3://a:b//hunter2@c"]
)
def test_a_password_in_an_url_is_neither_taken_nor_repeated(url: str) -> None:
    with pytest.raises(UserError, match="a password in the URL would be kept") as caught:
        Warehouse(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("path", ["bucket/me@home", "bucket/me@home:1", "bucket/9:30"])
def test_signs_that_make_no_password_are_taken(path: str) -> None:
    assert remote_module.RemoteStore("memory", path).url.endswith(path)


NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({}, "bucket does not exist; make the bucket, or choose another warehouse with --warehouse"),
        ({"AWS_ACCESS_KEY_ID": None}, "Unable to locate credentials; give credentials"),
        (
            {"AWS_ENDPOINT_URL": NOWHERE, "AWS_MAX_ATTEMPTS": "1"},
            f'Could not connect to the endpoint URL: "{NOWHERE}',
        ),
    ],
)
@pytest.mark.parametrize("use", ["open", "runs", "publish", "policy"])
def test_what_is_wrong_with_a_bucket(
    s3: str, monkeypatch: pytest.MonkeyPatch, broken: dict[str, str | None], message: str, use: str
) -> None:
    for name, value in broken.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    warehouse = Warehouse("s3://missing-bucket/x")
    uses: dict[str, Callable[[], object]] = {
        "open": lambda: Warehouse.open("s3://missing-bucket/x"),
        "runs": warehouse.runs,
        "publish": lambda: warehouse.publish("r", "s", stages(1.0)),
        "policy": lambda: warehouse.has_policy("p"),
    }
    with pytest.raises(UserError, match=r"^s3://missing-bucket/x\S*: cannot ") as caught:
        uses[use]()
    assert message in str(caught.value)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


# The command line.


def rro(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in this process."""
    code = 0
    try:
        cli.main(list(words))
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capfd.readouterr()


def test_commands_that_look_at_a_bucket(
    s3: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("RRO_WAREHOUSE", s3)
    assert rro(capfd, "runs")[1] == f"{s3}: no runs yet; start one with: rro run\n"
    build(s3)
    assert "stages only" in rro(capfd, "runs")[1]
    assert (
        rro(capfd, "sql", "SELECT count(*) AS n FROM candidates WHERE run = 'late'", "--format", "csv")[1]
        == "n\n12\n"
    )
    assert rro(capfd, "query", "exploration-cost", "--format", "csv")[0] == 0
    assert doctor.reachable(s3).found == f"{s3}: can be written and read"
    assert not doctor.reachable("s3://missing-bucket/x").ok
    code, _, err = rro(capfd, "runs", "--warehouse", "s3://missing-bucket/x")
    assert code == 2
    assert "make the bucket" in err
    assert "Traceback" not in err
