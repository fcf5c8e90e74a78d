"""The commands that look, on a warehouse whose answers are worked out by hand."""

import csv
import io
from pathlib import Path

import pytest

from rro.flows.command_line.run import report
from rro.tasks.storage.queries import list_queries
from rro.tasks.storage.warehouse import Warehouse
from tests.cli.conftest import Rro
from tests.storage.little import build


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return build(tmp_path_factory.mktemp("little"))


def test_runs(rro: Rro, little: Warehouse) -> None:
    shown = rro("runs", "--warehouse", str(little.root)).out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    # Times are local, so they are left out.
    assert [row[:3] + row[4:] for row in rows] == [
        ["late", "quickstart", "stages only", "2", "0.5", "0.75"],
        ["early", "quickstart", "stages only", "", "", ""],
    ]


@pytest.mark.parametrize("name", [named.name for named in list_queries()])
def test_every_query_in_every_format(rro: Rro, little: Warehouse, name: str) -> None:
    where = ("--warehouse", str(little.root))
    rows = list(csv.reader(io.StringIO(rro("query", name, "--format", "csv", *where).out)))
    markdown = rro("query", name, "--format", "md", *where).out.splitlines()
    table = rro("query", name, *where)
    assert len(markdown) == len(rows) + 1
    assert table.code == 0
    assert rows[0][0] in table.out


def test_a_query_is_about_the_run_that_is_named(rro: Rro, little: Warehouse) -> None:
    where = ("--warehouse", str(little.root), "--format", "csv")
    answers = {rro("query", "exploration-cost", "--run", name, *where).out for name in little.runs()}
    assert rro("query", "exploration-cost", *where).out in answers
    assert len(answers) > 1


def test_what_a_finished_run_prints(little: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    name = Path(little.runs()[0]).name
    report(little, name, " --warehouse here")
    shown = capsys.readouterr().out
    assert "┃" in shown
    assert shown.rstrip().splitlines()[-4:] == [
        "Try next:",
        "  rro query exploration-cost --warehouse here",
        "  rro query policy-comparison --warehouse here",
        "  rro run --explore.max-candidates 3 --warehouse here",
    ]
