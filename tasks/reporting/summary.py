"""What a run bought and cost: its policies on held-out tasks, its explorations, its stages.

`summarise` works everything out once; `tables` and `markdown` only render it.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import duckdb
from rich.table import Table

from rro.tasks.reporting.analysis import Analysis, analyse
from rro.tasks.reporting.statistics import RESAMPLES, Estimate, mean_interval, paired_difference
from rro.tasks.reporting.text import Section, figure, interval, markdown_table, rich_table, share
from rro.tasks.storage.views import query

EVALUATED = """
WITH acted AS (
    SELECT e.policy, e.temperature, avg((NOT s.valid)::INTEGER) AS invalid
    FROM steps AS s JOIN episodes AS e USING (run, episode)
    WHERE run = $run AND e.stage = 'evaluate' GROUP BY ALL
)
SELECT t.temperature, o.place, o.policy, o.stage, o.iteration, a.invalid, t.task, t.reward, t.success, t.turns
FROM evaluated_tasks AS t
JOIN policy_order AS o USING (run, policy)
LEFT JOIN acted AS a USING (policy, temperature)
WHERE run = $run
ORDER BY t.temperature, o.place, t.task
"""
EXPLORED = "SELECT DISTINCT iteration FROM exploration_cost WHERE run = $run ORDER BY iteration"
STAGES = """
SELECT iteration, stage, sum(seconds) AS seconds FROM stages WHERE run = $run
GROUP BY ALL ORDER BY max(finished_at), iteration, stage
"""
ASKED = "SELECT (settings::JSON ->> '$.evaluate.resamples')::INTEGER AS resamples FROM runs WHERE run = $run"


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """One policy on the held-out tasks at one temperature."""

    policy: str
    label: str
    """`SFT`, or `DPO` with the iteration."""
    temperature: float
    reward: Estimate
    success: float
    """Share of the tasks solved."""
    turns: float
    """Mean actions of an episode."""
    invalid: float | None
    """Share of the actions that the environment refused."""
    gain: Estimate | None
    """Reward minus the SFT policy's on the same tasks; None for the SFT policy itself."""


@dataclass(frozen=True, slots=True)
class StageTime:
    """Wall clock of one stage."""

    iteration: int
    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything the tables, the Markdown and the charts of a run show."""

    run: str
    policies: tuple[PolicyResult, ...]
    explorations: tuple[Analysis, ...]
    stages: tuple[StageTime, ...]


def summarise(connection: duckdb.DuckDBPyConnection, run: str) -> Summary:
    """The summary of `run`; parts that did not happen are empty. Resamples as the run's settings say."""

    def rows(sql: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = query(connection, sql, {"run": run}).to_pylist()
        return listed

    resamples = next((row["resamples"] for row in rows(ASKED) if row["resamples"]), RESAMPLES)
    return Summary(
        run,
        _policies(rows(EVALUATED), resamples),
        tuple(analyse(connection, run, row["iteration"], ()) for row in rows(EXPLORED)),
        tuple(StageTime(**row) for row in rows(STAGES)),
    )


def _policies(rows: list[dict[str, Any]], resamples: int) -> tuple[PolicyResult, ...]:
    grouped: dict[tuple[float, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["temperature"], row["place"]].append(row)
    base = {key[0]: _rewards(listed) for key, listed in grouped.items() if listed[0]["stage"] == "sft"}
    return tuple(_policy(listed, base.get(key[0], {}), resamples) for key, listed in grouped.items())


def _policy(rows: list[dict[str, Any]], base: dict[str, float], resamples: int) -> PolicyResult:
    first, rewards = rows[0], _rewards(rows)
    sft = first["stage"] == "sft"
    return PolicyResult(
        policy=first["policy"],
        label="SFT" if sft else f"DPO {first['iteration']}",
        temperature=first["temperature"],
        reward=mean_interval(list(rewards.values()), resamples),
        success=sum(row["success"] for row in rows) / len(rows),
        turns=sum(row["turns"] for row in rows) / len(rows),
        invalid=first["invalid"],
        gain=None if sft else paired_difference(base, rewards, resamples),
    )


def _rewards(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {row["task"]: row["reward"] for row in rows}


def tables(summary: Summary) -> list[Table]:
    """The summary as tables for the terminal; parts that did not happen are left out."""
    return [rich_table(section) for section in _sections(summary)]


def markdown(summary: Summary) -> str:
    """The summary as Markdown; parts that did not happen are left out."""
    return "\n".join(markdown_table(section) for section in _sections(summary))


def _sections(summary: Summary) -> list[Section]:
    temperatures = sorted({result.temperature for result in summary.policies})
    sections = [_rewards_at(summary, temperature) for temperature in temperatures]
    return [*sections, *(part for part in (_exploration(summary), _stages(summary)) if part.rows)]


def _rewards_at(summary: Summary, temperature: float) -> Section:
    results = [result for result in summary.policies if result.temperature == temperature]
    counts = sorted({result.reward.count for result in results})
    tasks = " or ".join(str(count) for count in counts)
    kind = "greedy" if temperature == 0 else f"temperature {temperature:g}"
    columns = (
        "policy",
        "reward (95 % interval)",
        "against SFT, paired",
        "success",
        "turns",
        "invalid actions",
    )
    rows = (
        (
            result.label,
            interval(result.reward),
            _gain(result),
            share(result.success),
            figure(result.turns, 1),
            share(result.invalid),
        )
        for result in results
    )
    return Section(f"Reward on {tasks} held-out tasks, {kind}", columns, tuple(rows))


def _gain(result: PolicyResult) -> str:
    """The gain, with its own count where not all tasks were the SFT policy's too."""
    gain = result.gain
    own = f" on {gain.count}" if gain is not None and gain.count != result.reward.count else ""
    return interval(gain, sign=True) + own


def _exploration(summary: Summary) -> Section:
    columns = (
        "iteration",
        "tasks",
        "candidates/step",
        "p95",
        "rising share",
        "pairs",
        "rollouts/pair",
        "generated tokens/pair",
    )
    rows = (
        (
            str(found.iteration),
            figure(found.tasks),
            figure(found.candidates_mean, 2),
            figure(found.candidates_p95, 1),
            share(found.rising_share),
            figure(found.pairs),
            figure(found.per_pair(found.rollouts), 1),
            figure(found.per_pair(found.generated_tokens)),
        )
        for found in summary.explorations
    )
    return Section("Exploration", columns, tuple(rows))


def _stages(summary: Summary) -> Section:
    rows = ((f"{time.stage}, iteration {time.iteration}", figure(time.seconds, 1)) for time in summary.stages)
    return Section("Seconds", ("stage", "seconds"), tuple(rows))
