"""The commands around benchmark data: `rro data import` prepares it, `rro data check` looks at it."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number
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


@prepare.command(name="webshop")
def import_webshop(
    *,
    products: Path,
    attributes: Path,
    human_goals: Path | None = None,
    out: Path,
    nouns: str | None = None,
    spacy_model: str = "en_core_web_sm",
    synthetic_goals: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    seed: int = 233,
) -> None:
    """Prepare WebShop's products and goals, 1,000 products or 1.18 million.

    Give the folder to a run with: rro run --environment.options.catalogue DIR

    Parameters
    ----------
    products
        items_shuffle*.json: one array of products, or JSON lines; gzipped or plain
    attributes
        items_ins_v2*.json: attributes and synthetic instructions by ASIN
    human_goals
        items_human_ins.json: crowd workers' instructions by ASIN
    out
        The folder to make
    nouns
        Nouns of the titles, which the reward compares: a JSON table by ASIN, 'spacy', or 'words'
        [default: spacy where it is installed, else words]
    spacy_model
        The spaCy model that tells nouns
    synthetic_goals
        Keep only so many, the first in the benchmark's order [default: all]
    seed
        Seed of what the benchmark draws unseeded: the price within a range, the bounds in instructions
    """
    from rro.tasks.environments.webshop.prepare import Sources, prepare

    with watched():
        about = prepare(
            Sources(products, attributes, human_goals), out, seed, nouns, spacy_model, synthetic_goals
        )
    show_facts(facts(about))
    stdout().print(f"{out}: prepared", markup=False, soft_wrap=True)


@prepare.command(name="intercode-sql")
def import_intercode_sql(
    *,
    tasks: Path,
    dump: Path,
    spiderman: Path | None = None,
    recorded: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    seed: int = 0,
    out: Path,
) -> None:
    """Prepare InterCode-SQL's databases and questions, and SpiderMan's to train on.

    Give the folder to a run with: rro run --environment.name intercode_sql --environment.options.data DIR

    Parameters
    ----------
    tasks
        ic_spider_dev.json: questions with their gold queries; gzipped or plain
    dump
        ic_spider_dbs.sql: the databases, as mysqldump wrote them; gzipped or plain
    spiderman
        SpiderMan's folder or tar file: its training queries become the train split
        [default: InterCode's own databases are split in three]
    recorded
        Recorded runs (ic_sql_*.json): those that succeed here too become demonstrations
    seed
        Seed of the split, which is by database
    out
        The folder to make
    """
    from rro.tasks.environments.intercode_sql.prepare import Sources, prepare

    with watched():
        about = prepare(Sources(tasks, dump, spiderman, recorded or ()), out, seed)
    show_facts(facts({label: value for label, value in about.items() if label not in ("sources", "files")}))
    stdout().print(f"{out}: prepared", markup=False, soft_wrap=True)


def facts(about: dict[str, Any], above: str = "") -> dict[str, str]:
    """What an about.json says, one line each."""
    lines = {}
    for label, value in about.items():
        if isinstance(value, dict):
            lines.update(facts(value, f"{above}{label}: "))
        else:
            lines[f"{above}{label}"] = f"{value:,}" if isinstance(value, int) else str(value)
    return lines


@data.command
def load_mysql(
    *,
    data: Annotated[str, Parameter(help="Folder made by rro data import intercode-sql, or 'bundled'")],
    url: str,
    user: str = "rro",
) -> None:
    """Put InterCode-SQL's databases on a MySQL or MariaDB server, with a user who can only read them.

    Prints the SQL it runs; nothing that is on the server is changed. Then let a run ask that server:
    --environment.options.url mysql://rro@host:port

    Parameters
    ----------
    url
        The server and its administrator, mysql://root@host:port; the password may stand in it or in
        RRO_DATABASE_ADMIN_PASSWORD
    user
        The user to make; gets the password in RRO_DATABASE_PASSWORD, or one that is made up and printed
    """
    from rro.tasks.environments.intercode_sql.load_mysql import load

    console = stdout()
    for line in load(data, url, user):
        end = "" if line.startswith("--") else ";"
        console.print(printable(line, keep=chr(10)) + end, markup=False, soft_wrap=True)


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
    show_inspection(found, folder)
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


def show_inspection(found: Inspection, folder: Path) -> None:
    """Print what a folder holds, every problem, and whether it is whole."""
    show_facts(found.facts)
    console = stdout()
    for problem in found.problems:
        console.print(Text(f"problem: {printable(problem)}", "red"), soft_wrap=True)
    if found.problems:
        console.print(f"{folder}: not whole, {len(found.problems)} problems", markup=False, soft_wrap=True)
    else:
        console.print(f"{folder}: whole", markup=False, soft_wrap=True)


def show_facts(facts: dict[str, str]) -> None:
    """Print labels and values."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts.items():
        table.add_row(Text(printable(label)), Text(printable(value)))
    stdout().print(table)
