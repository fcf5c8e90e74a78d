"""What the documents tell a reader to type works."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rro.flows.cli import make_app
from rro.tasks.settings import load_settings
from tests.cli.conftest import Rro

ROOT = Path(__file__).parents[2]
DOCUMENTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")}
BLOCKS = [
    (name, *block)
    for name, text in DOCUMENTS.items()
    for block in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
]
LINES = [line.strip() for _, _, block in BLOCKS for line in block.splitlines()]
COMMANDS = [shlex.split(line, comments=True) for line in LINES if line.startswith("rro ")]
SQL = [block for _, language, block in BLOCKS if language == "sql"]
TARGETS = {line.split()[1] for line in LINES if line.startswith("make ")}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command(words: list[str]) -> None:
    make_app().parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("statement", SQL)
def test_sql(rro: Rro, statement: str) -> None:
    ended = rro("sql", statement)
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[1] in ("sql", "query")], ids=" ".join)
def test_question(rro: Rro, words: list[str]) -> None:
    assert rro(*words[1:]).code == 0


PROFILES = [block for name, language, block in BLOCKS if (name, language) == ("README.md", "toml")]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profiles_of_the_readme_are_ones(profile: str, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(profile)
    settings = load_settings(str(tmp_path / "my.toml")).model_dump()
    for group, values in tomllib.loads(profile).items():
        assert {**settings[group], **values} == settings[group]


def test_a_flag_changes_a_little_of_a_profile(rro: Rro, calls: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(PROFILES[0])
    (command,) = (words for words in COMMANDS if "my.toml" in words and "--explore.max-candidates" in words)
    words = [str(tmp_path / word) if word == "my.toml" else word for word in command[1:]]
    assert rro(*words).code == 0
    settings = calls[0]["settings"]
    assert (settings.explore.tasks, settings.explore.max_candidates) == (1000, 3)
    assert settings.environment.options == {"page_size": 10}


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"demo", "test", "lint", "lock"} <= TARGETS
    assert [target for target in TARGETS if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_files_that_the_documents_name_exist() -> None:
    links = {link for text in DOCUMENTS.values() for link in re.findall(r"\]\((?!http)([^)#]+)\)", text)}
    paths = set(
        re.findall(r"`((?:tasks|flows|tests|docs|requirements)/[\w./]+)`", "".join(DOCUMENTS.values()))
    )
    assert len(links | paths) > 10
    assert [path for path in links | paths if not (ROOT / path).exists()] == []
