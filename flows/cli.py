"""The command line `rro`.

Commands are loaded when they are asked for: `rro --help` imports neither Prefect nor anything numeric.
"""

import sys
import traceback
from importlib.metadata import version

from cyclopts import App, CycloptsError

from rro.flows.command_line.output import say_error
from rro.tasks.errors import UserError
from rro.tasks.process import prepare_environment

TRACEBACK = "--traceback"
COMMANDS = {
    "run": ("run", "Run the whole pipeline: sft, explore, pairs, analyse, gate, dpo, evaluate."),
    "stage": ("run", "Run one stage of a run."),
    "compare": ("run", "Compare strategies from one SFT policy: what they bought, what they cost."),
    "ablate": ("run", "Turn one knob of RRO at a time."),
    "runs": ("look", "List the runs of a warehouse, the newest first."),
    "sql": ("look", "Ask the warehouse a question in SQL (DuckDB); it can only read."),
    "query": ("look", "Answer a named question about a run; without a name, list the questions."),
    "data": ("data", "Prepare a benchmark's own files for an environment, and check prepared folders."),
    "verify": (
        "verify",
        "Replay recordings of an original environment; exit code 1 if ours differs anywhere.",
    ),
    "profiles": ("look", "List the profiles that ship with rro."),
    "doctor": ("look", "Check this installation, and say how to mend what is wrong."),
}
"""Command to the module of `command_line` that holds it, and its line in `rro --help`."""


def make_app() -> App:
    """The command line, with every command still unloaded."""
    app = App(
        name="rro",
        help="Reward Rising Optimization: exploration, preference pairs, DPO, and SQL on what it cost.",
        help_epilogue=f"Any command takes {TRACEBACK}, which shows where an error came from.",
        version=lambda: version("rro"),
        help_format="plaintext",
    )
    for position, (name, (module, title)) in enumerate(COMMANDS.items()):
        app.command(f"rro.flows.command_line.{module}:{name}", name=name, help=title, sort_key=position)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run one command. Ends the program with 0, or with the exit code of what went wrong."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    show_traceback = TRACEBACK in words
    prepare_environment()
    try:
        make_app()(
            [word for word in words if word != TRACEBACK],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except (UserError, CycloptsError) as error:
        fail(str(error), getattr(error, "exit_code", 2), show_traceback)
    except KeyboardInterrupt:
        fail("stopped", 130, show_traceback)
    except BrokenPipeError:
        # The reader of a pipe has seen enough; Python would complain once more while it flushes.
        sys.stdout = None
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}; {TRACEBACK} shows where", 1, show_traceback)
    except Exception as error:  # noqa: BLE001 - nobody above could say it better
        fail(f"{type(error).__name__}: {error}; {TRACEBACK} shows where", 1, show_traceback)


def fail(message: str, code: int, show_traceback: bool) -> None:
    """Say what went wrong and end the program."""
    if show_traceback:
        traceback.print_exc()
    say_error(message)
    sys.exit(code)


if __name__ == "__main__":
    main()
