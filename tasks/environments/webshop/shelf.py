"""Products that stay in their file, and the index beside it: how a large catalogue starts at once and stays small.

`rro data import` writes a folder `search` next to the products: where each product begins, the ASINs, the
search index and the special searches' lists, all as flat arrays that are mapped when the shop opens.
"""

import json
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from rro.tasks import progress
from rro.tasks.environments.webshop.analysis import analyse
from rro.tasks.environments.webshop.postings import Postings, PostingsBuilder, in_folder, read_array
from rro.tasks.environments.webshop.product import Product, read_product
from rro.tasks.environments.webshop.search import SearchIndex, SearchIndexBuilder
from rro.tasks.errors import UserError

FOLDER = "search"
VERSION = 1
"""Raise it when the analysis of texts or the arrays change: an index of another version is refused."""
PRODUCTS_KEPT = 1 << 13
"""Products read lately that stay in memory, some 6 kB each."""
REPORTED = 1000
"""Products between two reports of progress."""


class StoredProducts(Sequence[Product]):
    """The products of a file of JSON lines, read when asked for."""

    def __init__(self, path: Path, offsets: NDArray[np.int64]) -> None:
        self._file = path.open("rb", buffering=0)
        self._offsets = offsets
        self._kept = lru_cache(maxsize=PRODUCTS_KEPT)(self._read)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, place: int) -> Product: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Product, ...]: ...
    def __getitem__(self, place: int | slice) -> Product | tuple[Product, ...]:
        """A product by its place in the file, or several."""
        chosen = range(len(self))[place]
        return self._kept(chosen) if isinstance(chosen, int) else tuple(map(self._kept, chosen))

    def _read(self, place: int) -> Product:
        start, end = int(self._offsets[place]), int(self._offsets[place + 1])
        # pread moves no position, so threads and forked processes can share the file.
        return read_product(json.loads(os.pread(self._file.fileno(), end - start, start)))


class Found(Sequence[Product]):
    """What a search found, best first: a large catalogue reads no more of it than the page that is shown."""

    __slots__ = ("_places", "_products")

    def __init__(self, products: Sequence[Product], places: Sequence[int] | NDArray[np.int32]) -> None:
        self._products = products
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Product: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Product, ...]: ...
    def __getitem__(self, place: int | slice) -> Product | tuple[Product, ...]:
        """One of the products, or several."""
        if isinstance(place, slice):
            return tuple([self._products[found] for found in self._places[place]])
        return self._products[self._places[place]]


class ByAsin(Mapping[str, Product]):
    """Products by ASIN, found by halving a sorted array, which takes a tenth of a dict's memory."""

    def __init__(
        self, products: Sequence[Product], asins: NDArray[np.bytes_], ranks: NDArray[np.int32]
    ) -> None:
        self._products = products
        self._sorted = asins
        self._places = np.empty(len(ranks), dtype=np.int32)
        self._places[ranks] = np.arange(len(ranks), dtype=np.int32)

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[str]:
        return (asin.decode() for asin in self._sorted)

    def __getitem__(self, asin: str) -> Product:
        sought = asin.encode(errors="replace")
        rank = int(np.searchsorted(self._sorted, np.bytes_(sought)))
        if rank == len(self._sorted) or self._sorted[rank] != sought:
            raise KeyError(asin)
        return self._products[int(self._places[rank])]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A catalogue's products and every way to find them."""

    products: Sequence[Product]
    by_asin: Mapping[str, Product]
    index: SearchIndex
    special: Postings
    """Products by `special_keys`."""


def special_keys(product: Product) -> dict[str, int]:
    """What the searches `<a>`, `<c>` and `<q>` look up."""
    attributes = [f"<a> {attribute}" for attribute in product.attributes]
    return dict.fromkeys([*attributes, f"<c> {product.category}", f"<q> {product.query}"], 1)


def shelf_in_memory(products: Sequence[Product], terms: Mapping[str, Mapping[str, int]]) -> Shelf:
    """Products with a freshly made index; `terms` (by ASIN) replace our own analysis of a product."""
    index, special = SearchIndexBuilder(), PostingsBuilder()
    for product in products:
        index.add(product.asin, terms.get(product.asin) or Counter(analyse(product.document)))
        special.add(special_keys(product))
    by_asin = {product.asin: product for product in products}
    return Shelf(tuple(products), by_asin, index.finish(), special.finish("special"))


def write_index(products: Path) -> None:
    """Write the index of a file of products beside it, with progress."""
    folder = products.parent / FOLDER
    folder.mkdir()
    index, special = SearchIndexBuilder(folder), PostingsBuilder(folder)
    asins: list[bytes] = []
    offsets = array("q", [0])
    digest, size = sha256(), products.stat().st_size
    with products.open("rb") as lines:
        for line in lines:
            product = read_product(json.loads(line))
            index.add(product.asin, Counter(analyse(product.document)))
            special.add(special_keys(product))
            asins.append(product.asin.encode())
            offsets.append(offsets[-1] + len(line))
            digest.update(line)
            if len(asins) % REPORTED == 0:
                _report(offsets[-1], size)
    new = in_folder(folder)
    for name, postings in (
        ("terms", index.finish(new).postings),
        ("special", special.finish("special", new)),
    ):
        postings.save_keys(folder, name)
    np.save(folder / "asins.npy", np.sort(np.array(asins, dtype=np.bytes_)))
    np.save(folder / "offsets.npy", np.asarray(offsets))
    about = {"version": VERSION, "products": digest.hexdigest(), "count": len(asins)}
    (folder / "about.json").write_text(json.dumps(about), encoding="ascii")
    _report(size, size)


def _report(done: int, size: int) -> None:
    of, total = round(done / 1e6, 3), round(size / 1e6, 3)
    progress.report(progress.Progress("search index", 0, of, total, "MB", finished=done == size))


def read_shelf(products: Path, digest: str) -> Shelf:
    """What `write_index` wrote; `UserError` if it is not whole, of these products and of this version."""
    folder = products.parent / FOLDER
    try:
        about: dict[str, Any] = json.loads((folder / "about.json").read_text(encoding="ascii"))
        if about.get("version") != VERSION:
            raise UserError(f"{folder}: made by another version of rro; import the catalogue again")
        if about.get("products") != digest:
            raise UserError(
                f"{folder}: {products.name} was changed after the import; import the catalogue again"
            )
        stored = StoredProducts(products, read_array(folder, "offsets"))
        index = SearchIndex.read(folder)
        by_asin = ByAsin(stored, np.load(folder / "asins.npy"), index.ranks)
        return Shelf(stored, by_asin, index, Postings.read(folder, "special"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: damaged; import the catalogue again ({error})") from None
