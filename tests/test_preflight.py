"""What is checked once the data are at hand."""

from types import SimpleNamespace
from typing import Any

import pytest

from rro.tasks.errors import UserError
from rro.tasks.preflight import check_run, check_split
from rro.tasks.settings import load_settings


def test_quickstart_passes() -> None:
    check_run(load_settings("quickstart"))


def test_an_empty_split_is_refused() -> None:
    empty: Any = SimpleNamespace(name="shop", splits=("train", "test"), tasks=lambda split: ())
    with pytest.raises(UserError, match=r"explore\.split = 'train': this split of shop has no tasks"):
        check_split(empty, "explore.split", "train")
