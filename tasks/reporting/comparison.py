"""What strategies bought and cost, side by side: same SFT policy, same tasks, same test set, several seeds.

Intervals are 95 %, by bootstrap over held-out tasks, a task's value being its mean over the seeds; how far the
seeds lie apart stands beside them. Costs are means over the seeds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import duckdb

from rro.tasks.arms import BASELINE
from rro.tasks.errors import UserError
from rro.tasks.reporting.statistics import RESAMPLES, Estimate, mean_interval, paired_difference
from rro.tasks.storage.views import query

TASKS, ROLLOUTS = "tasks", "rollouts"
"""What all arms of a table have in common: the explored tasks, or what they were allowed to roll out."""
REFERENCE = "rising"

ARMS = "SELECT budget, arm, seed, arm_run FROM comparisons WHERE run = $run ORDER BY budget DESC, place, seed"
EVALUATED = """
SELECT t.run, t.task, t.reward, t.success, o.place, o.policy
FROM evaluated_tasks AS t JOIN policy_order AS o USING (run, policy)
WHERE list_contains($runs::VARCHAR[], t.run) AND t.temperature = $temperature
"""
STARTED = """
SELECT run, policy FROM policies
WHERE list_contains($runs::VARCHAR[], run) AND iteration = 0 AND stage = 'sft'
"""
COSTS = """
WITH steps AS (
    SELECT run, avg(candidates) AS candidates_mean, quantile_cont(candidates, 0.95) AS candidates_p95,
        max(candidates) AS candidates_max
    FROM step_summary WHERE iteration = 1 GROUP BY ALL
), kept AS (
    SELECT run, count(*) AS pairs FROM pairs WHERE iteration = 1 GROUP BY ALL
)
SELECT c.run, c.tasks, c.rollouts, c.generated_tokens, c.environment_steps, c.seconds,
    coalesce(pairs, 0) AS pairs, candidates_mean, candidates_p95, candidates_max
FROM exploration_cost AS c LEFT JOIN steps USING (run) LEFT JOIN kept USING (run)
WHERE list_contains($runs::VARCHAR[], c.run) AND c.iteration = 1
"""
RISING = """
WITH again AS (SELECT DISTINCT run, task FROM step_summary WHERE iteration = 2)
SELECT run, iteration, third, avg(rose::INTEGER) AS rising_share, count(*) AS steps
FROM step_summary AS s
WHERE list_contains($runs::VARCHAR[], run) AND strategy = 'rising'
    -- Before and after on the same tasks, where only some were explored again.
    AND (run NOT IN (SELECT run FROM again) OR task IN (SELECT task FROM again WHERE run = s.run))
GROUP BY ALL
"""
ASKED = """
SELECT max((settings::JSON ->> '$.evaluate.resamples')::INTEGER) AS resamples
FROM comparisons WHERE run = $run
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """One arm over all seeds; None where it has no such figure."""

    arm: str
    seeds: int
    reward: Estimate | None = None
    success: Estimate | None = None
    gain: Estimate | None = None
    """Reward minus the SFT policy's."""
    against: Estimate | None = None
    """Reward minus that of the arm `rising`."""
    gains: tuple[float, ...] = ()
    """The gain of each seed."""
    gain_per_million: Estimate | None = None
    """Reward gained for each million generated tokens of exploration."""
    tasks: float | None = None
    pairs: float | None = None
    candidates_mean: float | None = None
    candidates_p95: float | None = None
    candidates_max: float | None = None
    rollouts: float | None = None
    generated_tokens: float | None = None
    environment_steps: float | None = None
    seconds: float | None = None

    def per_pair(self, cost: float | None) -> float | None:
        """A cost for one kept pair."""
        return cost / self.pairs if cost is not None and self.pairs else None


@dataclass(frozen=True, slots=True)
class RisingShare:
    """Share of rising steps by third of the episode: of the SFT policy, or of the policy that an arm made."""

    policy: str
    thirds: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that is shown of a comparison."""

    run: str
    temperature: float
    tables: Mapping[str, tuple[ArmResult, ...]]
    """By what the arms have in common."""
    rising: tuple[RisingShare, ...]


Runs = dict[str, dict[int, str]]
"""Arm to seed to run."""


def compared(connection: duckdb.DuckDBPyConnection, run: str, temperature: float = 0.0) -> Comparison:
    """The comparison `run`; `UserError` where there is none, or its arms cannot be compared."""
    rows = query(connection, ARMS, {"run": run}).to_pylist()
    if not rows:
        raise UserError(f"comparison {run!r}: there is no such comparison; start one with: rro compare")
    by_budget: dict[str, Runs] = {}
    for row in rows:
        by_budget.setdefault(row["budget"], {}).setdefault(row["arm"], {})[row["seed"]] = row["arm_run"]
    equal_tasks = by_budget[TASKS]
    resamples = query(connection, ASKED, {"run": run}).to_pylist()[0]["resamples"] or RESAMPLES
    # The baseline and the reference spend what they spend, so the second table borrows them.
    shared = {arm: equal_tasks[arm] for arm in (BASELINE, REFERENCE) if arm in equal_tasks}
    return Comparison(
        run,
        temperature,
        {
            budget: results(connection, shared | runs if budget == ROLLOUTS else runs, temperature, resamples)
            for budget, runs in by_budget.items()
        },
        rising_shares(connection, equal_tasks),
    )


def results(
    connection: duckdb.DuckDBPyConnection, arms: Runs, temperature: float, resamples: int = RESAMPLES
) -> tuple[ArmResult, ...]:
    """One result an arm. `UserError` where test sets or SFT policies differ."""
    names = [run for runs in arms.values() for run in runs.values()]
    known = {"runs": names, "temperature": temperature}
    played = query(connection, EVALUATED, known).to_pylist()
    started = {row["run"]: row["policy"] for row in query(connection, STARTED, {"runs": names}).to_pylist()}
    costs = {row["run"]: row for row in query(connection, COSTS, {"runs": names}).to_pylist()}
    evaluated = {run: _last(rows) for run, rows in _by(played, "run").items()}
    check_comparable(arms, evaluated, started)
    baseline, reference = arms.get(BASELINE, {}), arms.get(REFERENCE, {})
    for seed, run in ((seed, run) for runs in arms.values() for seed, run in runs.items()):
        # An exploration that yields nothing to learn from leaves the SFT policy as it was.
        if run in costs and run not in evaluated and baseline.get(seed) in evaluated:
            evaluated[run] = evaluated[baseline[seed]]
    return tuple(
        _result(arm, runs, baseline, reference, evaluated, costs, resamples) for arm, runs in arms.items()
    )


def check_comparable(
    arms: Runs, evaluated: Mapping[str, list[dict[str, Any]]], started: Mapping[str, str]
) -> None:
    """Refuse arms of one seed that were tested on other tasks, or that started from another SFT policy."""
    first: dict[int, tuple[str, set[str], str | None]] = {}
    for arm, runs in arms.items():
        for seed, run in runs.items():
            tested = {row["task"] for row in evaluated.get(run, [])}
            if not tested:
                continue
            other, tasks, policy = first.setdefault(seed, (run, tested, started.get(run)))
            if tested != tasks:
                raise UserError(
                    f"{run} and {other} cannot be compared: they were tested on different tasks "
                    f"({len(tested)} and {len(tasks)}, {len(tested & tasks)} in common)"
                )
            if started.get(run) != policy:
                raise UserError(
                    f"{run} and {other} cannot be compared: they started from different SFT policies "
                    f"({started.get(run)} and {policy}); arm {arm}, seed {seed}"
                )


def _last(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the last policy: an arm's own, or the SFT policy where nothing was trained."""
    place = max(row["place"] for row in rows)
    return [row for row in rows if row["place"] == place]


def _result(
    arm: str,
    runs: Mapping[int, str],
    baseline: Mapping[int, str],
    reference: Mapping[int, str],
    evaluated: Mapping[str, list[dict[str, Any]]],
    costs: Mapping[str, dict[str, Any]],
    resamples: int,
) -> ArmResult:
    runs = {seed: run for seed, run in runs.items() if run in evaluated} or runs
    rewards = _over_seeds(runs.values(), evaluated, "reward")
    paid = [costs[run] for run in runs.values() if run in costs]
    names = tuple(paid[0].keys() - {"run"}) if paid else ()
    means = {name: _mean(row[name] for row in paid) for name in names}
    result: dict[str, Any] = {"arm": arm, "seeds": len(runs), **means}
    if not rewards:
        return ArmResult(**result)
    successes = _over_seeds(runs.values(), evaluated, "success")
    result["reward"] = mean_interval(list(rewards.values()), resamples)
    result["success"] = mean_interval(list(successes.values()), resamples)
    if arm != BASELINE and baseline:
        both = [seed for seed in runs if baseline.get(seed) in evaluated]
        before = _over_seeds((baseline[seed] for seed in both), evaluated, "reward")
        result["gain"] = gain = paired_difference(
            before, _over_seeds((runs[s] for s in both), evaluated, "reward"), resamples
        )
        result["gains"] = tuple(
            fmean(row["reward"] for row in evaluated[runs[seed]])
            - fmean(row["reward"] for row in evaluated[baseline[seed]])
            for seed in both
        )
        millions = (means.get("generated_tokens") or 0.0) / 1e6
        if gain is not None and millions:
            parts = (gain.mean / millions, gain.low / millions, gain.high / millions)
            result["gain_per_million"] = Estimate(*parts, gain.count)
    if arm not in (BASELINE, REFERENCE) and reference:
        both = [seed for seed in runs if reference.get(seed) in evaluated]
        other = _over_seeds((reference[seed] for seed in both), evaluated, "reward")
        own = _over_seeds((runs[seed] for seed in both), evaluated, "reward")
        result["against"] = paired_difference(other, own, resamples)
    return ArmResult(**result)


def _over_seeds(
    runs: Iterable[str], evaluated: Mapping[str, list[dict[str, Any]]], column: str
) -> dict[str, float]:
    """Task to its mean over the runs."""
    values = [{row["task"]: float(row[column]) for row in evaluated[run]} for run in runs if run in evaluated]
    return {task: fmean(one[task] for one in values) for task in (values[0] if values else ())}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return fmean(known) if known else None


def _by(rows: list[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row[key], []).append(row)
    return grouped


def rising_shares(connection: duckdb.DuckDBPyConnection, arms: Runs) -> tuple[RisingShare, ...]:
    """How often steps rose: before, and after each arm's training, where that was explored."""
    names = [run for runs in arms.values() for run in runs.values()]
    rows = query(connection, RISING, {"runs": names}).to_pylist()

    def thirds(runs: Iterable[str], iteration: int) -> tuple[float | None, ...]:
        chosen = [row for row in rows if row["run"] in set(runs) and row["iteration"] == iteration]
        return tuple(
            _mean(row["rising_share"] for row in chosen if row["third"] == third) for third in (1, 2, 3)
        )

    before = RisingShare(BASELINE, thirds(arms.get(REFERENCE, {}).values(), 1))
    after = [RisingShare(arm, thirds(runs.values(), 2)) for arm, runs in arms.items()]
    return tuple(one for one in (before, *after) if any(third is not None for third in one.thirds))
