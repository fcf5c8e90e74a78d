"""Settings: every wrong value is refused by name, profiles load, and what is given last wins."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rro.data import resource
from rro.tasks.errors import UserError
from rro.tasks.settings import Settings, load_settings, merge, parse_settings, profile_names, read_profile


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profile(name: str) -> None:
    settings = load_settings(name)
    assert parse_settings(settings.model_dump(mode="json")) == settings
    first_line = resource("profiles", f"{name}.toml").read_text(encoding="utf-8").splitlines()[0]
    assert len(first_line.removeprefix("#").strip()) > 20


def test_quickstart_ships() -> None:
    assert "quickstart" in profile_names()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"sed": 1}, "sed = 1: there is no such setting; known, closest first: seed, "),
        ({"explore": {"max_candidate": 3}}, "explore.max_candidate = 3: there is no such setting; known"),
        ({"explore": {"max_candidate": 3}}, "closest first: max_candidates, "),
        ({"policy": {"tiny": {"width": 3}}}, "policy.tiny.width = 3: there is no such setting"),
        ({"explore": {"rollouts": "five"}}, "explore.rollouts = 'five': input should be a valid integer"),
        ({"explore": {"rollouts": 2.5}}, "explore.rollouts = 2.5: input should be a valid integer"),
        ({"explore": {"max_candidates": 0}}, "explore.max_candidates = 0: input should be greater than"),
        ({"explore": {"comparator": "="}}, "explore.comparator = '=': input should be '>' or '>='"),
        ({"explore": {"temperature": 0}}, "explore.temperature = 0: input should be greater than 0"),
        ({"explore": 3}, "explore = 3: input should be a valid dictionary"),
        ({"sft": {"warmup": 1.0}}, "sft.warmup = 1.0: input should be less than 1"),
        ({"dpo": {"beta": 0}}, "dpo.beta = 0: input should be greater than 0"),
        ({"dpo": {"learning_rate": float("inf")}}, "dpo.learning_rate = inf: input should be a finite"),
        ({"pairs": {"tau": float("nan")}}, "pairs.tau = nan: input should be"),
        (
            {"policy": {"tiny": {"hidden_size": 100}}},
            "policy.tiny.hidden_size = 100: input should be a multiple",
        ),
        ({"evaluate": {"temperatures": []}}, "evaluate.temperatures = []: needs at least one temperature"),
        ({"seed": -1}, "seed = -1"),
        ({"environment": {"name": "webshp"}}, "environment.name = 'webshp': no such environment; known: "),
        ({"environment": {"options": {"page_sise": 5}}}, "environment.options.page_sise = 5: there is no"),
        ({"environment": {"options": {"page_sise": 5}}}, "closest first: page_size, "),
        ({"experts": {"options": {"genius": 1}}}, "experts.options.genius = 1: there is no such setting"),
    ],
)
def test_refused(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_settings(values)
    assert expected in str(refused.value)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(UserError) as refused:
        parse_settings({"seed": -1, "sed": 1, "explore": {"rollouts": 0}})
    assert [line.partition(" ")[0] for line in str(refused.value).splitlines()] == [
        "seed",
        "explore.rollouts",
        "sed",
    ]


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        Settings().__setattr__("seed", 1)


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": 1}}, {"a": 5}, {"a": 5}),
        ({"a": 5}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    ],
)
def test_merge(base: dict[str, Any], over: dict[str, Any], merged: dict[str, Any]) -> None:
    before = repr((base, over))
    assert merge(base, over) == merged
    assert repr((base, over)) == before


def test_overrides_win_over_the_profile_and_the_profile_over_defaults(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text("[explore]\nrollouts = 9\nmax_candidates = 2\n")
    settings = load_settings(str(profile), {"explore": {"max_candidates": 4}})
    default = Settings().explore
    assert (settings.explore.rollouts, settings.explore.max_candidates) == (9, 4)
    assert settings.explore.temperature == default.temperature


def test_a_profile_file_is_toml(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text("seed = 3\n")
    assert read_profile(str(profile)) == {"seed": 3}
    profile.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not a TOML file"):
        read_profile(str(profile))
    with pytest.raises(UserError, match=r"shipped ones: .*quickstart"):
        read_profile("quikstart")


def test_digest_depends_on_values_alone() -> None:
    values = tomllib.loads("seed = 1\n[explore]\nrollouts = 4\ntasks = 9\n")
    turned = tomllib.loads("[explore]\ntasks = 9\nrollouts = 4\n[sft]\n[dpo]\n") | {"seed": 1}
    assert parse_settings(values).digest() == parse_settings(turned).digest()
    assert parse_settings(values).digest() != parse_settings(values | {"seed": 2}).digest()
