"""The commands around benchmark data: `rro data import` prepares it, `rro data check` looks at it."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from rro.flows.command_line.output import printable, stdout
from rro.flows.command_line.watch import watched
from rro.tasks.environments.inspection import Inspection
from rro.tasks.errors import UserError

data = App(
    name="data", help="Prepare a benchmark's own files for an environment, and check prepared folders."
)
prepare = App(name="import", help="Prepare a benchmark's own files, once; nothing is fetched.")
data.command(prepare)

INSPECTORS = {
    "intercode_sql": "rro.tasks.environments.intercode_sql.check",
    "webshop": "rro.tasks.environments.webshop.check",
}
"""Kind of folder to the module whose `inspect(folder)` tells what is in it."""

SourceFile = Annotated[Path, Parameter(help="The benchmark's file, gzipped or plain")]
OptionalFile = Annotated[Path | None, Parameter(help="The benchmark's file, gzipped or plain")]


@data.command
def check(folder: Path, /) -> None:
    """Say what a prepared folder holds and whether it is whole; exit code 1 if it is not.

    Parameters
    ----------
    folder
        What `rro data import` wrote
    """
    with watched():
        found = inspector(kind_of(folder))(folder)
    show_inspection(found)
    if found.problems:
        sys.exit(1)


def kind_of(folder: Path) -> str:
    """Which environment a folder is for, by its files; `UserError` if it is for none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    if (folder / "databases").is_dir() or any(folder.glob("schema.json*")):
        return "intercode_sql"
    if any("products" in path.name for path in folder.iterdir()):
        return "webshop"
    raise UserError(
        f"{folder}: not a prepared folder: it has neither a file with 'products' in its name (WebShop) "
        "nor databases/ or schema.json (InterCode-SQL)"
    )


def inspector(kind: str) -> Callable[[Path], Inspection]:
    """The function that looks into folders of this kind, loaded late."""
    inspect: Callable[[Path], Inspection] = import_module(INSPECTORS[kind]).inspect
    return inspect


def show_inspection(found: Inspection) -> None:
    """Print what a folder holds, then every problem."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for label, value in found.facts.items():
        table.add_row(Text(printable(label)), Text(printable(value)))
    console = stdout()
    console.print(table)
    for problem in found.problems:
        console.print(Text(f"problem: {printable(problem)}", "red"), soft_wrap=True)
    console.print("whole" if not found.problems else f"not whole: {len(found.problems)} problems")
