"""The commands that work: `rro run` and `rro stage`. Each calls its Prefect flow and shows its progress."""

import asyncio
import shlex
import signal
import traceback
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.text import Text

from rro.flows.command_line.bars import shown
from rro.flows.command_line.capture import captured
from rro.flows.command_line.flags import overrides, takes_settings
from rro.flows.command_line.look import Folder
from rro.flows.command_line.output import stdout
from rro.flows.command_line.server import start_server
from rro.tasks.arms import ablations, comparison_name, parse_arms
from rro.tasks.errors import UserError
from rro.tasks.lineage import run_name
from rro.tasks.preflight import check_run
from rro.tasks.process import prepare_environment, warehouse_root
from rro.tasks.settings import Settings, load_settings, merge, parse_settings
from rro.tasks.storage.warehouse import Warehouse

Work = Coroutine[Any, Any, Any]
DEFAULT_PROFILE = "quickstart"
StageName = Literal["sft", "explore", "pairs", "analyse", "dpo", "evaluate"]
Profile = Annotated[
    str | None,
    Parameter(help=f"Shipped profile, or a file that ends in .toml [default: {DEFAULT_PROFILE}]"),
]


class Interrupted(UserError):
    """The user stopped the work; the message says how to go on."""

    exit_code = 130


class Crashed(UserError):
    """Something no user can have caused; the message says where its traceback is."""

    exit_code = 1


@takes_settings
def run(
    *,
    profile: Profile = None,
    resume: str | None = None,
    fresh: bool = False,
    warehouse: Folder = None,
    **given: Any,
) -> None:
    """Run the whole pipeline: sft, explore, pairs, analyse, gate, dpo, evaluate.

    The same profile, settings and code always mean the same run: repeating the command goes on with it, and
    what is finished is reused.

    Parameters
    ----------
    resume
        Go on with this run, with the settings it started with
    fresh
        Start a new run, even if there is one with these settings
    """
    store, changed = Warehouse(warehouse_root(warehouse)), overrides(given)
    if resume is not None:
        if changed or profile or fresh:
            raise UserError("--resume: a run goes on with its own settings, so it takes no others")
        name, (profile, settings) = resume, saved(store, resume, {})
    else:
        profile = profile or DEFAULT_PROFILE
        settings = load_settings(profile, changed)
        name = run_name(profile, settings)
    if fresh:
        name = fresh_name(name, store.runs())
    perform(
        store,
        name,
        profile,
        settings,
        lambda: flow("pipeline")(settings=settings, profile=profile, run=name, warehouse=store.url),
        f"rro run --resume {name}{at(warehouse)}",
    )
    report(store, name, at(warehouse))


@takes_settings
def stage(
    stage: StageName,
    /,
    *,
    run: str,
    iteration: int | None = None,
    profile: Profile = None,
    warehouse: Folder = None,
    **given: Any,
) -> None:
    """Run one stage of a run.

    Parameters
    ----------
    stage
        Which one
    run
        The run it belongs to; a new name starts a new run
    iteration
        Which round; 0 evaluates the SFT policy [default: the first]
    """
    store, changed = Warehouse(warehouse_root(warehouse)), overrides(given)
    if profile is None and run in store.runs():
        profile, settings = saved(store, run, changed)
    else:
        profile = profile or DEFAULT_PROFILE
        settings = load_settings(profile, changed)
    place = {} if iteration is None else {"iteration": iteration}
    perform(
        store,
        run,
        profile,
        settings,
        lambda: flow(stage)(settings=settings, run=run, warehouse=store.url, **place),
        "the same command again",
    )


Seeds = Annotated[str, Parameter(help="How many seeds, from --seed on")]


@takes_settings
def compare(
    *,
    strategies: str = "sft,rft,eto,ipr,fixed-3,fixed-5,rising",
    seeds: Seeds = "3",
    equal_rollouts: Literal["true", "false"] = "true",
    after_tasks: str = "100",
    profile: Profile = None,
    warehouse: Folder = None,
    **given: Any,
) -> None:
    """Compare strategies from one SFT policy, on equal tasks and with an equal rollout budget.

    An arm is a strategy, with -N behind it for how many candidates (rising, fixed) or trajectories (eto, rft), and
    +OPTION for what is switched on: again, reuse, early, contrast, skip. Repeating the command goes on with what is
    missing.

    Parameters
    ----------
    strategies
        Arms, with commas between
    equal_rollouts
        Make the second table: every arm with what rising rolled out
    after_tasks
        Tasks on which each trained policy is explored again for its share of rising steps; 0 for none
    """
    arms = strategies.split(",")
    several(
        "compare",
        profile,
        warehouse,
        given,
        {
            "strategies": arms,
            "seeds": whole("seeds", seeds),
            "equal_rollouts": equal_rollouts == "true",
            "after_tasks": whole("after-tasks", after_tasks),
        },
    )


@takes_settings
def ablate(
    *,
    knobs: str = "",
    seeds: Seeds = "1",
    profile: Profile = None,
    warehouse: Folder = None,
    **given: Any,
) -> None:
    """Turn one knob of RRO at a time, everything else as the profile has it.

    Parameters
    ----------
    knobs
        Knobs, with commas between [default: all that change the profile]
    """
    chosen = [knob for knob in knobs.split(",") if knob]
    several("ablate", profile, warehouse, given, {"knobs": chosen, "seeds": whole("seeds", seeds)})


def several(
    kind: str, profile: str | None, warehouse: str | None, given: dict[str, Any], how: dict[str, Any]
) -> None:
    """Do the many runs of a comparison, then print its tables."""
    from rro.tasks.reporting.comparison import compared
    from rro.tasks.reporting.comparison_tables import tables
    from rro.tasks.storage.views import connect

    store, profile = Warehouse(warehouse_root(warehouse)), profile or DEFAULT_PROFILE
    settings = load_settings(profile, overrides(given))
    arms = parse_arms(how["strategies"]) if kind == "compare" else ablations(how["knobs"], settings)
    name = comparison_name(kind, profile, settings, arms, how["seeds"])
    perform(
        store,
        name,
        profile,
        settings,
        lambda: flow(kind, "compare")(
            profile=profile, settings=settings, name=name, warehouse=store.url, **how
        ),
        "the same command again",
    )
    console = stdout()
    for table in tables(compared(connect(store), name)):
        console.print(table)
    console.print(Text(f"\nAlso in {store.url}/runs/{name}: comparison.md, .parquet, .png"), soft_wrap=True)


def whole(flag: str, word: str) -> int:
    """A flag's whole number; `UserError` on anything else."""
    try:
        return int(word)
    except ValueError:
        raise UserError(f"--{flag} {word}: a whole number is needed") from None


def perform(
    store: Warehouse, name: str, profile: str, settings: Settings, work: Callable[[], Work], again: str
) -> None:
    """Do the work with its progress on the screen and everybody's log lines in the run's log file."""
    prepare_environment(settings.policy.base)
    check_run(settings)
    log = store.log_path(name)
    Warehouse.open(store.url)
    if name not in store.runs():
        # Before anything slow, so that a run stopped in its first second can be resumed.
        store.save_settings(name, {"profile": profile, "settings": settings.model_dump(mode="json")})
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # Not under nohup.
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    with captured(log) as screen, explained(log, again), shown(screen):
        asyncio.run(work())


@contextmanager
def explained(log: Path, again: str) -> Iterator[None]:
    """Turn an interruption and any unexpected error into one line; the traceback goes to the log."""
    try:
        yield
    except UserError:
        raise
    except KeyboardInterrupt as error:
        raise Interrupted(f"stopped; what is finished is kept. To go on: {again}") from error
    except Exception as error:
        traceback.print_exc()
        raise Crashed(f"{type(error).__name__}: {error}\nLog: {log}\nTo go on: {again}") from error


def flow(name: str, module: str = "") -> Callable[..., Work]:
    """The flow of a stage, or `pipeline`. Loaded late: Prefect takes seconds, and the bars are up by then."""
    start_server()
    loaded: Callable[..., Work] = getattr(import_module(f"rro.flows.{module or name}"), name)
    return loaded


def saved(store: Warehouse, name: str, changed: dict[str, Any]) -> tuple[str, Settings]:
    """Profile and settings of a run that is there, with `changed` on top. `UserError` if there is none."""
    start = store.load_settings(name)
    return start["profile"], parse_settings(merge(start["settings"], changed))


def fresh_name(name: str, taken: Collection[str]) -> str:
    """`name`, or the first of `name-2`, `name-3`, ... that is not taken."""
    number, fresh = 2, name
    while fresh in taken:
        number, fresh = number + 1, f"{name}-{number}"
    return fresh


def at(warehouse: str | None) -> str:
    """The words that name a warehouse in a command to try next."""
    return f" --warehouse {shlex.quote(warehouse)}" if warehouse else ""


def report(store: Warehouse, name: str, where: str) -> None:
    """Print what the run bought and cost, and what to try next."""
    from rro.tasks.reporting.summary import summarise, tables
    from rro.tasks.storage.views import connect

    console = stdout()
    for table in tables(summarise(connect(store), name)):
        console.print(table)
    console.print("\nTry next:")
    for line in (
        "rro query exploration-cost",
        "rro query policy-comparison",
        "rro run --explore.max-candidates 3",
    ):
        console.print(Text(f"  {line}{where}"), soft_wrap=True)
