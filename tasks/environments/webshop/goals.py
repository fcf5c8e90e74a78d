"""What a shopper is asked to buy, and which split each goal belongs to.

Human goals name option values; synthetic goals name option and value, which upstream's reward then treats
differently (see `reward.py`). Splits are by product, so no product is asked for in two splits; upstream's own
splits, by position, are there for comparison and leak.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from rro.tasks.environments.webshop.product import Product
from rro.tasks.errors import UserError

SPLITS = ("train", "validation", "test")

Splitting = Literal["product", "positional"]
UPSTREAM_TEST, UPSTREAM_VALIDATION = 500, 1500
"""Where upstream's test and validation goals end in its shuffled order (baseline_models/env.py)."""

GoalOption = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Goal:
    """One instruction, and the product and bounds that it stands for."""

    id: str
    split: str
    product: Product
    """The product the goal was made from."""
    instruction: str
    attributes: tuple[str, ...]
    options: tuple[GoalOption, ...]
    price_upper: float
    """In dollars, inclusive."""


def split_of(asin: str) -> str:
    """The split of a product in a catalogue that names none: 70, 10 and 20 % by a digest of its ASIN."""
    share = int.from_bytes(sha256(asin.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.7 else "validation" if share < 0.8 else "test"


def split_by_position(goals: Iterable[Goal]) -> list[Goal]:
    """The same goals in upstream's splits: of each kind the first 500 for test, then 1,000 for validation."""
    seen: Counter[str] = Counter()
    moved = []
    for goal in goals:
        kind = goal.id.partition("-")[0]
        place = seen[kind]
        seen[kind] += 1
        split = "test" if place < UPSTREAM_TEST else "validation" if place < UPSTREAM_VALIDATION else "train"
        moved.append(replace(goal, split=split))
    return moved


def leaked(goals: Sequence[Goal]) -> tuple[int, int]:
    """How many test goals ask for a product that train goals ask for too, and how many test goals there are."""
    trained = {goal.product.asin for goal in goals if goal.split == "train"}
    tested = [goal for goal in goals if goal.split == "test"]
    return sum(goal.product.asin in trained for goal in tested), len(tested)


def read_goals(rows: Iterable[Mapping[str, Any]], products: Mapping[str, Product], kind: str) -> list[Goal]:
    """Goals in the order of their file; ids are `<kind>-<goal id>`."""
    return [_read_goal(row, products, kind) for row in rows]


def _read_goal(row: Mapping[str, Any], products: Mapping[str, Product], kind: str) -> Goal:
    asin = row["asin"]
    if asin not in products:
        raise UserError(f"goal {row['goal_id']}: product {asin} is not in the catalogue")
    if not row["attributes"]:
        raise UserError(f"goal {row['goal_id']}: no attributes; leave it out, as upstream does")
    options = row["goal_options"]
    return Goal(
        id=f"{kind}-{row['goal_id']}",
        split=row.get("split") or split_of(asin),
        product=products[asin],
        instruction=row["instruction_text"],
        attributes=tuple(row["attributes"]),
        options=tuple(options.items()) if isinstance(options, dict) else tuple(options),
        price_upper=float(row["price_upper"]),
    )
