"""Where the nouns of product titles come from, which the reward compares: a table, spaCy, or plain words.

Upstream asks spaCy (NOUN and PROPN, lower-cased; the model is part of its reward). Without spaCy and without
a table, every word of a title that begins with a letter counts, less Lucene's 33 stop words: over the 1,000
real products that leaves `r_type` as spaCy's en_core_web_sm has it for 91.4 % of the purchases from a first
page of results, and for 95.5 % of random ones.
"""

import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from rro.tasks.environments.webshop.analysis import STOP_WORDS
from rro.tasks.environments.webshop.keyed import KeyedTable
from rro.tasks.environments.webshop.raw import RawFile
from rro.tasks.errors import UserError

MODEL = "en_core_web_sm"
"""What upstream's setup.sh installs."""

Nouns = Callable[[Sequence[tuple[str, str]]], list[list[str]]]
"""The nouns of each of some (ASIN, title)."""

_WORD = re.compile(r"[^\W\d_][\w'’]*")
_NOUNS = ("NOUN", "PROPN")


def noun_source(choice: str | None, model: str, scratch: Path) -> tuple[str, Nouns]:
    """A description of the source, and the source: `spacy`, `words`, or the path of a table.

    None takes spaCy where it and the model are installed, else words. A table is JSON, ASIN to nouns.
    """
    if choice == "words" or (choice is None and not _installed(model)):
        return "words without stop words", by_words
    if choice in (None, "spacy"):
        return _spacy(model)
    assert choice is not None
    table = KeyedTable(scratch / "nouns.db", RawFile(Path(choice), "nouns").entries())
    return f"table {Path(choice).name}", lambda titles: [_listed(table, asin) for asin, _ in titles]


def by_words(titles: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The fallback: words that begin with a letter, less stop words."""
    return [
        [word for found in _WORD.findall(title) if (word := found.lower()) not in STOP_WORDS]
        for _, title in titles
    ]


def _listed(table: KeyedTable, asin: str) -> list[str]:
    nouns = table.get(asin)
    if not isinstance(nouns, list):
        raise UserError(
            f"--nouns: the table does not list product {asin}; use --nouns spacy or --nouns words"
        )
    return nouns


def _installed(model: str) -> bool:
    return importlib.util.find_spec("spacy") is not None and (
        importlib.util.find_spec(model) is not None or Path(model).is_dir()
    )


def _spacy(model: str) -> tuple[str, Nouns]:
    if importlib.util.find_spec("spacy") is None:
        raise UserError("--nouns spacy: spaCy is not installed; install it with: pip install 'rro[spacy]'")
    import spacy

    try:
        # Neither recogniser nor lemmatiser takes part in telling nouns, and they cost a third of the time.
        tagger = spacy.load(model, disable=["ner", "lemmatizer"])
    except OSError:
        raise UserError(
            f"--spacy-model {model}: not installed; get it with: python -m spacy download {model}"
        ) from None

    def nouns(titles: Sequence[tuple[str, str]]) -> list[list[str]]:
        documents = tagger.pipe(title for _, title in titles)
        return [[word.text.lower() for word in parsed if word.pos_ in _NOUNS] for parsed in documents]

    return f"spaCy {spacy.__version__}, {tagger.meta['name']} {tagger.meta['version']}", nouns
