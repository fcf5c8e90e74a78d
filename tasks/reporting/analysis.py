"""What one iteration's exploration cost and yielded, and whether that is enough for DPO: the gate."""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from rro.data import resource
from rro.tasks.reporting.text import Section, escape_markdown, figure, markdown_table, share, table_rows
from rro.tasks.settings import GateSettings
from rro.tasks.storage.views import query


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Figures of one iteration's exploration; None where there is nothing to take a figure from.

    Tokens and rollouts count those of candidates, of their rollouts, and of the start values.
    """

    run: str
    iteration: int
    tasks: int
    steps: int
    candidates: int
    candidates_mean: float | None
    candidates_p50: float | None
    candidates_p95: float | None
    candidates_max: int | None
    rollouts: int
    failed_rollouts: int
    generated_tokens: int
    prompt_tokens: int
    environment_steps: int
    seconds: float | None
    """Wall clock of the stage."""
    pairs: int
    mean_margin: float | None
    rising_share: float | None
    rising_first_third: float | None
    rising_second_third: float | None
    rising_last_third: float | None
    stuck_share: float | None
    duplicate_share: float | None
    prefix_cache_hit_rate: float | None
    environment_share: float | None
    """Seconds inside environment code for each second of the stage."""
    expected_shards: int
    missing_shards: tuple[str, ...]

    def per_pair(self, cost: float | None) -> float | None:
        """A cost for one kept pair; None where no pair was kept."""
        return cost / self.pairs if self.pairs and cost is not None else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether DPO may start, and every reason why not."""

    open: bool
    reasons: list[str]


def analyse(
    connection: duckdb.DuckDBPyConnection, run: str, iteration: int, expected_shards: Iterable[str]
) -> Analysis:
    """The figures of one iteration. `expected_shards` are the shards that its exploration should have."""
    expected = sorted(expected_shards)
    published = query(connection, "SELECT shard FROM shards WHERE run = $run", {"run": run})
    missing = set(expected) - set(published["shard"].to_pylist())
    sql = resource("sql", "analysis.sql").read_text(encoding="utf-8")
    (figures,) = query(connection, sql, {"run": run, "iteration": iteration}).to_pylist()
    return Analysis(
        run=run,
        iteration=iteration,
        expected_shards=len(expected),
        missing_shards=tuple(sorted(missing)),
        **figures,
    )


def decide(analysis: Analysis, gate: GateSettings, needs_pairs: bool = True) -> Verdict:
    """Open the gate only if pairs, margin, cost and shards are all as the settings ask."""
    found = (
        _missing(analysis),
        _too_few(analysis, gate) if needs_pairs else None,
        _too_alike(analysis, gate),
        _too_many_rollouts(analysis, gate),
        _too_many_tokens(analysis, gate),
    )
    reasons = [reason for reason in found if reason]
    return Verdict(not reasons, reasons)


def _missing(analysis: Analysis) -> str | None:
    missing = analysis.missing_shards
    if not missing:
        return None
    named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
    return f"{len(missing)} of {analysis.expected_shards} shards are missing: {named}"


def _too_few(analysis: Analysis, gate: GateSettings) -> str | None:
    if analysis.pairs == 0:
        return "no pair was kept, so there is nothing to train on"
    if analysis.pairs >= gate.min_pairs:
        return None
    pairs = "1 pair" if analysis.pairs == 1 else f"{analysis.pairs} pairs"
    return f"only {pairs}, at least {gate.min_pairs} are asked for (gate.min_pairs)"


def _too_alike(analysis: Analysis, gate: GateSettings) -> str | None:
    margin = analysis.mean_margin
    if margin is None or margin >= gate.min_margin:
        return None
    return f"mean margin {margin:.4g}, at least {gate.min_margin:g} is asked for (gate.min_margin)"


def _too_many_rollouts(analysis: Analysis, gate: GateSettings) -> str | None:
    each, most = analysis.per_pair(analysis.rollouts), gate.max_rollouts_per_pair
    if not most or each is None or each <= most:
        return None
    return (
        f"{each:,.1f} rollouts for each kept pair, at most {most:g} are allowed (gate.max_rollouts_per_pair)"
    )


def _too_many_tokens(analysis: Analysis, gate: GateSettings) -> str | None:
    tokens, most = analysis.generated_tokens, gate.max_generated_tokens
    if not most or tokens <= most:
        return None
    return f"{tokens:,} generated tokens, at most {most:,} are allowed (gate.max_generated_tokens)"


def markdown(analysis: Analysis, verdict: Verdict) -> str:
    """Figures and verdict as Markdown."""
    if verdict.open:
        opening = "**The gate is open: DPO may start.**\n"
    else:
        listed = "\n".join(f"- {escape_markdown(reason)}" for reason in verdict.reasons)
        opening = f"**The gate stays closed:**\n\n{listed}\n"
    title = f"Exploration of {analysis.run}, iteration {analysis.iteration}"
    return f"{opening}\n{markdown_table(Section(title, ('figure', 'value'), table_rows(_figures(analysis))))}"


def _figures(a: Analysis) -> list[tuple[str, str]]:
    return [
        ("tasks", figure(a.tasks)),
        ("steps", figure(a.steps)),
        ("candidates", figure(a.candidates)),
        ("candidates per step, mean", figure(a.candidates_mean, 2)),
        ("candidates per step, p50", figure(a.candidates_p50, 1)),
        ("candidates per step, p95", figure(a.candidates_p95, 1)),
        ("candidates per step, max", figure(a.candidates_max)),
        ("rollouts", figure(a.rollouts)),
        ("failed rollouts", figure(a.failed_rollouts)),
        ("generated tokens", figure(a.generated_tokens)),
        ("prompt tokens", figure(a.prompt_tokens)),
        ("environment steps", figure(a.environment_steps)),
        ("seconds", figure(a.seconds, 1)),
        ("pairs", figure(a.pairs)),
        ("mean margin", figure(a.mean_margin, 3)),
        ("candidates per kept pair", figure(a.per_pair(a.candidates), 1)),
        ("rollouts per kept pair", figure(a.per_pair(a.rollouts), 1)),
        ("generated tokens per kept pair", figure(a.per_pair(a.generated_tokens))),
        ("prompt tokens per kept pair", figure(a.per_pair(a.prompt_tokens))),
        ("environment steps per kept pair", figure(a.per_pair(a.environment_steps), 1)),
        ("seconds per kept pair", figure(a.per_pair(a.seconds), 2)),
        ("rising share", share(a.rising_share)),
        ("rising share, first third", share(a.rising_first_third)),
        ("rising share, second third", share(a.rising_second_third)),
        ("rising share, last third", share(a.rising_last_third)),
        ("stuck steps", share(a.stuck_share)),
        ("duplicate actions", share(a.duplicate_share)),
        ("prefix-cache hit rate", share(a.prefix_cache_hit_rate)),
        ("environment time share", share(a.environment_share)),
        ("missing shards", figure(len(a.missing_shards))),
    ]
