"""What a prepared folder holds, and everything that is wrong with it: the WebShop half of `rro data check`."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rro.tasks import progress
from rro.tasks.environments.inspection import Inspection
from rro.tasks.environments.webshop import shelf
from rro.tasks.environments.webshop.folder import PreparedFiles
from rro.tasks.environments.webshop.goals import SPLITS, split_of
from rro.tasks.environments.webshop.product import price_amounts, read_product
from rro.tasks.errors import UserError

Row = dict[str, Any]

KINDS = ("human", "synthetic")
GOAL = ("goal_id", "asin", "instruction_text", "attributes", "price_upper", "goal_options")
"""Keys of a goal."""
REPORTED = 1000
TABLES = {"title_nouns": "nouns", "prices": "price", "items_ins": "Attributes"}
"""Tables by ASIN, and the key of a product's row that stands in for each."""


def inspect(folder: Path) -> Inspection:
    """Look at every product and goal of a folder; nothing is raised that the folder's content causes."""
    return _Check(folder).run()


class _Check:
    """One look under way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = PreparedFiles(folder)
        self._found = Inspection()
        self._asins: set[str] = set()
        """Of all products, also those that cannot be read: their goals are not to blame."""
        self._counts: Counter[str] = Counter()
        self._tables: dict[str, Row] = {}

    def run(self) -> Inspection:
        """Everything, one part after the other."""
        self._found.facts["environment"] = "webshop"
        self._tables = {part: self._table(part) for part in TABLES}
        self._products()
        for kind in KINDS:
            self._goals(kind)
        if not self._counts["goals"]:
            self._problem("no goals: no file with 'goals_human' or 'goals_synthetic' in its name holds one")
        self._terms()
        self._about()
        size = sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())
        self._found.facts["disk"] = f"{size / 1e6:,.1f} MB"
        return self._found

    def _problem(self, text: str) -> None:
        self._found.problems.append(text)

    def _name(self, part: str) -> str | None:
        """The file with this part; a problem and None where there are several."""
        try:
            return self._files.name(part)
        except UserError as error:
            self._problem(str(error))
            return None

    def _table(self, part: str) -> Row:
        try:
            table = self._files.table(self._name(part))
        except UserError as error:
            self._problem(str(error))
            return {}
        if not isinstance(table, dict):
            self._problem(f"{part}: an object by ASIN is needed")
            return {}
        return table

    def _rows(self, name: str, what: str) -> Iterator[tuple[str, Row]]:
        """The rows of a file and where each stands, with progress; a problem for each that is no object."""
        number = 0
        try:
            for number, line in enumerate(self._files.lines(name), start=1):
                where = f"{name}, line {number}"
                try:
                    row = json.loads(line)
                except ValueError as error:
                    self._problem(f"{where}: not JSON: {error}")
                    continue
                if isinstance(row, dict):
                    yield where, row
                else:
                    self._problem(f"{where}: an object is needed, not {row!r}")
                if number % REPORTED == 0:
                    progress.report(progress.Progress(what, 0, number, number, what))
        except UserError as error:
            self._problem(str(error))
        progress.report(progress.Progress(what, 0, number, number, what, finished=True))

    def _products(self) -> None:
        name = self._name("products")
        if name is None:
            self._problem("no products: no file, or several, with 'products' in its name")
            return
        for where, row in self._rows(name, "products"):
            self._product(where, row.get("product", row))
        if not self._asins:
            self._problem(f"{name}: no products in it")
        facts = self._found.facts
        facts["products"] = f"{len(self._asins):,}"
        facts["prices"] = f"{self._counts['ranges']:,} ranges, each with the price of a purchase"
        facts["nouns"] = (
            f"{self._counts['nouns']:,} in titles, {self._counts['without nouns']:,} titles without"
        )
        facts["attributes"] = f"{self._counts['attributes']:,}"
        facts["option values"] = f"{self._counts['values']:,}"

    def _product(self, where: str, row: Row) -> None:
        known = len(self._asins)
        self._asins.add(str(row.get("asin")))
        if len(self._asins) == known:
            self._problem(f"{where}: product {row.get('asin')} came before")
        try:
            product = read_product(row, *self._tables.values())
        except UserError as error:
            self._problem(f"{where}: {error}")
            return
        amounts = price_amounts(row.get("pricing"))
        if not min(amounts) <= product.price <= max(amounts):
            self._problem(
                f"{where}: product {product.asin}: {product.price} is not within {product.price_text}"
            )
        self._counts["ranges"] += len(amounts) > 1
        self._counts["nouns"] += len(product.nouns)
        self._counts["without nouns"] += not product.nouns
        self._counts["attributes"] += len(product.attributes)
        self._counts["values"] += sum(map(len, product.options.values()))

    def _goals(self, kind: str) -> None:
        name = self._name(f"goals_{kind}")
        if name is None:
            return
        splits: Counter[str] = Counter()
        ids: set[str] = set()
        for where, row in self._rows(name, f"{kind} goals"):
            problems = list(self._goal_problems(row, ids))
            for problem in problems:
                self._problem(f"{where}: {problem}")
            if not problems:
                splits[row.get("split") or split_of(row["asin"])] += 1
        self._counts["goals"] += len(ids)
        self._counts[f"{kind} goals"] = len(ids)
        by_split = ", ".join(f"{splits[split]:,} {split}" for split in SPLITS)
        self._found.facts[f"{kind} goals"] = f"{splits.total():,} ({by_split})"

    def _goal_problems(self, row: Row, ids: set[str]) -> Iterator[str]:
        missing = [key for key in GOAL if key not in row]
        if missing:
            yield f"goal {row.get('goal_id')}: no {', '.join(map(repr, missing))}"
            return
        goal = f"goal {row['goal_id']}"
        if str(row["goal_id"]) in ids:
            yield f"{goal}: came before"
        ids.add(str(row["goal_id"]))
        if row["asin"] not in self._asins:
            yield f"{goal}: product {row['asin']} is not in the catalogue"
        if not row["attributes"]:
            yield f"{goal}: no attributes"
        if not isinstance(row["price_upper"], int | float):
            yield f"{goal}: price_upper {row['price_upper']!r} is not a number"
        if row.get("split", "test") not in SPLITS:
            yield f"{goal}: split {row['split']!r} is none of {', '.join(SPLITS)}"

    def _terms(self) -> None:
        """The search index, or the recorded terms, or neither."""
        name = self._name("term_vectors")
        if (self._folder / shelf.FOLDER).is_dir():
            self._index()
        elif name is None:
            self._found.facts["search"] = "no index: it is made at each start"
        else:
            known = {str(row.get("id")) for _, row in self._rows(name, "terms")}
            for asin in sorted(known - self._asins):
                self._problem(f"{name}: {asin} is not in the catalogue")
            self._found.facts["search"] = f"terms of {len(known):,} products given"

    def _index(self) -> None:
        name = self._name("products")
        if name is None:
            return
        try:
            goods = shelf.read_shelf(self._folder / name, self._files.hash(name))
        except UserError as error:
            self._problem(str(error))
            return
        postings = goods.index.postings
        if set(goods.by_asin) != self._asins:
            self._problem(f"{self._folder / shelf.FOLDER}: lists other products than {name}")
        if postings.starts[-1] != len(postings.places) or len(postings.keys) + 1 != len(postings.starts):
            self._problem(f"{self._folder / shelf.FOLDER}: its arrays do not fit together")
        self._found.facts["search"] = (
            f"index of {len(postings.keys):,} terms, {len(postings.places):,} postings"
        )

    def _about(self) -> None:
        """What the import wrote down, against what is there."""
        path = self._folder / "about.json"
        if not path.is_file():
            return
        try:
            about = json.loads(path.read_bytes())
            counted = about["counts"]
            self._found.facts["made by"] = about["made by"]
            self._found.facts["nouns from"] = about["nouns"]
            for kind, source in about["sources"].items():
                self._found.facts[f"{kind} from"] = f"{source['name']}, sha256 {source['sha256']}"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._problem(f"about.json: damaged: {error!r}")
            return
        present = {
            "products": len(self._asins),
            **{f"{kind} goals": self._counts[f"{kind} goals"] for kind in KINDS},
        }
        for what, count in present.items():
            if counted.get(what, 0) != count:
                self._problem(f"about.json: tells of {counted.get(what, 0):,} {what}; {count:,} are there")
