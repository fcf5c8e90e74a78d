"""What a purchase is worth: upstream's reward to the last digit (princeton-nlp/WebShop, engine/goal.py).

    reward = r_type * (attributes met + options met + [price <= bound]) / (attributes + options + 1)

Upstream's quirks, all kept:
- Colours: an option value is first replaced by the first word of a colour list that occurs in it, so
  `navy blue` is `blue`, but also `standard` is `tan`. Fixed: match whole words only.
- Options of synthetic goals are (name, value) pairs: the colour must equal the value, and the fuzzy ratio is
  taken on the printed pair, so the option's name counts. Fixed: compare the value alone.
- Fuzzy ratios are rounded to whole numbers before the comparison with 85, so 85.4 fails. Fixed: no rounding.
- The title score divides a set's size by the length of a list with repeats. Fixed: sets on both sides.
- A product of the right category whose title shares no noun scores 0. Fixed: never below 0.5 there.
- Nothing checks that an option belongs to the name it was asked for. Fixed: compare by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.fuzz import token_set_ratio
from rapidfuzz.utils import default_process

from rro.tasks.environments.webshop.goals import Goal, GoalOption
from rro.tasks.environments.webshop.product import Product

CLOSE = 85
"""A rounded ratio above this is a match."""

_LATIN = dict.fromkeys(range(128, 256))

_COLOUR_TEXT = """
    alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown burgundy
    camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee cognac copper coral
    cranberry cream crystal dark denim eggplant elephant espresso fuchsia gold granite grape graphite grass
    gray green grey heather indigo ivory ivy khaki lavender lemon leopard light lilac lime magenta maroon
    mauve merlot midnight mint mocha multicolor mushroom mustard natural navy nude olive orange peach pewter
    pink plum purple rainbow red rose royal rust sand sapphire seashell silver skull slate steel stone
    stonewash sunflower tan taupe teal tiger turquoise violet walnut wheat white wine yellow
"""
COLOURS = tuple(_COLOUR_TEXT.split())
"""The reward's colour words in the order they are tried (upstream's engine/normalize.py, MIT)."""


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


def purchase_reward(product: Product, goal: Goal, options: Mapping[str, str]) -> Reward:
    """The reward for buying `product` with the chosen `options` (name to value) when asked for `goal`."""
    chosen = tuple(options.values())
    met = sum(any(option_matches(wanted, value) for value in chosen) for wanted in goal.options)
    return _reward(product, goal, met)


def best_reward(goal: Goal) -> float:
    """The highest reward that buying the goal's own product can bring, one value for each of its options."""
    covers = {0}
    for values in goal.product.options.values():
        masks = {_mask(goal.options, value) for value in values}
        covers |= {cover | mask for cover in covers for mask in masks}
    return _reward(goal.product, goal, max(cover.bit_count() for cover in covers)).total


def _mask(wanted: tuple[GoalOption, ...], value: str) -> int:
    return sum(1 << i for i, option in enumerate(wanted) if option_matches(option, value))


def _reward(product: Product, goal: Goal, options_met: int) -> Reward:
    query_match = product.query == goal.product.query
    category_match = len(product.sections & goal.product.sections) >= 2
    title_score = _title_score(product, goal.product)
    r_type = _type_score(title_score, query_match or category_match)
    attributes_met = sum(_has_attribute(product, wanted) for wanted in goal.attributes)
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


def _title_score(bought: Product, wanted: Product) -> float:
    if not wanted.nouns:
        return 0.2
    return len(set(bought.nouns) & set(wanted.nouns)) / len(wanted.nouns)


def _type_score(title_score: float, same_kind: bool) -> float:
    if title_score == 0.0:
        return 0.0
    if title_score < 0.1:
        return 0.1
    return 1.0 if same_kind or title_score > 0.2 else 0.5


def _has_attribute(product: Product, wanted: str) -> bool:
    return any(close(own, wanted) for own in product.attributes) or any(
        wanted in text.lower() for text in (product.title, " ".join(product.bullets), product.description)
    )


@lru_cache(maxsize=1 << 16)
def option_matches(wanted: GoalOption, value: str) -> bool:
    """Whether the chosen option value meets the wanted one."""
    return close(_colour(value), _colour(wanted))


def _colour(option: GoalOption) -> GoalOption:
    """The first colour word that the value contains, or that the pair has as one of its two parts."""
    return next((colour for colour in COLOURS if colour in option), option)


@lru_cache(maxsize=1 << 18)
def close(left: GoalOption, right: GoalOption) -> bool:
    """Whether thefuzz's `token_set_ratio` of the two (a pair as printed) is above `CLOSE`."""
    return round(token_set_ratio(_plain(left), _plain(right))) > CLOSE


@lru_cache(maxsize=1 << 16)
def _plain(text: GoalOption) -> str:
    """Lower case, letters and digits only, characters 128 to 255 dropped: thefuzz's `full_process`."""
    return default_process(str(text).translate(_LATIN))
