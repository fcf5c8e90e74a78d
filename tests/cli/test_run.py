"""`rro run` and `rro stage` up to the flow they call, and what they make of how it ends."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rro.flows.command_line.flags import overrides
from rro.flows.command_line.run import fresh_name
from rro.tasks.settings import load_settings
from rro.tasks.storage.warehouse import Warehouse
from tests.cli.conftest import Rro

Calls = list[dict[str, Any]]


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        ("--explore.max-candidates 3", "explore.max_candidates", 3),
        ("--explore.max_candidates 3", "explore.max_candidates", 3),
        ("--explore.max-candidates=3", "explore.max_candidates", 3),
        ("--seed 7", "seed", 7),
        ("--dpo.learning-rate 1e-4", "dpo.learning_rate", 1e-4),
        ("--explore.early-stop true", "explore.early_stop", True),
        ("--explore.fresh false", "explore.fresh", False),
        ("--explore.comparator >=", "explore.comparator", ">="),
        ("--evaluate.temperatures 0 0.5", "evaluate.temperatures", [0.0, 0.5]),
        ("--sft.launcher accelerate launch", "sft.launcher", ["accelerate", "launch"]),
        ("--policy.tiny.layers 2", "policy.tiny.layers", 2),
        ("--environment.options.page-size 7", "environment.options.page_size", 7),
    ],
)
def test_a_flag_sets_its_setting_and_no_other(
    rro: Rro, calls: Calls, words: str, key: str, value: object
) -> None:
    assert rro("run", *words.split()).code == 0
    expected = load_settings("quickstart").model_dump()
    *groups, leaf = key.split(".")
    group = expected
    for name in groups:
        group = group[name]
    assert group.get(leaf) != value
    group[leaf] = value
    assert calls[0]["settings"].model_dump() == expected


def test_a_profile_stays_the_base_even_where_a_flag_gives_the_default(
    rro: Rro, calls: Calls, tmp_path: Path
) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text("[explore]\nrollouts = 9\nmax_candidates = 2\n")
    rro("run", "--profile", str(profile), "--explore.rollouts", "5")
    explore = calls[0]["settings"].explore
    assert (explore.rollouts, explore.max_candidates) == (5, 2)


@pytest.mark.parametrize(
    ("word", "value"),
    [("5", 5), ("-0.5", -0.5), ("true", True), ("[1, 2]", [1, 2]), ("red", "red"), ('"5"', "5"), ("", "")],
)
def test_free_options_read_json_and_else_text(word: str, value: object) -> None:
    given = {"environment__options": {"a-b": word}, "seed": None}
    assert overrides(given) == {"environment": {"options": {"a_b": value}}}


def test_the_same_command_is_the_same_run_and_fresh_makes_another(rro: Rro, calls: Calls) -> None:
    for words in (["run"], ["run"], ["run", "--seed", "1"]):
        rro(*words)
    first, again, other = (call["run"] for call in calls)
    assert first == again != other
    rro("run", "--fresh")
    assert calls[-1]["run"] == f"{first}-2"


def test_fresh_name_takes_the_first_free_number() -> None:
    assert fresh_name("a", []) == "a"
    assert fresh_name("a", ["a", "a-2", "b-3"]) == "a-3"


def test_resume_takes_the_settings_the_run_started_with(rro: Rro, calls: Calls, warehouse: Path) -> None:
    settings = load_settings("quickstart", {"explore": {"rollouts": 3}})
    saved = {"profile": "mine", "settings": settings.model_dump(mode="json")}
    Warehouse(warehouse).save_settings("old", saved)
    rro("run", "--resume", "old")
    assert calls == [
        {
            "flow": "pipeline",
            "settings": settings,
            "profile": "mine",
            "run": "old",
            "warehouse": str(warehouse),
        }
    ]


def test_a_stage_takes_its_run_s_settings_with_flags_on_top(rro: Rro, calls: Calls, warehouse: Path) -> None:
    settings = load_settings("quickstart", {"explore": {"rollouts": 3}})
    saved = {"profile": "mine", "settings": settings.model_dump(mode="json")}
    Warehouse(warehouse).save_settings("old", saved)
    rro("stage", "pairs", "--run", "old", "--iteration", "2", "--pairs.tau", "0.3")
    (call,) = calls
    assert (call["flow"], call["run"], call["iteration"]) == ("pairs", "old", 2)
    assert (call["settings"].explore.rollouts, call["settings"].pairs.tau) == (3, 0.3)


def test_a_run_begun_with_one_stage_keeps_its_settings_for_the_next(rro: Rro, calls: Calls) -> None:
    rro("stage", "sft", "--run", "new", "--explore.rollouts", "3")
    rro("stage", "explore", "--run", "new")
    rro("run", "--resume", "new")
    assert [call["flow"] for call in calls] == ["sft", "explore", "pipeline"]
    assert {call["settings"].explore.rollouts for call in calls} == {3}


DRIVER = """
import asyncio, atexit, os, subprocess, sys
from rro.flows import cli
from rro.flows.command_line import run
from rro.tasks.errors import GateClosed, StageFailed
from rro.tasks.progress import Progress, report

async def called(**_):
    {work}

run.flow = lambda name: called
run.report = lambda store, name, where: None
cli.main(["run", *sys.argv[1:]])
"""


def start(warehouse: Path, work: str, *words: str) -> "subprocess.Popen[str]":
    """`rro run` in a process of its own, whose file descriptors are real, with a flow that does `work`."""
    command = [sys.executable, "-c", DRIVER.format(work=work), "--warehouse", str(warehouse), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("work", "code", "expected"),
    [
        ("raise GateClosed('gate closed: 3 pairs, 50 wanted')", 3, "rro: gate closed: 3 pairs, 50 wanted\n"),
        ("raise StageFailed('dpo: see its log')", 1, "rro: dpo: see its log\n"),
        (
            "raise KeyboardInterrupt",
            130,
            "rro: stopped; what is finished is kept. To go on: rro run --resume ",
        ),
        ("1 / 0", 1, "rro: ZeroDivisionError: division by zero\nLog: "),
    ],
)
def test_how_a_flow_ends(tmp_path: Path, work: str, code: int, expected: str) -> None:
    process = start(tmp_path, work)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.startswith(expected), err
    assert "Traceback" not in out


def test_the_traceback_of_a_crash_is_in_the_log_and_on_request_on_the_screen(tmp_path: Path) -> None:
    _, quiet = start(tmp_path, "1 / 0").communicate(timeout=60)
    _, shown = start(tmp_path, "1 / 0", "--traceback").communicate(timeout=60)
    (log,) = tmp_path.glob("runs/*/run.log")
    assert f"Log: {log}\n" in quiet
    assert "in called" in log.read_text()
    assert "in called" not in quiet
    assert "in called" in shown


WORDY = """
    print("from python")
    os.write(2, b"from C\\n")
    subprocess.run(["echo", "from a child"], check=True)
    atexit.register(os.write, 1, b"at the end\\n")
    report(Progress("explore", 1, 5, 10, "tasks", {"pairs so far": 3, "tokens/s": 1234.5}))
    report(Progress("explore", 1, 6, 10, "tasks"))
    report(Progress("explore", 1, 10, 10, "tasks", finished=True, note="7 pairs"))
"""


def test_what_others_print_goes_to_the_log(tmp_path: Path) -> None:
    out, err = start(tmp_path, WORDY).communicate(timeout=60)
    (log,) = tmp_path.glob("runs/*/run.log")
    assert set(log.read_text().splitlines()) == {"from python", "from C", "from a child", "at the end"}
    assert err == ""
    assert re.sub(r", \d+ s", "", out).splitlines() == [
        "start: started, loading Prefect and the models' libraries",
        "start: done, ready",
        "explore 1: started, 5/10 tasks, 3 pairs so far, 1,234 tokens/s",
        "explore 1: done, 10/10 tasks, 7 pairs",
    ]


def test_ctrl_c(tmp_path: Path) -> None:
    process = start(tmp_path, "print('under way', flush=True); await asyncio.sleep(60)")
    until(lambda: any("under way" in log.read_text() for log in tmp_path.glob("runs/*/run.log")))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    (run,) = (folder.name for folder in tmp_path.glob("runs/*"))
    assert process.returncode == 130
    assert (
        err
        == f"rro: stopped; what is finished is kept. To go on: rro run --resume {run} --warehouse {tmp_path}\n"
    )
    assert out.startswith("start: started")
    resumed = start(tmp_path, "print(_['settings'].explore.rollouts)", "--resume", run)
    assert resumed.wait(60) == 0


def until(condition: Callable[[], bool]) -> None:
    """Wait for something, at most 30 s."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_runs_sql_and_query_on_an_empty_warehouse(rro: Rro, warehouse: Path) -> None:
    assert f"{warehouse}: no runs yet" in rro("runs").out.replace("\n", "")
    assert json.loads(rro("sql", "SELECT count(*) AS n FROM pairs", "--format", "json").out) == [{"n": 0}]
    assert rro("query", "gate", "--format", "csv").code == 0
    assert not warehouse.exists()
