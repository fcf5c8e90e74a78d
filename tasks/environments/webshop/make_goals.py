"""Makes goals from instructions as upstream does (princeton-nlp/WebShop, engine/goal.py): bounds, texts, order.

Upstream draws prices and then bounds before it seeds anything, so that they differ from run to run; here both
come from one stated seed. The order is upstream's: shuffled with seed 233. It loads either kind of goal in a
run of its own, so each kind begins with the generator as the prices left it.
"""

import json
import os
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod
from pathlib import Path
from random import Random
from typing import Any

Row = dict[str, Any]

BOUNDS = tuple(10.0 * i for i in range(1, 100))
NO_BOUND = 1_000_000
"""What upstream writes where fewer than two bounds lie above a price."""
ORDER_SEED = 233
OFFERS_KEPT = 1 << 12


def draw_price(amounts: Sequence[float], random: Random) -> float:
    """What a purchase costs: for a range, an amount inside it."""
    return amounts[0] if len(amounts) == 1 else random.uniform(amounts[0], amounts[1])


def draw_bound(price: float, random: Random) -> tuple[float, str]:
    """The larger of two of the first four bounds above the price, and how an instruction says it."""
    above = [bound for bound in BOUNDS if bound > price][:4]
    if len(above) < 2:
        return NO_BOUND, ""
    upper = max(random.sample(above, 2))
    return upper, f", and price lower than {upper:.2f} dollars"


def human_goals(instructions: Sequence[tuple[str, float, Row]], random: Random) -> list[Row]:
    """Goals in upstream's order from (ASIN, price, crowd worker's instruction) in order of the products."""
    goals = []
    for asin, price, given in instructions:
        upper, bound = draw_bound(price, random)
        goals.append(
            {
                "asin": asin,
                "instruction_text": given["instruction"].strip(".") + bound,
                "attributes": given["instruction_attributes"],
                "price_upper": upper,
                "goal_options": given["instruction_options"],
                "weight": 1,
            }
        )
    Random(ORDER_SEED).shuffle(goals)
    return [{"goal_id": number, **goal} for number, goal in enumerate(goals)]


class SyntheticGoals:
    """A goal for each combination of options of each product that has a generated instruction.

    There may be millions, so what they are made from stays in a file, and only their order in memory.
    """

    def __init__(self, scratch: Path) -> None:
        self._path = scratch / "offers.jsonl"
        self._file = self._path.open("w+b", buffering=1 << 20)
        self._offsets = array("q", [0])
        self._prices = array("d")
        self._ends = array("q")
        """Of each product, the number of goals up to its last one."""
        self._attributes: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def add(self, asin: str, price: float, instruction: str, attributes: list[str], options: Row) -> None:
        """A product's instruction, with the product's options."""
        # As upstream: options in order of their names, the last one running fastest.
        offer = {
            "asin": asin,
            "instruction": instruction,
            "attributes": attributes,
            "options": [[name, list(options[name])] for name in sorted(options)],
        }
        line = json.dumps(offer).encode()
        self._file.write(line)
        self._offsets.append(self._offsets[-1] + len(line))
        count = prod(len(values) for values in options.values())
        self._prices.append(price)
        self._ends.append(len(self) + count)
        for attribute in attributes:
            self._attributes[attribute] += count

    def rows(self, random: Random, limit: int | None) -> Iterator[Row]:
        """The goals in upstream's order; at most `limit` of them."""
        self._file.flush()
        bounds = [draw_bound(price, random) for price in self._prices]
        order = array("q", range(len(self)))
        Random(ORDER_SEED).shuffle(order)
        offer = lru_cache(maxsize=OFFERS_KEPT)(self._offer)
        for number, goal in enumerate(order if limit is None else order[:limit]):
            place = bisect_right(self._ends, goal)
            combination = goal - (self._ends[place - 1] if place else 0)
            yield {"goal_id": number, **self._row(offer(place), combination, *bounds[place])}

    def _offer(self, place: int) -> Row:
        start, end = self._offsets[place], self._offsets[place + 1]
        offer: Row = json.loads(os.pread(self._file.fileno(), end - start, start))
        return offer

    def _row(self, offer: Row, combination: int, upper: float, bound: str) -> Row:
        chosen = {}
        for name, values in reversed(offer["options"]):
            combination, place = divmod(combination, len(values))
            chosen[name] = values[place]
        options = dict(reversed(chosen.items()))
        told = ", and ".join(f"{name}: {value}" for name, value in options.items())
        attributes = offer["attributes"]
        rarity = sum(1.0 / self._attributes[attribute] for attribute in attributes) / len(attributes)
        return {
            "asin": offer["asin"],
            "instruction_text": f"{offer['instruction']}{' with ' + told if told else ''}{bound}",
            "attributes": attributes,
            "price_upper": upper,
            "goal_options": options,
            "weight": rarity,
        }

    def close(self) -> None:
        """Forget everything."""
        self._file.close()
        self._path.unlink()
