"""A shop's goods: products, goals and search index, read once from a prepared folder and never changed.

Files of a prepared folder, each plain or with `.gz`, found by the part of the name given here:

| name has | holds |
| --- | --- |
| `products` | JSON lines, one product each, WebShop's raw keys, or under `product` those upstream loads |
| `goals_human`, `goals_synthetic` | JSON lines, one goal each; either or both |
| `title_nouns` | JSON, ASIN to the nouns of its title |
| `prices` | JSON, ASIN to purchase price; needed for products with a price range |
| `items_ins` | JSON, ASIN to `{"attributes": [...]}`; needed where product rows carry no `Attributes` |
| `term_vectors` | JSON lines `{"id", "tf"}`, optional: search terms that replace our own analysis |
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path
from random import Random
from typing import Any

from rro.data import resource
from rro.tasks.environments.webshop.analysis import analyse
from rro.tasks.environments.webshop.goals import Goal, read_goals
from rro.tasks.environments.webshop.product import Product, read_product
from rro.tasks.environments.webshop.search import TOP, SearchIndex
from rro.tasks.errors import UserError

BUNDLED = "bundled"
LONGEST_KEPT = 400
"""Searches with more characters are answered afresh each time, so that no agent can fill the memory."""
SEARCHES_KEPT = 1 << 14
"""Results of this many latest searches are kept: rollouts of one step repeat the same search."""


class Catalogue:
    """Products in file order, their goals, and how they are found."""

    def __init__(
        self, products: list[Product], goals: list[Goal], terms: Mapping[str, Mapping[str, int]], digest: str
    ) -> None:
        self.products = tuple(products)
        self.by_asin = {product.asin: product for product in products}
        self.goals = tuple(goals)
        self.digest = digest
        documents = (terms.get(p.asin) or Counter(analyse(p.document)) for p in products)
        self._index = SearchIndex([p.asin for p in products], documents)
        self._search = lru_cache(maxsize=SEARCHES_KEPT)(self._search_now)

    @classmethod
    def load(cls, source: str = BUNDLED) -> "Catalogue":
        """The shipped catalogue, or one from a folder; `UserError` if the folder is not a whole catalogue."""
        files = _Files(resource("webshop") if source == BUNDLED else _folder(source))
        nouns = json.loads(files.one("title_nouns"))
        prices = json.loads(files.at_most_one("prices") or "{}")
        attributes = json.loads(files.at_most_one("items_ins") or "{}")
        rows = [row.get("product", row) for row in _lines(files.one("products"))]
        products = [read_product(row, nouns, prices, attributes) for row in rows]
        by_asin = {product.asin: product for product in products}
        goals = [
            goal
            for kind in ("human", "synthetic")
            for goal in read_goals(_lines(files.at_most_one(f"goals_{kind}")), by_asin, kind)
        ]
        if not goals:
            raise UserError(f"catalogue {source!r} has no goals: neither `goals_human` nor `goals_synthetic`")
        terms = {row["id"]: row["tf"] for row in _lines(files.at_most_one("term_vectors"))}
        return cls(products, goals, terms, files.digest())

    def find(self, keywords: str, seed: str) -> tuple[Product, ...]:
        """What a search returns; `<r>`, `<a>`, `<c>`, `<q>` in front ask for anything, an attribute, a
        category or a query (upstream's engine/engine.py, get_top_n_product_from_keywords).

        Unlike upstream, `<r>` is drawn from `seed` and not from a global generator, and `<a>` and a bare
        `<c>` do not raise: they find by attribute, and nothing.
        """
        first, _, rest = keywords.partition(" ")
        if first == "<r>":
            return tuple(Random(seed).sample(self.products, k=min(TOP, len(self.products))))
        if first == "<a>":
            return tuple(product for product in self.products if rest.strip() in product.attributes)
        if first == "<c>":
            return tuple(product for product in self.products if product.category == rest.partition(" ")[0])
        if first == "<q>":
            return tuple(product for product in self.products if product.query == rest.strip())
        return (self._search if len(keywords) <= LONGEST_KEPT else self._search_now)(keywords)

    def _search_now(self, keywords: str) -> tuple[Product, ...]:
        return tuple(self.products[i] for i in self._index.search(analyse(keywords)))


class _Files:
    """The files of a prepared folder, by a part of their name; remembers what was read for the digest."""

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder
        self._names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
        self._hash = sha256()

    def at_most_one(self, part: str) -> str:
        """The text of the file whose name has `part`; empty if there is none."""
        found = [name for name in self._names if part in name]
        if len(found) > 1:
            raise UserError(f"catalogue {self._folder}: {part!r} is in several names: {', '.join(found)}")
        return self._read(found[0]) if found else ""

    def one(self, part: str) -> str:
        """As `at_most_one`, but a missing file is a `UserError`."""
        text = self.at_most_one(part)
        if not text:
            raise UserError(f"catalogue {self._folder}: no file with {part!r} in its name; prepare it first")
        return text

    def _read(self, name: str) -> str:
        data = self._folder.joinpath(name).read_bytes()
        if name.endswith(".gz"):
            data = gzip.decompress(data)
        self._hash.update(name.encode() + b"\0" + data)
        return data.decode()

    def digest(self) -> str:
        """Hexadecimal digest of everything read so far."""
        return self._hash.hexdigest()


def _folder(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.is_dir():
        raise UserError(f"catalogue = {source!r}: no such folder; {BUNDLED!r} is the shipped catalogue")
    return path


def _lines(text: str) -> Iterator[dict[str, Any]]:
    # Not splitlines(): product texts hold U+2028 and its like.
    return (json.loads(line) for line in text.split("\n") if line)
