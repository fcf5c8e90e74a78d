"""The built wheel, installed elsewhere and run from another folder, does what the checkout does."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKOUT = Path(sys.executable).parent
pytestmark = pytest.mark.slow

LOAD = """
from pathlib import Path
import rro.data, rro.flows, rro.tasks
from rro.tasks.environments.base import environment_class
from rro.tasks.settings import load_settings
settings = load_settings("quickstart")
kind = environment_class("webshop")
shop = kind(kind.Options.model_validate(settings.environment.options))
print(settings.digest(), shop.digest, *(f"{split}={len(shop.tasks(split))}" for split in shop.splits))
"""


@dataclass(frozen=True)
class Built:
    wheel: Path
    sdist: Path
    programs: Path
    """Folder of `python` and `rro` of an environment with the wheel."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("wheel")
    # The sdist is built first and the wheel from it, so that what the sdist lacks the wheel lacks too.
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    programs = folder / "venv" / "bin"
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # A path in a .pth file gives the dependencies, but does not run the checkout's own editable hook.
    (packages / "dependencies.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    return Built(wheel, sdist, programs)


def output(programs: Path, folder: Path, *words: str) -> str:
    """What a program of an environment prints when it is started in `folder`."""
    command = [str(programs / words[0]), *words[1:]]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_wheel_s_own_code_runs(built: Built, tmp_path: Path) -> None:
    places = output(built.programs, tmp_path, "python", "-c", "import rro.tasks; print(rro.tasks.__file__)")
    assert places.startswith(str(built.programs.parent))


@pytest.mark.parametrize(
    "words",
    [
        ["rro", "--version"],
        ["rro", "--help"],
        ["rro", "run", "--help"],
        ["rro", "profiles"],
        ["rro", "query"],
        ["rro", "query", "gate", "--format", "json"],
        ["rro", "sql", "SELECT count(*) AS pairs FROM pairs"],
        ["python", "-c", LOAD],
    ],
    ids=lambda words: " ".join(words[:3])[:24],
)
def test_it_says_what_the_checkout_says(built: Built, tmp_path: Path, words: list[str]) -> None:
    told = output(built.programs, tmp_path, *words)
    assert told == output(CHECKOUT, tmp_path, *words)
    assert told.strip()


def test_doctor_finds_it_healthy(built: Built, tmp_path: Path) -> None:
    _, *rows = output(built.programs, tmp_path, "rro", "doctor").splitlines()
    assert {row.split()[0] for row in rows} == {"ok"}
    assert len(rows) >= 17


def test_everything_it_needs_travels_and_nothing_else(built: Built) -> None:
    names = zipfile.ZipFile(built.wheel).namelist()
    shipped = {str(path.relative_to(ROOT / "data")) for path in shipped_data()}
    assert {name.removeprefix("rro/data/") for name in names if name.startswith("rro/data/")} == shipped
    assert {"profiles/quickstart.toml", "sql/views.sql"} <= shipped
    assert {name.partition("/")[0] for name in names} == {"rro", "rro-0.1.0.dist-info"}
    assert "rro/tasks/py.typed" in names
    assert any(name.endswith("LICENSE") for name in names)


def shipped_data() -> list[Path]:
    """The tracked files of data/: what is there beyond them is somebody's run."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "data"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


def test_every_module_travels(built: Built) -> None:
    names = set(zipfile.ZipFile(built.wheel).namelist())
    modules = [path for folder in ("flows", "tasks") for path in (ROOT / folder).rglob("*.py")]
    missing = [str(path) for path in modules if f"rro/{path.relative_to(ROOT).as_posix()}" not in names]
    assert missing == []


def test_the_sdist_holds_readme_and_licence(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "data/profiles/quickstart.toml"} <= names
