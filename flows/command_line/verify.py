"""The command that replays recordings of the original environments: `rro verify`."""

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from rro.flows.command_line.output import printable, stdout
from rro.flows.command_line.watch import watched
from rro.tasks.environments.recordings import Check
from rro.tasks.errors import UserError

verify = App(
    name="verify", help="Replay recordings of an original environment; exit code 1 if ours differs anywhere."
)

SHOWN = 3
"""Differences of each kind that are printed in full."""

Recording = Annotated[
    Path | None, Parameter(help="JSON lines, gzipped or plain [default: found in the data]")
]


def show_checks(checks: Iterable[Check]) -> None:
    """Print the first differences in full, then a line a kind; ends the program with 1 if anything differs."""
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    kinds: dict[str, None] = {}
    console = stdout()
    with watched():
        for one in checks:
            kinds[one.kind] = None
            (passed if one.difference is None else failed)[one.kind] += 1
            if one.difference is not None and failed[one.kind] <= SHOWN:
                text = f"{one.kind}: {printable(one.name)}\n{printable(one.difference, keep=chr(10))}\n"
                console.print(text, markup=False, soft_wrap=True)
    for kind in kinds:
        console.print(f"{kind}: {passed[kind]} passed, {failed[kind]} failed", markup=False)
    if failed:
        sys.exit(1)


@verify.command(name="webshop")
def verify_webshop(
    *,
    data: Annotated[str, Parameter(help="Folder with a prepared catalogue, or 'bundled'")],
    searches: Recording = None,
    episodes: Recording = None,
    rewards: Recording = None,
) -> None:
    """Replay WebShop's recorded searches, episodes and purchases on a catalogue."""
    from rro.tasks.environments.webshop.catalogue import BUNDLED, Catalogue
    from rro.tasks.environments.webshop.verify import NAMED, find_recordings, verify

    given = {"searches": searches, "episodes": episodes, "rewards": rewards}
    recordings = {kind: path for kind, path in given.items() if path is not None}
    catalogue = Catalogue.load(data)
    if not recordings and data != BUNDLED:
        recordings = find_recordings(Path(data).expanduser())
    if not recordings:
        names = ", ".join(f"{part!r} (--{kind})" for kind, part in NAMED.items())
        raise UserError(f"{data}: no recording to replay: no file has in its name {names}; name one")
    show_checks(verify(catalogue, recordings))


@verify.command(name="intercode-sql")
def verify_intercode_sql(
    *,
    data: Annotated[
        str,
        Parameter(
            help="Folder made by rro data import intercode-sql, or with InterCode's files, or 'bundled'"
        ),
    ],
    rewards: Annotated[
        Path | None,
        Parameter(help="Results and what they earned: must be our reward [default: found in the data]"),
    ] = None,
    answers: Annotated[Path | None, Parameter(help="Results of gold queries: must be our databases'")] = None,
    episodes: Annotated[
        Path | None, Parameter(help="Statements and what they earned: must be, run on our databases")
    ] = None,
    database_url: Annotated[
        str | None,
        Parameter(help="Run them on a server, mysql://user@host:port [default: SQLite]"),
    ] = None,
) -> None:
    """Replay recorded results, gold queries and statements of InterCode-SQL.

    Every recording is a file of JSON lines, gzipped or plain.
    """
    from rro.tasks.environments.intercode_sql.data import BUNDLED
    from rro.tasks.environments.intercode_sql.database import Limits
    from rro.tasks.environments.intercode_sql.environment import open_database
    from rro.tasks.environments.intercode_sql.prepare import opened
    from rro.tasks.environments.intercode_sql.verify import NAMED, verify

    if (rewards, answers, episodes) == (None, None, None) and data != BUNDLED:
        rewards = next(iter(sorted(Path(data).expanduser().glob(f"*{NAMED['rewards']}*.jsonl*"))), None)
    given = {"rewards": rewards, "answers": answers, "episodes": episodes}
    recordings = {kind: path for kind, path in given.items() if path is not None}
    if not recordings:
        raise UserError("no recording to replay; name one: " + ", ".join(f"--{kind} FILE" for kind in given))
    with opened(data) as loaded, closing(open_database(loaded, Limits(), database_url)) as database:
        show_checks(verify(loaded, database, recordings))
