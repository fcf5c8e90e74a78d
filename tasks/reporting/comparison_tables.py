"""How a comparison is shown: in the terminal, as Markdown, and as one flat table for Parquet."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from rich.table import Table

from rro.tasks.arms import BASELINE
from rro.tasks.reporting.comparison import ROLLOUTS, TASKS, ArmResult, Comparison
from rro.tasks.reporting.text import Section, figure, interval, markdown_table, rich_table, share


def sections(comparison: Comparison) -> list[Section]:
    """The tables of a comparison."""
    titles = {TASKS: "Equal tasks", ROLLOUTS: "Equal rollout budget"}
    found = []
    for budget, arms in comparison.tables.items():
        found += [_bought(titles[budget], arms), _paid(f"{titles[budget]}: cost", arms)]
    if comparison.rising:
        rows = tuple((one.policy, *(share(third) for third in one.thirds)) for one in comparison.rising)
        found.append(
            Section("Rising steps by third of the episode", ("policy", "first", "middle", "last"), rows)
        )
    return found


def _bought(title: str, arms: Iterable[ArmResult]) -> Section:
    columns = ("arm", "reward", "success", "against SFT", "by seed", "against rising", "reward / M tokens")
    rows = tuple(
        (
            one.arm,
            interval(one.reward),
            interval(one.success),
            interval(one.gain, sign=True),
            ", ".join(f"{gain:+.3f}" for gain in one.gains) or "-",
            interval(one.against, sign=True),
            interval(one.gain_per_million, sign=True),
        )
        for one in arms
    )
    return Section(f"{title}: what it bought", columns, rows)


def _paid(title: str, arms: Iterable[ArmResult]) -> Section:
    columns = (
        "arm",
        "tasks",
        "pairs",
        "candidates/step",
        "p95",
        "max",
        "rollouts",
        "generated tokens",
        "environment steps",
        "rollouts/pair",
        "tokens/pair",
        "seconds",
    )
    rows = tuple(
        (
            one.arm,
            figure(one.tasks),
            figure(one.pairs),
            figure(one.candidates_mean, 2),
            figure(one.candidates_p95, 1),
            figure(one.candidates_max),
            figure(one.rollouts),
            figure(one.generated_tokens),
            figure(one.environment_steps),
            figure(one.per_pair(one.rollouts), 1),
            figure(one.per_pair(one.generated_tokens)),
            figure(one.seconds, 1),
        )
        for one in arms
        if one.arm != BASELINE
    )
    return Section(title, columns, rows)


def tables(comparison: Comparison) -> list[Table]:
    """For the terminal."""
    return [rich_table(section) for section in sections(comparison)]


def markdown(comparison: Comparison) -> str:
    """As Markdown."""
    return "\n".join(markdown_table(section) for section in sections(comparison))


def flat(comparison: Comparison) -> pa.Table:
    """One row an arm and budget, intervals in columns of their own."""
    rows = []
    for budget, arms in comparison.tables.items():
        for one in arms:
            row: dict[str, Any] = {"comparison": comparison.run, "budget": budget}
            for name, value in asdict(one).items():
                if name in ("reward", "success", "gain", "against", "gain_per_million"):
                    value = value or {}
                    row |= {
                        name: value.get("mean"),
                        f"{name}_low": value.get("low"),
                        f"{name}_high": value.get("high"),
                    }
                else:
                    row[name] = list(value) if isinstance(value, tuple) else value
            rows.append(row)
    return pa.Table.from_pylist(rows)
