"""A shop's goods: products, goals and search index, read once from a prepared folder and never changed.

Files of a prepared folder, each plain or with `.gz`, found by the part of the name given here:

| name has | holds |
| --- | --- |
| `products` | JSON lines, one product each, WebShop's raw keys, or under `product` those upstream loads |
| `goals_human`, `goals_synthetic` | JSON lines, one goal each; either or both |
| `title_nouns` | JSON, ASIN to the nouns of its title; needed where product rows carry no `nouns` |
| `prices` | JSON, ASIN to purchase price; needed for price ranges where product rows carry no `price` |
| `items_ins` | JSON, ASIN to `{"attributes": [...]}`; needed where product rows carry no `Attributes` |
| `term_vectors` | JSON lines `{"id", "tf"}`, optional: search terms that replace our own analysis |

`rro data import` writes rows that carry all of it, and the folder `search` with a ready index (`shelf.py`);
without that folder everything is read into memory and indexed at each start.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random

from rro.data import resource
from rro.tasks.environments.webshop import shelf
from rro.tasks.environments.webshop.analysis import analyse
from rro.tasks.environments.webshop.folder import PreparedFiles
from rro.tasks.environments.webshop.goals import Goal, read_goals
from rro.tasks.environments.webshop.product import EMPTY, Product, read_product
from rro.tasks.environments.webshop.search import TOP
from rro.tasks.environments.webshop.shelf import Found, Shelf, read_shelf, shelf_in_memory
from rro.tasks.errors import UserError

BUNDLED = "bundled"
LONGEST_KEPT = 400
"""Searches with more characters are answered afresh each time, so that no agent can fill the memory."""
SEARCHES_KEPT = 1 << 14
"""Results of this many latest searches are kept: rollouts of one step repeat the same search."""
SPECIAL = ("<a>", "<c>", "<q>")
"""First words that ask for an attribute, a category or a query."""


class Catalogue:
    """Products in file order, their goals, and how they are found."""

    def __init__(self, goods: Shelf, goals: Sequence[Goal], digest: str) -> None:
        self.products = goods.products
        self.by_asin = goods.by_asin
        self.goals = tuple(goals)
        self.digest = digest
        self._index = goods.index
        self._special = goods.special
        self._search = lru_cache(maxsize=SEARCHES_KEPT)(self._rank)

    @classmethod
    def of(
        cls,
        products: Sequence[Product],
        goals: Sequence[Goal],
        terms: Mapping[str, Mapping[str, int]] = EMPTY,
        digest: str = "",
    ) -> "Catalogue":
        """A catalogue in memory; `terms` (by ASIN) replace our own analysis of a product."""
        return cls(shelf_in_memory(products, terms), goals, digest)

    @classmethod
    def load(cls, source: str = BUNDLED) -> "Catalogue":
        """The shipped catalogue, or one from a folder; `UserError` if the folder is not a whole catalogue."""
        files = PreparedFiles(resource("webshop") if source == BUNDLED else _folder(source))
        goods = _shelf(files)
        goals = [
            goal
            for kind in ("human", "synthetic")
            for goal in read_goals(files.rows(files.name(f"goals_{kind}")), goods.by_asin, kind)
        ]
        if not goals:
            raise UserError(f"catalogue {source!r} has no goals: neither `goals_human` nor `goals_synthetic`")
        return cls(goods, goals, files.digest())

    def find(self, keywords: str, seed: str) -> Found:
        """What a search returns; `<r>`, `<a>`, `<c>`, `<q>` in front ask for anything, an attribute, a
        category or a query (upstream's engine/engine.py, get_top_n_product_from_keywords).

        Unlike upstream, `<r>` is drawn from `seed` and not from a global generator, and `<a>` and a bare
        `<c>` do not raise: they find by attribute, and nothing.
        """
        first, _, rest = keywords.partition(" ")
        if first == "<r>":
            count = len(self.products)
            return Found(self.products, Random(seed).sample(range(count), k=min(TOP, count)))
        if first in SPECIAL:
            value = rest.partition(" ")[0] if first == "<c>" else rest.strip()
            return Found(self.products, self._special.find(f"{first} {value}")[0])
        return Found(self.products, (self._search if len(keywords) <= LONGEST_KEPT else self._rank)(keywords))

    def _rank(self, keywords: str) -> list[int]:
        return self._index.search(analyse(keywords))


def _shelf(files: PreparedFiles) -> Shelf:
    """The products and the index: those of the folder `search`, or made now."""
    name = files.needed("products")
    if isinstance(files.folder, Path) and (files.folder / shelf.FOLDER).is_dir():
        return read_shelf(files.folder / name, files.hash(name))
    nouns = files.table(files.name("title_nouns"))
    prices = files.table(files.name("prices"))
    attributes = files.table(files.name("items_ins"))
    rows = (row.get("product", row) for row in files.rows(name))
    products = [read_product(row, nouns, prices, attributes) for row in rows]
    terms = {row["id"]: row["tf"] for row in files.rows(files.name("term_vectors"))}
    return shelf_in_memory(products, terms)


def _folder(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.is_dir():
        raise UserError(f"catalogue = {source!r}: no such folder; {BUNDLED!r} is the shipped catalogue")
    return path
