"""What each cheaper way of exploring saves, and whether it decides the same: one policy, the same tasks, one engine.

    python -m tests.benchmarks.cheaper --policy FOLDER [--profile quickstart] [--tasks 100] [--arms A,B,...]

Prints a row an arm: candidates, paid rollouts, generated tokens and their ratio to the first arm, pairs, and the share
of tasks on which rising, choices and pairs are those of the arm named after `=`. Tokens come from the engine.
"""

import asyncio
import time
from pathlib import Path

from rro.tasks.process import prepare_environment

prepare_environment("tiny")

from rro.flows.engines import policy_on_engine  # noqa: E402 - the environment is prepared first
from rro.tasks.arms import parse_arm  # noqa: E402
from rro.tasks.environments.base import environment_class  # noqa: E402
from rro.tasks.exploration.explore import Pool, choose_tasks  # noqa: E402
from rro.tasks.exploration.origin import Origin, Rows  # noqa: E402
from rro.tasks.exploration.pairs import extract  # noqa: E402
from rro.tasks.exploration.rows import total_usage, walk_rows  # noqa: E402
from rro.tasks.exploration.strategies import make_strategy  # noqa: E402
from rro.tasks.exploration.walk import Walk, Walker  # noqa: E402
from rro.tasks.settings import Settings, load_settings  # noqa: E402
from tests.benchmarks.policies import parser_of, policy_of  # noqa: E402

ARMS = (
    "fixed-5+again,fixed-5,fixed-5+early=fixed-5,fixed-5+reuse/,fixed-5+reuse=fixed-5+reuse/,"
    "fixed-5+reuse+early=fixed-5+reuse/,"
    "rising+again,rising,rising+early=rising,rising+reuse/,rising+reuse=rising+reuse/,"
    "rising+reuse+early=rising+reuse/,rising+reuse+early+contrast,rising+reuse+early+contrast+skip"
)
"""With `/` behind it an arm with `reuse` makes the same draws, but pays for each again."""


async def explored(settings: Settings, folder: Path, tasks: int, pay_again: bool) -> tuple[list[Walk], float]:
    """The walks of the first fresh tasks, and the seconds they took."""
    kind = environment_class(settings.environment.name)
    environment = kind(kind.Options.model_validate(settings.environment.options))
    policy = await policy_on_engine(folder.name, folder, settings.engine)
    walker = Walker(environment, policy, policy, settings.explore, settings.seed, pay_again=pay_again)
    pool: Pool[Walk] = Pool(walker.walk, lambda walk: None, policy.stepped)
    chosen = choose_tasks(environment, settings.explore.split, tasks, settings.experts.tasks, "explore")
    begun = time.perf_counter()
    pool.start({"all": chosen})
    return await pool.shard("all"), time.perf_counter() - begun


def decisions(walk: Walk, settings: Settings) -> object:
    """What a walk decided, to compare with another's."""
    rows = rows_of(walk, settings)
    drawn = [(row["action"], row["rose"], row["chosen"]) for row in rows["candidates"]]
    made = extract(rows, make_strategy(settings.explore).pairs, settings.pairs, settings.seed)
    return drawn, [(row["chosen"], row["rejected"], round(row["margin"], 6)) for row in made]


def rows_of(walk: Walk, settings: Settings) -> Rows:
    return walk_rows([walk], Origin("r", 1, "s", "p", "e", "p"), settings.explore)


async def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--arms", default=ARMS)
    given = parser.parse_args()
    folder = policy_of(given)
    shared = load_settings(given.profile)
    seen: dict[str, list[object]] = {}
    first = 0
    columns = ("arm", "candidates", "rollouts", "tokens", "ratio", "pairs", "same decisions", "seconds")
    print("".join(f"{name:>16}" if place else f"{name:<28}" for place, name in enumerate(columns)))
    for word in given.arms.split(","):
        name, _, same_as = word.partition("=")
        settings = parse_arm(name.removesuffix("/")).settings(shared, shared.seed)
        walks, seconds = await explored(settings, folder, given.tasks, name.endswith("/"))
        rows = [rows_of(walk, settings) for walk in walks]
        tokens = sum(total_usage(walk).generated_tokens for walk in walks)
        first = first or tokens
        seen[name] = [decisions(walk, settings) for walk in walks]
        paid = sum(r["reused_actions"] < len(r["actions"]) for one in rows for r in one["rollouts"])
        rule = make_strategy(settings.explore).pairs
        kept = sum(len(extract(one, rule, settings.pairs, settings.seed)) for one in rows)
        same = "-"
        if same_as:
            same = f"{sum(a == b for a, b in zip(seen[name], seen[same_as], strict=True)) / len(walks):.1%}"
        drawn = sum(len(one["candidates"]) for one in rows)
        figures = (drawn, paid, tokens, f"{tokens / first:.3f}", kept, same, f"{seconds:.1f}")
        print(f"{name:<28}" + "".join(f"{figure:>16}" for figure in figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
