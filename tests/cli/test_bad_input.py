"""What a user can get wrong: each is refused before anything starts, in one line that says how to mend it."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Rro

BAD = [
    (["qurey"], ['Unknown command "qurey"', 'Did you mean "query"']),
    (["run", "--explore.rollout", "3"], ["--explore.rollout.", "Did you mean --explore.rollouts?"]),
    (["run", "--explore.rollouts", "x"], ["explore.rollouts = 'x'", "valid integer"]),
    (["run", "--explore.rollouts", "2.5"], ["explore.rollouts = '2.5'", "valid integer"]),
    (["run", "--explore.rollouts"], ["--explore.rollouts requires an argument"]),
    (["run", "--explore.comparator", "="], ["--explore.comparator", '"="', '">", ">="']),
    (["run", "--explore.contrast", "maybe"], ["--explore.contrast", "maybe", '"true", "false"']),
    (
        ["run", "--explore.max-candidates", "0"],
        ["explore.max_candidates = '0'", "greater than or equal to 1"],
    ),
    (["run", "--explore.epsilon", "nan"], ["explore.epsilon = 'nan'"]),
    (["run", "--dpo.learning-rate", "-1"], ["dpo.learning_rate = '-1'", "greater than 0"]),
    (["run", "--evaluate.temperatures", "-1"], ["evaluate.temperatures = [-1.0]", "each 0 or more"]),
    (["run", "--environment.name", "webshp"], ["environment.name = 'webshp'", "known: ", "webshop"]),
    (
        ["run", "--environment.options.colour", "red"],
        ["environment.options.colour = 'red'", "no such setting"],
    ),
    (["run", "--experts.options.colour", "red"], ["experts.options.colour = 'red'", "no such setting"]),
    (["run", "--explore.split", "nope"], ["explore.split = 'nope'", "train, validation, test"]),
    (["run", "--evaluate.split", "tests"], ["evaluate.split = 'tests'", "train, validation, test"]),
    (["run", "--policy.base", "./nope"], ["policy.base = './nope'", "config.json", "'tiny'"]),
    (["run", "--profile", "nope"], ["profile 'nope'", "quickstart"]),
    (["run", "--profile", "nope.toml"], ["profile 'nope.toml'", "there is no such profile"]),
    (["run", "--resume", "nope"], ["run 'nope'", "there is no such run"]),
    (["run", "--resume", "../x"], ["run '../x'", "letters, digits"]),
    (["run", "--resume", "x", "--seed", "1"], ["--resume", "its own settings"]),
    (["run", "--resume", "x", "--profile", "quickstart"], ["--resume", "its own settings"]),
    (["run", "extra"], ["extra"]),
    (["stage", "sft"], ["--run", "requires an argument"]),
    (["stage", "sfd", "--run", "x"], ["sfd", "sft"]),
    (["stage", "sft", "--run", "a/b"], ["run 'a/b'", "letters, digits"]),
    (["sql", "SELEC 1"], ["Parser Error", "SELEC"]),
    (["sql", "SELECT * FROM pears"], ["pears", "does not exist", "pairs"]),
    (["sql", "COPY (SELECT 1) TO 'x.csv'"], ["one statement that asks"]),
    (["sql", "SELECT * FROM read_csv('/etc/passwd')"], ["/etc/passwd"]),
    (["sql", "SELECT 1", "--format", "xml"], ["--format", "xml", '"csv"']),
    (["query", "exploration-costs"], ["query 'exploration-costs'", "exploration-cost"]),
    (["query", "gate", "--run", "nope"], ["run 'nope'", "there is no such run"]),
]


@pytest.mark.parametrize(("words", "expected"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_refused(
    rro: Rro, calls: list[dict[str, Any]], warehouse: Path, words: list[str], expected: list[str]
) -> None:
    ended = rro(*words)
    assert ended.code == 2
    assert ended.err.startswith("rro: ")
    assert "Traceback" not in ended.err
    assert all(part in ended.err for part in expected), ended.err
    assert calls == []
    assert not warehouse.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[explore]\nmax_candidate = 3", "explore.max_candidate = 3: there is no such setting"),
        ("[explore]\nrollouts = 'five'", "explore.rollouts = 'five'"),
        ("explore = 3", "explore = 3"),
        ("[explore\n", "not a TOML file"),
        ("\x00", "not a TOML file"),
    ],
)
def test_profile_file(rro: Rro, tmp_path: Path, text: str, expected: str) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(text)
    ended = rro("run", "--profile", str(profile))
    assert (ended.code, expected in ended.err) == (2, True), ended.err


def test_every_bad_setting_is_named_at_once(rro: Rro) -> None:
    ended = rro("run", "--explore.max-candidates", "0", "--sft.epochs", "0")
    assert "explore.max_candidates = '0'" in ended.err
    assert "sft.epochs = '0'" in ended.err


def test_warehouse_that_cannot_be_written(rro: Rro, calls: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = rro("run", "--warehouse", str(tmp_path / "file" / "below"))
    assert ended.code == 2
    assert f"warehouse {tmp_path / 'file' / 'below'}: not writable" in ended.err
    assert "--warehouse or RRO_WAREHOUSE" in ended.err
    assert calls == []


def test_control_characters_in_a_message_are_written_out(rro: Rro) -> None:
    ended = rro("run", "--profile", "\x1b[31mred")
    assert "\x1b" not in ended.err
    assert "\\x1b[31mred" in ended.err
