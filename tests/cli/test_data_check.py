"""`rro data import webshop` and `rro data check`: what they print, refuse, and find."""

import gzip
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rro.data import resource
from rro.flows.cli import make_app
from rro.tasks.environments.webshop.catalogue import Catalogue
from tests.cli.conftest import Rro

PRODUCT: dict[str, Any] = {
    "name": "Blue Mug",
    "full_description": "A mug.",
    "pricing": "$5.00 to $7.00",
    "small_description": ["One."],
    "product_category": "Home › Kitchen",
    "customization_options": {"size": [{"value": "S"}, {"value": "L"}]},
    "category": "kitchen",
    "query": "mugs",
}
PRODUCTS = [{**PRODUCT, "asin": f"B0RAWS000{number}"} for number in range(3)]
ATTRIBUTES = {
    row["asin"]: {
        "attributes": ["hand made"],
        "instruction": "Find me mugs",
        "instruction_attributes": ["hand made"],
    }
    for row in PRODUCTS
}


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    (tmp_path / "items.json.gz").write_bytes(gzip.compress(json.dumps(PRODUCTS).encode()))
    (tmp_path / "ins.json").write_text(json.dumps(ATTRIBUTES))
    return ["--products", str(tmp_path / "items.json.gz"), "--attributes", str(tmp_path / "ins.json")]


@pytest.fixture
def made(rro: Rro, sources: list[str], tmp_path: Path) -> Path:
    assert rro("data", "import", "webshop", *sources, "--out", str(tmp_path / "shop")).code == 0
    return tmp_path / "shop"


def test_an_import_says_what_it_made_and_from_what(rro: Rro, sources: list[str], tmp_path: Path) -> None:
    ended = rro("data", "import", "webshop", *sources, "--out", str(tmp_path / "a b"))
    assert ended.code == 0
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert "seed of prices and bounds 233" in lines
    assert "counts: synthetic goals 6" in lines
    assert lines[-1] == f"{tmp_path / 'a b'}: prepared"
    assert "products: done" in ended.err
    assert "search index: done" in ended.err


def test_the_words_of_the_import_reach_it(rro: Rro, sources: list[str], tmp_path: Path) -> None:
    words = ("--seed", "5", "--synthetic-goals", "2", "--nouns", "words", "--out", str(tmp_path / "out"))
    ended = rro("data", "import", "webshop", *sources, *words)
    assert ended.code == 0
    about = json.loads((tmp_path / "out/about.json").read_text())
    assert about["seed of prices and bounds"] == 5
    assert about["nouns"] == "words without stop words"
    assert len(Catalogue.load(str(tmp_path / "out")).goals) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "there"], "--out there: exists already"),
        (["--out", "new", "--human-goals", "nowhere.json"], "nowhere.json: no such file"),
        (["--out", "new", "--nouns", "nowhere.json"], "nowhere.json: no such file"),
        (["--out", "new", "--nouns", "ins.json"], "the table does not list product B0RAWS0000"),
        (["--out", "new", "--synthetic-goals", "-1"], "-1"),
        (["--out", "new", "--synthetic-goals", "0"], "no goal could be made"),
        ([], "--out"),
    ],
)
def test_an_import_that_cannot_be_is_refused_and_leaves_nothing(
    rro: Rro,
    sources: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.iterdir())
    ended = rro("data", "import", "webshop", *sources, *words)
    assert ended.code != 0
    assert message in ended.err.replace("\n", " ")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_import_that_is_stopped_leaves_nothing(
    sources: list[str], tmp_path: Path, number: signal.Signals
) -> None:
    rows = (json.dumps({**PRODUCT, "asin": f"B{number:09d}"}) for number in range(100_000))
    (tmp_path / "many.jsonl").write_text("\n".join(rows))
    words = ["--products", str(tmp_path / "many.jsonl"), *sources[2:], "--out", str(tmp_path / "out")]
    code = f"from rro.flows.cli import main; main({['data', 'import', 'webshop', *words]})"
    command = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".out.*/products.jsonl")):
        assert command.poll() is None
        time.sleep(0.01)
    command.send_signal(number)
    _, told = command.communicate()
    assert (command.returncode, "Traceback" in told) == (130, False)
    assert not list(tmp_path.glob("*out*"))


def test_a_whole_folder_is_told_in_figures(rro: Rro, made: Path) -> None:
    ended = rro("data", "check", str(made))
    assert ended.code == 0
    facts = dict(line.split("  ", 1) for line in ended.out.splitlines()[:-1])
    found = {label.strip(): value.strip() for label, value in facts.items()}
    assert found["products"] == "3"
    assert found["prices"] == "3 ranges, each with the price of a purchase"
    assert found["synthetic goals"].startswith("6 (")
    assert found["search"].startswith("index of ")
    assert ended.out.splitlines()[-1] == f"{made}: whole"


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """The shipped catalogue as a folder of the user's."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    for entry in resource("webshop").iterdir():
        (folder / entry.name).write_bytes(entry.read_bytes())
    return folder


def test_the_shipped_catalogue_is_whole(rro: Rro, bundled: Path) -> None:
    ended = rro("data", "check", str(bundled))
    assert (ended.code, "7,200 (5,040 train, 720 validation, 1,440 test)" in ended.out) == (0, True)


def edit(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Changes the first line, or the whole, of a file that is JSON."""

    def act(folder: Path) -> None:
        first, _, rest = (folder / name).read_text().partition("\n" if name.endswith("l") else "\0")
        changed = change(json.loads(first))
        (folder / name).write_text(
            (changed if isinstance(changed, str) else json.dumps(changed)) + "\n" + rest
        )

    return act


def without(key: str) -> Callable[[Any], Any]:
    return lambda row: {name: value for name, value in row.items() if name != key}


def having(**changes: Any) -> Callable[[Any], Any]:
    return lambda row: {**row, **changes}


BREAKS: list[tuple[Callable[[Path], None], list[str]]] = [
    (edit("prices.json", lambda table: {}), ["purchase prices do not list it"] * 68),
    (edit("title_nouns.json", without("B0COOK0001")), ["product B0COOK0001: the catalogue's title nouns"]),
    (edit("products.jsonl", lambda row: "{"), ["line 1: not JSON", *["is not in the catalogue"] * 8]),
    (edit("products.jsonl", lambda row: "[]"), ["an object is needed", *["is not in the catalogue"] * 8]),
    (edit("products.jsonl", without("name")), ["'name' must hold text"]),
    (edit("products.jsonl", having(asin="B0COOK0001")), ["came before", *["is not in the catalogue"] * 8]),
    (edit("goals_human.jsonl", having(asin="B0NONE0001")), ["goal 0: product B0NONE0001 is not in"]),
    (edit("goals_human.jsonl", having(attributes=[])), ["goal 0: no attributes"]),
    (edit("goals_human.jsonl", having(split="dev")), ["split 'dev' is none of train, validation, test"]),
    (edit("goals_human.jsonl", having(goal_id=1)), ["goal 1: came before"]),
    (edit("goals_human.jsonl", having(price_upper="x")), ["price_upper 'x' is not a number"]),
    (edit("goals_human.jsonl", without("price_upper")), ["goal 0: no 'price_upper'"]),
    (lambda folder: (folder / "goals_human.jsonl").unlink(), ["no goals"]),
    (
        lambda folder: (folder / "old_products.jsonl").touch(),
        ["several names", "no products", *["is not in the catalogue"] * 7200],
    ),
]


@pytest.mark.parametrize(("break_it", "problems"), BREAKS)
def test_every_problem_of_a_folder_is_named(
    rro: Rro, bundled: Path, break_it: Callable[[Path], None], problems: list[str]
) -> None:
    break_it(bundled)
    ended = rro("data", "check", str(bundled))
    found = [line for line in ended.out.splitlines() if line.startswith("problem: ")]
    assert ended.code == 1
    assert ended.out.splitlines()[-1] == f"{bundled}: not whole, {len(found)} problems"
    assert len(found) == len(problems)
    assert all(
        expected in line for expected, line in zip(problems, sorted_like(problems, found), strict=True)
    )


def sorted_like(problems: list[str], found: list[str]) -> list[str]:
    """What was found, in the order in which the problems are listed."""
    rest = list(found)
    ordered = []
    for problem in problems:
        match = next((line for line in rest if problem in line), rest[0])
        rest.remove(match)
        ordered.append(match)
    return ordered


INDEX_BREAKS: list[tuple[Callable[[Path], None], str]] = [
    (edit("products.jsonl", having(name="Red Mug")), "products.jsonl was changed after the import"),
    (lambda folder: (folder / "search/about.json").unlink(), "search: damaged; import"),
    (
        lambda folder: (folder / "search/terms.places.npy").unlink(),
        "search: damaged; import the catalogue again",
    ),
    (
        lambda folder: (folder / "search/offsets.npy").write_bytes(
            (folder / "search/offsets.npy").read_bytes()[:-8]
        ),
        "search: damaged; import the catalogue again",
    ),
    (edit("search/about.json", having(version=0)), "made by another version of rro"),
    (edit("about.json", having(counts={"products": 4})), "tells of 4 products; 3 are there"),
    (lambda folder: (folder / "about.json").write_text("{"), "about.json: damaged"),
    (edit("goals_synthetic.jsonl", lambda row: ""), "tells of 6 synthetic goals; 5 are there"),
]


@pytest.mark.parametrize(("break_it", "problem"), INDEX_BREAKS)
def test_an_imported_folder_is_held_against_its_index_and_its_about(
    rro: Rro, made: Path, break_it: Callable[[Path], None], problem: str
) -> None:
    break_it(made)
    ended = rro("data", "check", str(made))
    assert ended.code == 1
    assert problem in ended.out


DOCS = (Path(__file__).parents[2] / "docs/webshop.md").read_text(encoding="utf-8").replace("\\\n", " ")
COMMANDS = [shlex.split(line) for line in DOCS.splitlines() if line.startswith("rro ")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_commands_of_the_docs_are_ones(words: list[str]) -> None:
    make_app().parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_of_no_kind_is_refused(rro: Rro, tmp_path: Path, name: str) -> None:
    ended = rro("data", "check", str(tmp_path / name))
    assert ended.code == 2
    assert "no such folder" in ended.err or "not a prepared folder" in ended.err


def test_checking_changes_nothing(rro: Rro, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    rro("data", "check", str(made))
    files = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
    assert all((made / path).read_bytes() == (tmp_path / "copy" / path).read_bytes() for path in files)
