"""The virtual environment, where Python came with pip and where it did not."""

import functools
import hashlib
import http.server
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
WHEEL = "pip-9.10-py3-none-any.whl"


@pytest.fixture
def make_venv() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_venv", ROOT / "requirements" / "make_venv.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ran(make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been run."""
    commands: list[list[str]] = []
    monkeypatch.setattr(make_venv, "run", lambda *command: commands.append(list(command)))
    return commands


def without(make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """Let Python look as if modules and programs were not there."""
    monkeypatch.setattr(make_venv.importlib.util, "find_spec", lambda name: None if name in missing else name)
    monkeypatch.setattr(make_venv.shutil, "which", lambda name: None if name in missing else name)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)


@pytest.mark.slow
def test_an_environment_with_pip_is_made_once(make_venv: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    make_venv.main(str(folder))
    (folder / "kept").touch()
    make_venv.main(str(folder))
    assert (folder / "kept").exists()
    subprocess.run([folder / "bin" / "python", "-m", "pip", "--version"], check=True, capture_output=True)


def test_an_old_python_is_refused(make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit, match=r"needs Python 3.11 or newer; .* is 3.9.2"):
        make_venv.main("unused")


def test_pip_of_this_python_serves_where_ensurepip_is_missing(
    make_venv: ModuleType, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    without(make_venv, monkeypatch, "ensurepip")
    make_venv.main("somewhere")
    assert ran == [
        [sys.executable, "-m", "venv", "--clear", "--without-pip", "somewhere"],
        [sys.executable, "-m", "pip", "--python", "somewhere/bin/python", "install", "--quiet", "pip"],
    ]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index on this machine that lists pip."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / WHEEL).write_bytes(b"a wheel")
    digest = hashlib.sha256(b"a wheel").hexdigest()
    (tmp_path / "pip" / "index.html").write_text(
        '<a href="pip-9.9-py3-none-any.whl">old</a> <a href="pip-10.0b1-py3-none-any.whl">beta</a>'
        f'<a href="{WHEEL}#sha256={digest}">new</a> <a href="pip-9.10.tar.gz">source</a>'
    )
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_pip_comes_from_the_named_index(
    make_venv: ModuleType, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    without(make_venv, monkeypatch, "ensurepip", "pip")
    monkeypatch.setenv("PIP_INDEX_URL", index)
    make_venv.main("somewhere")
    (_, install) = ran
    assert install[1].endswith(f"/{WHEEL}/pip")
    assert install[-1].endswith(f"/{WHEEL}")


def test_a_wheel_with_another_checksum_is_refused(
    make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch, index: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index)
    assert make_venv.wheel_from_index(tmp_path).read_bytes() == b"a wheel"
    (tmp_path / "pip" / WHEEL).write_bytes(b"another")
    with pytest.raises(SystemExit, match="checksum"):
        make_venv.wheel_from_index(tmp_path)


def test_pip_comes_from_debian_where_no_index_is_named(
    make_venv: ModuleType, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without(make_venv, monkeypatch)
    unpacked = tmp_path / "usr" / "share" / "python-wheels"
    unpacked.mkdir(parents=True)
    (unpacked / WHEEL).touch()
    (tmp_path / "python3-pip-whl.deb").touch()
    fetched = subprocess.CompletedProcess[str]([], 0)
    monkeypatch.setattr(make_venv.subprocess, "run", lambda *_, **__: fetched)
    assert make_venv.wheel_from_debian(tmp_path) == unpacked / WHEEL
    assert ran == [["dpkg-deb", "-x", str(tmp_path / "python3-pip-whl.deb"), str(tmp_path)]]


def test_the_way_out_is_named_where_nothing_works(
    make_venv: ModuleType, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without(make_venv, monkeypatch, "ensurepip", "pip", "apt-get")
    folder = tmp_path / "venv"
    folder.mkdir()
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        make_venv.main(str(folder))
    assert not folder.exists()
