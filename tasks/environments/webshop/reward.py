"""What a purchase is worth: upstream's reward to the last digit (princeton-nlp/WebShop, engine/goal.py).

    reward = r_type * (attributes met + options met + [price <= bound]) / (attributes + options + 1)

Upstream's quirks, all kept with `compat="upstream"`; `compat="fixed"` does what follows on `Fixed:`.
- Colours: an option value is first replaced by the first word of a colour list that occurs in it, so
  `navy blue` is `blue`, but also `standard` is `tan`. Fixed: match whole words only.
- Options of synthetic goals are (name, value) pairs: the colour must equal the value, and the fuzzy ratio is
  taken on the printed pair, so the option's name counts. Fixed: compare the value alone.
- Nothing checks that an option belongs to the name it was asked for. Fixed: compare by name, where the goal
  tells one; human goals do not.
- Fuzzy ratios are rounded to whole numbers before the comparison with 85, so 85.4 fails. Fixed: no rounding.
- A text without letters and digits, such as `++`, is like nothing, not even itself. Fixed: equal texts match.
- The title score divides a set's size by the length of a list with repeats. Fixed: sets on both sides.
- A product of the right category whose title shares no noun, or hardly one, scores 0 or a tenth.
  Fixed: never below 0.5 there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rro.tasks.environments.webshop.goals import Goal
from rro.tasks.environments.webshop.likeness import Compat, close, option_matches
from rro.tasks.environments.webshop.product import Product


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward and its parts, as upstream reports them."""

    total: float
    r_type: float
    r_att: float
    r_option: float | None
    """None where the goal names no option."""
    r_price: bool
    query_match: bool
    category_match: bool
    title_score: float


def purchase_reward(
    product: Product, goal: Goal, options: Mapping[str, str], compat: Compat = "upstream"
) -> Reward:
    """The reward for buying `product` with the chosen `options` (name to value) when asked for `goal`."""
    met = sum(
        any(option_matches(wanted, value, name, compat) for name, value in options.items())
        for wanted in goal.options
    )
    return _reward(product, goal, met, compat)


def best_reward(goal: Goal, compat: Compat = "upstream") -> float:
    """The highest reward that buying the goal's own product can bring, one value for each of its options."""
    covers = {0}
    for name, values in goal.product.options.items():
        masks = {_mask(goal, name, value, compat) for value in values}
        covers |= {cover | mask for cover in covers for mask in masks}
    return _reward(goal.product, goal, max(cover.bit_count() for cover in covers), compat).total


def _mask(goal: Goal, name: str, value: str, compat: Compat) -> int:
    return sum(1 << i for i, wanted in enumerate(goal.options) if option_matches(wanted, value, name, compat))


def _reward(product: Product, goal: Goal, options_met: int, compat: Compat) -> Reward:
    query_match = product.query == goal.product.query
    category_match = len(product.sections & goal.product.sections) >= 2
    title_score = _title_score(product, goal.product, compat)
    r_type = _type_score(title_score, query_match or category_match, compat)
    attributes_met = sum(_has_attribute(product, wanted, compat) for wanted in goal.attributes)
    r_price = product.price <= goal.price_upper
    total = (attributes_met + options_met + r_price) / (len(goal.attributes) + len(goal.options) + 1)
    return Reward(
        total=total * r_type,
        r_type=r_type,
        r_att=attributes_met / len(goal.attributes),
        r_option=options_met / len(goal.options) if goal.options else None,
        r_price=r_price,
        query_match=query_match,
        category_match=category_match,
        title_score=title_score,
    )


def _title_score(bought: Product, wanted: Product, compat: Compat) -> float:
    if not wanted.nouns:
        return 0.2
    asked = set(wanted.nouns)
    return len(set(bought.nouns) & asked) / len(wanted.nouns if compat == "upstream" else asked)


def _type_score(title_score: float, same_kind: bool, compat: Compat) -> float:
    if compat == "fixed" and same_kind:
        return 1.0 if title_score >= 0.1 else 0.5
    if title_score == 0.0:
        return 0.0
    if title_score < 0.1:
        return 0.1
    return 1.0 if same_kind or title_score > 0.2 else 0.5


def _has_attribute(product: Product, wanted: str, compat: Compat) -> bool:
    return any(close(own, wanted, compat) for own in product.attributes) or any(
        wanted in text.lower() for text in (product.title, " ".join(product.bullets), product.description)
    )
