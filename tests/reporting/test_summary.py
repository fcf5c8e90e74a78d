"""The run's summary against pandas, and both renderings of it."""

import io
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from rich.console import Console

from rro.tasks.reporting.statistics import mean_interval
from rro.tasks.reporting.summary import Summary, markdown, summarise, tables
from rro.tasks.reporting.text import Section, escape_markdown, markdown_table, rich_table
from rro.tasks.storage.tables import table
from rro.tasks.storage.views import connect
from rro.tasks.storage.warehouse import Warehouse
from tests.storage.little import REWARDS, evaluation, row


@pytest.fixture(scope="module")
def summary(little: duckdb.DuckDBPyConnection) -> Summary:
    return summarise(little, "late")


def shown(summary: Summary) -> str:
    console = Console(file=io.StringIO(), width=160)
    for part in tables(summary):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_policies_stand_in_training_order_at_each_temperature(summary: Summary) -> None:
    assert [(result.temperature, result.label, result.policy) for result in summary.policies] == [
        (0.0, "SFT", "p-sft"),
        (0.0, "DPO 1", "a-dpo"),
        (1.0, "SFT", "p-sft"),
        (1.0, "DPO 1", "a-dpo"),
    ]


def test_policy_figures_agree_with_pandas(summary: Summary) -> None:
    rows = evaluation()
    episodes, steps = pd.DataFrame(rows["episodes"]), pd.DataFrame(rows["steps"])
    for result in summary.policies:
        own = episodes[(episodes.policy == result.policy) & (episodes.temperature == result.temperature)]
        acted = steps[steps.episode.isin(own.episode)]
        assert result.reward == mean_interval(list(own.sort_values("task").outcome))
        assert result.reward.mean == pytest.approx(own.outcome.mean())
        assert result.reward.count == len(own)
        assert (result.success, result.turns) == (own.success.mean(), own.steps.mean())
        assert result.invalid == pytest.approx(1 - acted.valid.mean())


def test_gain_is_against_the_sft_policy_on_shared_tasks(summary: Summary) -> None:
    gains = {(result.temperature, result.label): result.gain for result in summary.policies}
    assert gains[0.0, "SFT"] is None
    greedy, sampled = gains[0.0, "DPO 1"], gains[1.0, "DPO 1"]
    assert greedy is not None
    assert sampled is not None
    assert (greedy.mean, greedy.count, greedy.low, greedy.high) == (0.25, 4, 0.0, 0.5)
    assert (sampled.mean, sampled.count) == (0.25, 1)
    assert REWARDS["a-dpo", 1.0]["h1"] - REWARDS["p-sft", 1.0]["h1"] == 0.25


def test_exploration_and_stages_are_in_the_summary(summary: Summary) -> None:
    (exploration,) = summary.explorations
    assert (exploration.pairs, exploration.candidates_mean, exploration.rollouts) == (2, 2.0, 18)
    assert [(time.stage, time.iteration, time.seconds) for time in summary.stages] == [
        ("sft", 0, 30.0),
        ("explore", 1, 16.0),
        ("dpo", 1, 20.0),
        ("evaluate", 1, 14.0),
    ]


EXPECTED = [
    "+0.250",
    "66.7%",
    "Exploration",
    "9.0",
    "120",
    "explore, iteration 1",
    "16.0",
    "temperature 1",
    "greedy",
]


@pytest.mark.parametrize("figure", EXPECTED)
def test_both_renderings_show_the_same_figures(summary: Summary, figure: str) -> None:
    assert figure in markdown(summary)
    assert figure in shown(summary)


def test_a_gain_on_fewer_tasks_says_on_how_many(summary: Summary) -> None:
    assert "[+0.250, +0.250] on 1" in shown(summary)
    assert "[+0.000, +0.500] on" not in shown(summary)


def test_a_run_without_results_has_an_empty_summary(little: duckdb.DuckDBPyConnection) -> None:
    empty = summarise(little, "nobody")
    assert (empty.policies, empty.explorations, empty.stages) == ((), (), ())
    assert markdown(empty) == ""
    assert tables(empty) == []


@pytest.mark.parametrize("resamples", [100, 101])
def test_the_number_of_resamples_is_the_one_the_run_was_set_to(tmp_path: Path, resamples: int) -> None:
    outcomes = [task**2 % 31 / 31 for task in range(30)]
    common = {
        "run": "r",
        "stage": "evaluate",
        "policy": "p",
        "temperature": 0.0,
        "steps": 1,
        "success": False,
    }
    episodes = [
        row("episodes", **common, task=f"{task:02d}", episode=str(task), outcome=outcome)
        for task, outcome in enumerate(outcomes)
    ]
    settings = f'{{"evaluate": {{"resamples": {resamples}}}}}'
    runs = [row("runs", run="r", settings=settings)]
    warehouse = Warehouse.open(tmp_path)
    warehouse.publish("r", "s", {"episodes": table("episodes", episodes), "runs": table("runs", runs)})
    with connect(warehouse) as connection:
        (result,) = summarise(connection, "r").policies
    assert result.reward == mean_interval(outcomes, resamples)
    assert result.reward != mean_interval(outcomes, 10_000)


HOSTILE = "a|b <script>`x`</script> [bold]**y**[/bold] ~z~\n# \x1b[31mred\u202e $1$ & ![i](u)"


def test_hostile_text_stays_text_in_markdown() -> None:
    text = markdown_table(Section(HOSTILE, ("a", "b"), ((HOSTILE, "1"),)))
    heading, empty, *lines = text.rstrip("\n").split("\n")
    assert empty == ""
    assert len(lines) == 3
    for line in (heading.removeprefix("###"), lines[2][2:-6]):
        unescaped = [c for i, c in enumerate(line) if c in "|<>`*[]#~$&!" and line[i - 1] != "\\"]
        assert unescaped == []
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_hostile_text_stays_text_on_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    console.print(rich_table(Section("t", ("a",), ((HOSTILE,),))))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "[bold]**y**[/bold]" in text
    assert "\\x1b[31mred\\u202e" in text
    assert "\x1b[31m" not in text


@pytest.mark.parametrize(
    ("text", "expected"), [("plain 0.5", "plain 0.5"), ("a_b", r"a\_b"), ("\\|", r"\\\|"), ("a\nb", r"a\\nb")]
)
def test_markdown_escapes(text: str, expected: str) -> None:
    assert escape_markdown(text) == expected
