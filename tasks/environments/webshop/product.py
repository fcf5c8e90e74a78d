"""One product as the shop shows and sells it, and how it is read from WebShop's keys.

Follows upstream's `load_products` (princeton-nlp/WebShop, engine/engine.py): no price means 100.0, two prices
are a range, option names are lower-cased, option values are stripped, lower-cased and have `/` written ` | `.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rro.tasks.errors import UserError

NO_ATTRIBUTES = ("DUMMY_ATTR",)
"""What upstream gives a product that its attribute file does not list."""
TEXTS = ("asin", "name", "product_category", "category", "query")
"""Keys of a row that must hold text."""
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """What the pages, the search and the reward need to know of a product; equal only to itself."""

    asin: str
    title: str
    description: str
    bullets: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]
    """Option name to its values, both as the item page shows them."""
    attributes: tuple[str, ...]
    price_text: str
    price: float
    """What a purchase costs, in dollars: for a range, the amount fixed when the catalogue was prepared."""
    category: str
    query: str
    sections: frozenset[str]
    """The parts of the product category path."""
    nouns: tuple[str, ...]
    """Nouns of the title, lower-cased, in order, repeats kept."""

    @property
    def document(self) -> str:
        """The text that upstream indexes (search_engine/convert_product_file_format.py)."""
        options = ", and ".join(f"{name}: {', '.join(values)}" for name, values in self.options.items())
        first_bullet = self.bullets[0] if self.bullets else ""
        return " ".join((self.title, self.description, first_bullet, options)).lower()


def sections_of(path: str) -> frozenset[str]:
    """The parts of a product category path such as `Home › Lighting › Desk Lamps`."""
    return frozenset(part.strip() for part in path.split("›"))


def read_product(
    row: Mapping[str, Any],
    nouns: Mapping[str, list[str]] = EMPTY,
    prices: Mapping[str, float] = EMPTY,
    attributes: Mapping[str, Any] = EMPTY,
) -> Product:
    """A product from one row with WebShop's raw keys, or with the keys of upstream's loaded form.

    A prepared row holds its own `nouns`, `price` and `Attributes`; the tables, by ASIN, are for rows without.
    `UserError` naming the product where the row is another one.
    """
    for key in TEXTS:
        if not isinstance(row.get(key), str):
            raise UserError(f"product {row.get('asin')}: {key!r} must hold text")
    try:
        return _read(row, nouns, prices, attributes)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"product {row['asin']}: cannot be read: {error!r}") from None


def _read(
    row: Mapping[str, Any],
    nouns: Mapping[str, list[str]],
    prices: Mapping[str, float],
    attributes: Mapping[str, Any],
) -> Product:
    asin = row["asin"]
    amounts = price_amounts(row.get("pricing"))
    bullets = row["small_description"]
    return Product(
        asin=asin,
        title=row["name"],
        description=row["full_description"] or "",
        bullets=tuple(bullets) if isinstance(bullets, list) else (bullets or "",),
        options=_options(row),
        attributes=_attributes(row, attributes),
        price_text=" to ".join(f"${amount}" for amount in amounts),
        price=_purchase_price(row, amounts, prices),
        category=row["category"],
        query=row["query"].lower().strip(),
        sections=sections_of(row["product_category"]),
        nouns=tuple(row["nouns"] if "nouns" in row else _lookup(nouns, asin, "title nouns")),
    )


def price_amounts(pricing: str | list[float] | None) -> list[float]:
    """One price or the two ends of a range, in dollars; 100.0 where there is none."""
    if not pricing:
        return [100.0]
    if isinstance(pricing, list):
        return [float(amount) for amount in pricing[:2]]
    return [float(re.sub(r"[^\d.]", "", part)) for part in pricing.split("$")[1:3]]


def _purchase_price(row: Mapping[str, Any], amounts: list[float], prices: Mapping[str, float]) -> float:
    if len(amounts) == 1:
        return amounts[0]
    return float(row["price"] if "price" in row else _lookup(prices, row["asin"], "purchase prices"))


def _options(row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    if "options" in row:
        return {name: tuple(values) for name, values in row["options"].items()}
    return {
        name.lower(): tuple(entry["value"].strip().replace("/", " | ").lower() for entry in entries)
        for name, entries in (row["customization_options"] or {}).items()
        if entries is not None
    }


def _attributes(row: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[str, ...]:
    if "Attributes" in row:
        return tuple(row["Attributes"])
    return tuple(attributes.get(row["asin"], {}).get("attributes", NO_ATTRIBUTES))


def _lookup(table: Mapping[str, Any], asin: str, what: str) -> Any:
    if asin not in table:
        raise UserError(f"product {asin}: the catalogue's {what} do not list it; prepare the catalogue again")
    return table[asin]
