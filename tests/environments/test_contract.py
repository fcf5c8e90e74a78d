"""Every registered environment keeps the contract, whatever its options."""

from importlib.metadata import entry_points

import pytest

from rro.tasks.environments.base import GROUP, Environment, environment_class
from rro.tasks.errors import UserError
from tests.environments.contract import check_environment

REGISTERED = sorted({point.name for point in entry_points(group=GROUP)})
OPTIONS = [
    ("webshop", {"observation": "text_rich"}),
    ("webshop", {"observation": "brief", "page_size": 4, "notes": False}),
    ("webshop", {"max_turns": 3}),
    ("intercode_sql", {"reading": "upstream"}),
    ("intercode_sql", {"reading": "ipr", "observation_chars": 350}),
    ("intercode_sql", {"observation": "brief", "max_turns": 4}),
    ("intercode_sql", {"reading": "upstream", "observation": "brief", "observation_chars": 40}),
    ("intercode_sql", {"reading": "ipr", "observation_chars": 350, "hardness": ["easy"], "most_tables": 1}),
]


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in REGISTERED), *OPTIONS])
def test_the_environment_keeps_the_contract(name: str, options: dict[str, object]) -> None:
    kind = environment_class(name)
    environment = kind(kind.Options(**options))
    assert isinstance(environment.digest, str)
    check_environment(environment)


def test_both_benchmarks_are_registered() -> None:
    assert {"webshop", "intercode_sql"} <= set(REGISTERED)


def test_an_unknown_environment_is_named_with_those_that_exist() -> None:
    with pytest.raises(UserError, match=r"'webshopp'.*webshop"):
        environment_class("webshopp")


def test_the_digest_tells_environments_apart_by_what_they_do() -> None:
    def digest(**options: object) -> str:
        kind = environment_class("webshop")
        environment: Environment = kind(kind.Options(**options))
        return environment.digest

    assert digest() == digest()
    assert len({digest(), digest(page_size=5), digest(observation="brief"), digest(max_turns=9)}) == 4
