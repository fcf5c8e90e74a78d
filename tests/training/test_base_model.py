"""The model to start from: the small one is the same bytes each time, a folder without a model is refused."""

import hashlib
from pathlib import Path

import pytest

from rro.tasks.errors import UserError
from rro.tasks.training.base_model import build_tiny, find_base, train_tokenizer
from tests.training.little import TINY, texts

TEXTS = texts()


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_same_texts_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("once", "twice"):
        build_tiny(tmp_path / name, iter(TEXTS), TINY, seed=3)
    assert digests(tmp_path / "once") == digests(tmp_path / "twice")


def test_another_seed_changes_the_weights_and_nothing_else(tmp_path: Path) -> None:
    for seed in (3, 4):
        build_tiny(tmp_path / str(seed), TEXTS, TINY, seed)
    one, other = digests(tmp_path / "3"), digests(tmp_path / "4")
    assert {name for name in one if one[name] != other[name]} == {"model.safetensors"}


@pytest.mark.parametrize(
    "text",
    [
        "search[blue mug]",
        "Page 1 [SEP] B0MUGS0001 [SEP] $10.99",
        "ümläut, \U0001f600, 名前",
        " \n\t ",
        "SELECT MAX(age) FROM mugs AS T1 WHERE T1.name = 'Marlow' AND color IN ('red', 'blue')",
    ],
)
def test_any_text_comes_back_from_the_tokenizer(text: str) -> None:
    tokenizer = train_tokenizer(TEXTS, 400)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (" [SEP]", [" [SEP]"]),
        (" a red mug", [" a", " red", " mug"]),
        ("click[red]", ["click", "[", " red", "]"]),
    ],
)
def test_markers_and_words_are_one_token_wherever_they_stand(text: str, pieces: list[str]) -> None:
    tokenizer = train_tokenizer(TEXTS, 400)
    assert [tokenizer.decode([token]) for token in tokenizer.encode(text)] == pieces


@pytest.mark.parametrize("text", ["= 'red'", " T1.red", "MAX(red)", "IN ('mug', 'red')"])
def test_a_word_that_sql_opens_is_the_token_it_is_elsewhere(text: str) -> None:
    tokenizer = train_tokenizer(TEXTS, 400)
    (red,) = tokenizer.encode(" red")
    assert red in tokenizer.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("name", ["./missing", "/missing/model", "a/b/c", "~/no-such-model-folder"])
def test_a_folder_without_a_model_is_refused(name: str) -> None:
    with pytest.raises(UserError) as caught:
        find_base(name)
    assert str(caught.value) == (
        f"policy.base = {name!r}: no model folder there (config.json is missing); "
        "give a folder with config.json and safetensors, a Hugging Face name, or 'tiny'"
    )


def test_a_model_folder_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_tiny(tmp_path / "model", TEXTS, TINY, 0)
    monkeypatch.chdir(tmp_path)
    assert find_base("./model") == find_base("model") == str(tmp_path / "model")


def test_a_hub_name_is_passed_on() -> None:
    assert find_base("some-lab/some-model") == "some-lab/some-model"
