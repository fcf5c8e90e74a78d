"""Makes a prepared folder from WebShop's own files: what `rro data import webshop` does.

Follows upstream's `load_products` (princeton-nlp/WebShop, engine/engine.py): products whose ASIN is `nan` or
longer than ten characters are left out, of products with one ASIN the first counts, and prices, options and
attributes are read as `product.py` says. Of the keys only those are kept that the shop uses. Where upstream
stops with an error (a price without a number, a missing key), so does this, and names the product; texts that
are null, and synthetic instructions without attributes or without a product, are passed over instead.

Everything is written to a folder beside the one that is asked for, which gets its name when all is there.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from rro.tasks import progress
from rro.tasks.environments.webshop.folder import becoming
from rro.tasks.environments.webshop.keyed import KeyedTable
from rro.tasks.environments.webshop.make_goals import ORDER_SEED, SyntheticGoals, draw_price, human_goals
from rro.tasks.environments.webshop.nouns import MODEL, noun_source
from rro.tasks.environments.webshop.product import price_amounts, read_product
from rro.tasks.environments.webshop.raw import RawFile
from rro.tasks.environments.webshop.shelf import write_index
from rro.tasks.errors import UserError

Row = dict[str, Any]

SEED = 233
LONGEST_ASIN = 10
BATCH = 512
"""Titles that spaCy gets at a time."""
INSTRUCTION = ("instruction", "instruction_attributes", "instruction_options")
"""Keys of a crowd worker's instruction."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The benchmark's files."""

    products: Path
    attributes: Path
    human_goals: Path | None = None


def prepare(
    sources: Sources,
    out: Path,
    seed: int = SEED,
    nouns: str | None = None,
    spacy_model: str = MODEL,
    synthetic_limit: int | None = None,
) -> Row:
    """Write the prepared folder `out`; what `about.json` then holds.

    `nouns` is `spacy`, `words` or a table's path (see `nouns.py`); `synthetic_limit` keeps only so many
    synthetic goals, the first in upstream's order. `UserError` if `out` exists or a file is not as it should.
    """
    with becoming(out) as folder:
        work = _Import(sources, folder, seed, noun_source(nouns, spacy_model, folder))
        with closing(work):
            work.write_products()
            work.write_goals(synthetic_limit)
        write_index(folder / "products.jsonl")
        about = work.about()
        (folder / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="ascii")
    return about


class _Import:
    """One import under way."""

    def __init__(self, sources: Sources, folder: Path, seed: int, nouns: Any) -> None:
        self._folder = folder
        self._seed = seed
        self._nouns_from, self._nouns = nouns
        self._products = RawFile(sources.products, "products")
        self._attributes_file = RawFile(sources.attributes, "attributes")
        self._human_file = RawFile(sources.human_goals, "human instructions") if sources.human_goals else None
        self._attributes = KeyedTable(folder / "attributes.db", self._attributes_file.entries())
        self._human: dict[str, list[Row]] = dict(self._human_file.entries()) if self._human_file else {}
        self._random = Random(seed)
        self._instructions: list[tuple[str, float, Row]] = []
        self._synthetic = SyntheticGoals(folder)
        self._counts: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def write_products(self) -> None:
        """Write `products.jsonl`, and gather what goals are made from."""
        rows = (self._row(raw) for raw in self._chosen())
        with _lines(self._folder / "products.jsonl") as write:
            for batch in _batches(rows):
                nouns = self._nouns([(row["asin"], row["name"]) for row in batch])
                for row, found in zip(batch, nouns, strict=True):
                    write({**row, "nouns": found})
        if not self._counts["products"]:
            raise UserError(f"{self._products.path}: no product in it")

    def _chosen(self) -> Iterator[Row]:
        """The raw products that upstream takes."""
        seen: set[str] = set()
        for number, raw in enumerate(self._products.elements(), start=1):
            raw = raw.get("product", raw) if isinstance(raw, dict) else {}
            asin = raw.get("asin")
            if not isinstance(asin, str):
                raise UserError(f"{self._products.path}, product {number}: no ASIN under 'asin'")
            if asin == "nan" or len(asin) > LONGEST_ASIN:
                self._left_out["products whose ASIN is nan or too long"] += 1
            elif asin in seen:
                self._left_out["products whose ASIN came before"] += 1
            else:
                seen.add(asin)
                yield raw

    def _row(self, raw: Row) -> Row:
        """A prepared row, but for the nouns; draws the price of a range."""
        asin = raw["asin"]
        entry = self._attributes.get(asin) or {}
        if not isinstance(entry, dict):
            raise UserError(
                f"{self._attributes_file.path}, product {asin}: an object is needed, not {entry!r}"
            )
        amounts = self._amounts(raw)
        try:
            product = read_product({**raw, "nouns": (), "price": 0.0}, attributes={asin: entry})
        except UserError as error:
            raise UserError(f"{self._products.path}: {error}") from None
        price = draw_price(amounts, self._random)
        self._counts["products"] += 1
        self._counts["products with a price range"] += len(amounts) > 1
        self._gather_goals(asin, price, entry, product.options)
        return {
            "asin": asin,
            "name": product.title,
            "full_description": product.description,
            "small_description": product.bullets,
            "pricing": amounts,
            **({"price": price} if len(amounts) > 1 else {}),
            "options": product.options,
            "Attributes": product.attributes,
            "product_category": raw["product_category"],
            "category": product.category,
            "query": product.query,
        }

    def _amounts(self, raw: Row) -> list[float]:
        try:
            amounts = price_amounts(raw.get("pricing"))
        except ValueError:
            amounts = []
        if not amounts:
            raise UserError(
                f"{self._products.path}, product {raw['asin']}: no price in pricing {raw['pricing']!r}; write it "
                "like '$5.00' or '$5.00 to $7.00', or leave it empty"
            )
        return amounts

    def _gather_goals(self, asin: str, price: float, entry: Row, options: Any) -> None:
        for given in self._human.pop(asin, ()):
            if not (isinstance(given, dict) and set(INSTRUCTION) <= set(given)):
                raise UserError(
                    f"--human-goals, product {asin}: an instruction needs {', '.join(INSTRUCTION)}"
                )
            if given["instruction_attributes"]:
                self._instructions.append((asin, price, given))
            else:
                self._left_out["human instructions without attributes"] += 1
        if entry.get("instruction") is None:
            return
        if entry.get("instruction_attributes"):
            self._synthetic.add(asin, price, entry["instruction"], entry["instruction_attributes"], options)
        else:
            self._left_out["synthetic instructions without attributes"] += 1

    def write_goals(self, synthetic_limit: int | None) -> None:
        """Write `goals_human.jsonl` and `goals_synthetic.jsonl`, each if there are any."""
        self._left_out["human instructions without a product"] = sum(map(len, self._human.values()))
        after_prices = self._random.getstate()
        human = human_goals(self._instructions, self._random)
        self._counts["human goals"] = self._write_goals("human", human, len(human))
        self._random.setstate(after_prices)
        total = (
            len(self._synthetic) if synthetic_limit is None else min(synthetic_limit, len(self._synthetic))
        )
        synthetic = self._synthetic.rows(self._random, synthetic_limit)
        self._counts["synthetic goals"] = self._write_goals("synthetic", synthetic, total)
        self._left_out["synthetic goals over the limit"] = len(self._synthetic) - total
        if not self._counts["human goals"] + self._counts["synthetic goals"]:
            raise UserError(
                f"{self._products.path}: no goal could be made: no product of it has an instruction in "
                f"{self._attributes_file.path.name} or in --human-goals"
            )

    def _write_goals(self, kind: str, rows: Iterable[Row], total: int) -> int:
        if not total:
            return 0
        stage = f"{kind} goals"
        with _lines(self._folder / f"goals_{kind}.jsonl") as write:
            for number, row in enumerate(rows, start=1):
                write(row)
                if number % 1000 == 0 or number == total:
                    done = number == total
                    progress.report(progress.Progress(stage, 0, number, total, "goals", finished=done))
        return total

    def about(self) -> Row:
        """What the folder was made from, and what is in it."""
        files = {
            "products": self._products,
            "attributes": self._attributes_file,
            "human goals": self._human_file,
        }
        return {
            "made by": f"rro {version('rro')}",
            "sources": {kind: file.about for kind, file in files.items() if file},
            "seed of prices and bounds": self._seed,
            "seed of the goals' order": ORDER_SEED,
            "nouns": self._nouns_from,
            "counts": dict(self._counts),
            "left out": {what: count for what, count in self._left_out.items() if count},
        }

    def close(self) -> None:
        """Remove what was only needed on the way."""
        self._attributes.close()
        self._synthetic.close()
        (self._folder / "nouns.db").unlink(missing_ok=True)


@contextmanager
def _lines(path: Path) -> Iterator[Callable[[Row], object]]:
    """Writes rows to a file of JSON lines. Half a surrogate pair, which no tokenizer takes, becomes `?`."""
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        yield lambda row: file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch
