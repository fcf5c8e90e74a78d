"""Charts of a run as PNG bytes: candidates per step, margins, reward before and after.

Matplotlib is imported only when a chart is drawn, and without its global state: charts can be drawn from any
thread and on a machine without a display.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import duckdb

from rro.tasks.reporting.comparison import Comparison
from rro.tasks.reporting.summary import Summary
from rro.tasks.storage.queries import run_query
from rro.tasks.storage.views import query

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTHS = """
SELECT iteration, candidates, count(*) AS steps FROM step_summary WHERE run = $run GROUP BY ALL ORDER BY ALL
"""
SIZE = (6.4, 3.6)
"""Inches, at 120 dots an inch."""


def candidates_chart(connection: duckdb.DuckDBPyConnection, run: str) -> bytes:
    """How many steps drew one candidate, two, and so on; iterations side by side."""
    rows = query(connection, WIDTHS, {"run": run}).to_pylist()

    def draw(axes: "Axes") -> None:
        iterations = sorted({row["iteration"] for row in rows})
        width = 0.8 / len(iterations)
        for number, iteration in enumerate(iterations):
            counts = {row["candidates"]: row["steps"] for row in rows if row["iteration"] == iteration}
            places = [drawn + (number - (len(iterations) - 1) / 2) * width for drawn in counts]
            axes.bar(places, list(counts.values()), width, label=f"iteration {iteration}")
        axes.set(xlabel="candidates drawn at a step", ylabel="steps")
        axes.set_xticks(range(1, max(row["candidates"] for row in rows) + 1))
        axes.legend()

    return _png("Candidates per step", draw if rows else None)


def margin_chart(connection: duckdb.DuckDBPyConnection, run: str) -> bytes:
    """Kept pairs by margin, in tenths, iterations stacked."""
    rows = run_query(connection, "margin-histogram", run).to_pylist()

    def draw(axes: "Axes") -> None:
        below = [0] * 10
        for iteration in sorted({row["iteration"] for row in rows}):
            pairs = [row["pairs"] for row in rows if row["iteration"] == iteration]
            axes.bar(range(10), pairs, bottom=below, align="edge", width=0.95, label=f"iteration {iteration}")
            below = [b + p for b, p in zip(below, pairs, strict=True)]
        axes.set(xlabel="margin: chosen minus rejected value", ylabel="pairs")
        axes.set_xticks(range(11), [f"{tenth / 10:g}" for tenth in range(11)])
        axes.legend()

    return _png("Margins of the kept pairs", draw if rows else None)


def reward_chart(summary: Summary) -> bytes:
    """Held-out reward of every policy with its 95 % interval, one line a temperature."""

    def draw(axes: "Axes") -> None:
        labels = list(dict.fromkeys(result.label for result in summary.policies))
        for number, temperature in enumerate(sorted({result.temperature for result in summary.policies})):
            results = [result for result in summary.policies if result.temperature == temperature]
            means = [result.reward.mean for result in results]
            spread = (
                [result.reward.mean - result.reward.low for result in results],
                [result.reward.high - result.reward.mean for result in results],
            )
            places = [labels.index(result.label) + 0.03 * number for result in results]
            axes.errorbar(
                places, means, yerr=spread, marker="o", capsize=4, label=f"temperature {temperature:g}"
            )
        axes.set(ylabel="reward", ylim=(0, 1.02))
        axes.set_xticks(range(len(labels)), labels)
        axes.margins(x=0.15)
        axes.legend()

    return _png("Reward on held-out tasks, 95 % intervals", draw if summary.policies else None)


def comparison_chart(comparison: Comparison) -> bytes:
    """Reward gained over the SFT policy against generated tokens of exploration, 95 % intervals.

    A colour an arm; circles spent the same tasks, squares what `rising` rolled out.
    """
    found = [
        (budget, one, one.gain)
        for budget, arms in comparison.tables.items()
        for one in arms
        if one.gain is not None and one.generated_tokens
    ]
    names = list(dict.fromkeys(one.arm for _, one, _ in found))

    def draw(axes: "Axes") -> None:
        shapes = dict(zip(comparison.tables, ("o", "s"), strict=False))
        for budget, one, gain in found:
            spread = [[gain.mean - gain.low], [gain.high - gain.mean]]
            axes.errorbar(
                [(one.generated_tokens or 0.0) / 1e3],
                [gain.mean],
                yerr=spread,
                marker=shapes[budget],
                color=f"C{names.index(one.arm)}",
                capsize=3,
                label=one.arm if budget == next(iter(shapes)) else None,
            )
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set(
            xscale="log",
            xlabel="thousand generated tokens (circle: equal tasks, square: equal rollouts)",
            ylabel="reward gained over SFT",
        )
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)

    return _png("Reward gained against what exploration cost", draw if found else None)


def _png(title: str, draw: Callable[["Axes"], None] | None) -> bytes:
    """A figure with one plot, or with a word that there is nothing to show."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=SIZE, dpi=120, layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.add_subplot()
    axes.set_title(title)
    if draw is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "nothing to show yet", ha="center", va="center")
    else:
        draw(axes)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png")
    return buffer.getvalue()
