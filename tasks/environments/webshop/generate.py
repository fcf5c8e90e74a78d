"""Makes the shipped catalogue from a seed.

    python -m rro.tasks.environments.webshop.generate --seed 0 --out data/webshop

Eighteen categories of five kinds; of each kind, ten products: five pairs of attributes, each once cheap and
once dear, so that a page of results holds siblings that differ in what an instruction asks for. Eight goals a
product. Per kind, seven products go to train, one to validation, two to test.
"""

import argparse
import json
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

from rro.tasks.environments.webshop.lexicon import (
    BRANDS,
    OPTION_PHRASES,
    OPTION_VALUES,
    SECTIONS,
    TEMPLATES,
    Kind,
    Section,
)

Row = dict[str, Any]

PAIRS = 5
GOALS_PER_PRODUCT = 8
SPLIT_OF_KIND = ("train",) * 7 + ("validation",) + ("test",) * 2
RANGE_SHARE = 0.08
"""Share of products whose price is a range."""
BOUNDS = tuple(10.0 * i for i in range(1, 100))
"""Where upstream draws price bounds from (engine/goal.py, PRICE_RANGE)."""


def generate(seed: int) -> dict[str, str]:
    """File name to text of the whole catalogue; the same for the same seed."""
    random = Random(seed)
    products = [row for section in SECTIONS for row in _section_products(section, random)]
    prices = {row["asin"]: _purchase_price(row["pricing"], random) for row in products}
    goals = _all_goals(products, prices, random)
    public = [{key: value for key, value in row.items() if not key.startswith("_")} for row in products]
    random.shuffle(public)
    return {
        "products.jsonl": _json_lines(public),
        "goals_human.jsonl": _json_lines(goals),
        "items_ins.json": _json({row["asin"]: {"attributes": row["_attributes"]} for row in products}),
        "title_nouns.json": _json({row["asin"]: row["_nouns"] for row in products}),
        "prices.json": _json(prices),
    }


def _section_products(section: Section, random: Random) -> list[Row]:
    designs = [(kind, *design) for kind in section.kinds for design in _designs(section, kind, random)]
    numbers = _numbers(len(designs), random)
    rows = [
        _product(section, kind, attributes, price, f"B0{section.code}{number:04d}", random)
        for (kind, attributes, price), number in zip(designs, numbers, strict=True)
    ]
    for kind in section.kinds:
        splits = random.sample(SPLIT_OF_KIND, k=len(SPLIT_OF_KIND))
        for row, split in zip((r for r in rows if r["query"] == f"{kind.noun}s"), splits, strict=True):
            row["_split"] = split
    return rows


def _numbers(count: int, random: Random) -> list[int]:
    """Shuffled numbers, of each two the larger first.

    Equal scores are shown in order of ASIN, so of two products that differ only in price the dear one comes
    first, and taking the first result is a habit that costs.
    """
    numbers = random.sample(range(1, count + 1), k=count)
    return [number for i in range(0, count, 2) for number in sorted(numbers[i : i + 2], reverse=True)]


def _designs(section: Section, kind: Kind, random: Random) -> list[tuple[tuple[str, ...], float]]:
    """Attributes (two for the title, one for the bullets) and price of each product of a kind."""
    designs = []
    for pair in random.sample(list(combinations(section.attributes, 2)), k=PAIRS):
        cheap = kind.price * random.uniform(1.0, 1.5)
        for price in (cheap, cheap + random.uniform(25, 75)):
            title = random.sample(pair, k=2)
            hidden = random.choice([word for word in section.attributes if word not in pair])
            designs.append(((*title, hidden), int(price) + random.choice((0.45, 0.95))))
    return designs


def _product(
    section: Section, kind: Kind, attributes: tuple[str, ...], price: float, asin: str, random: Random
) -> Row:
    first, second, hidden = attributes
    brand = random.choice(BRANDS)
    return {
        "asin": asin,
        "name": f"{brand} {first} {second} {kind.noun}",
        "full_description": f"This {kind.noun} is {first} and {second}. Good for your {section.place}.",
        "small_description": [f"It is also {hidden}.", f"Made by {brand}.", *_option_bullets(kind)],
        "pricing": _pricing(price, random),
        "customization_options": {name: _values(name, random) for name in kind.options},
        "product_category": f"{section.path} › {kind.noun.title()}s",
        "category": section.code.lower(),
        "query": f"{kind.noun}s",
        "average_rating": "",
        "_attributes": list(attributes),
        "_nouns": [brand.lower(), *kind.noun.split()],
        "_noun": kind.noun,
    }


def _option_bullets(kind: Kind) -> list[str]:
    return [f"Choose your {' and '.join(kind.options)}."] if kind.options else []


def _pricing(price: float, random: Random) -> str:
    if random.random() < RANGE_SHARE:
        return f"${price:.2f} to ${price + random.randint(2, 9):.2f}"
    return f"${price:.2f}"


def _purchase_price(pricing: str, random: Random) -> float:
    """Upstream draws a range's price uniformly, to the last bit; we keep cents."""
    amounts = [float(part.lstrip("$")) for part in pricing.split(" to ")]
    return amounts[0] if len(amounts) == 1 else round(random.uniform(*amounts), 2)


def _values(name: str, random: Random) -> list[Row]:
    """Between three and six of an option's values, in their usual order."""
    every = OPTION_VALUES[name]
    kept = random.sample(every, k=min(len(every), random.randint(3, 6)))
    return [{"value": value} for value in every if value in kept]


def _all_goals(products: list[Row], prices: dict[str, float], random: Random) -> list[Row]:
    """Goals in shuffled order, so that any first part of a split is a fair sample; no text occurs twice."""
    taken: set[str] = set()
    goals: list[Row] = []
    for row in products:
        for wish in range(GOALS_PER_PRODUCT):
            goal = _goal(row, prices[row["asin"]], wish % 4, random)
            while goal["instruction_text"] in taken:
                goal = _goal(row, prices[row["asin"]], wish % 4, random)
            taken.add(goal["instruction_text"])
            goals.append(goal)
    random.shuffle(goals)
    return [{"goal_id": number, **goal} for number, goal in enumerate(goals)]


def _goal(row: Row, price: float, wish: int, random: Random) -> Row:
    attributes, hidden = _wished_attributes(row["_attributes"], wish, random)
    options = _wished_options(row["customization_options"], random)
    upper = _price_upper(price, random)
    text = random.choice(TEMPLATES).format(
        adjectives=_with_article(" ".join(attributes), row["_noun"]),
        noun=row["_noun"],
        options=" ".join(OPTION_PHRASES[name].format(value) for name, value in options),
        extra=f" that is {hidden}" if hidden else "",
    )
    return {
        "split": row["_split"],
        "asin": row["asin"],
        "instruction_text": f"{' '.join(text.split())}, and price lower than {upper:.2f} dollars",
        "attributes": [*attributes, *([hidden] if hidden else [])],
        "price_upper": upper,
        "goal_options": [value for _, value in options],
    }


def _wished_attributes(own: list[str], wish: int, random: Random) -> tuple[list[str], str]:
    """One of the title's attributes or both; at times one that only the bullets tell."""
    title = random.sample(own[:2], k=1 if wish < 2 else 2)
    if wish == 0 and random.random() < 0.4:
        return title, own[2]
    return title, ""


def _wished_options(options: dict[str, list[Row]], random: Random) -> list[tuple[str, str]]:
    """A value for each of one or two option names; all three only now and then."""
    names = list(options)
    count = min(len(names), random.choices((1, 2, 3), weights=(5, 6, 1))[0])
    chosen = sorted(random.sample(names, k=count), key=names.index)
    return [(name, random.choice(options[name])["value"]) for name in chosen]


def _price_upper(price: float, random: Random) -> float:
    """The larger of two of the first four bounds above the price (upstream's engine/goal.py)."""
    return max(random.sample([bound for bound in BOUNDS if bound > price][:4], k=2))


def _with_article(adjectives: str, noun: str) -> str:
    first = adjectives or noun
    return f"{'an' if first[0] in 'aeiou' else 'a'} {adjectives}".strip()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def _json_lines(rows: Iterable[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    """Write the catalogue's files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the files into")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, text in generate(arguments.seed).items():
        (arguments.out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
