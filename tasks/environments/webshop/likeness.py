"""When the reward takes one text for another: fuzzy ratios, and colours inside option values.

Follows upstream (princeton-nlp/WebShop, engine/goal.py and engine/normalize.py) where `compat` is `upstream`;
`reward.py` lists what `fixed` does differently.
"""

from functools import lru_cache
from typing import Literal

from rapidfuzz.fuzz import token_set_ratio
from rapidfuzz.utils import default_process

from rro.tasks.environments.webshop.goals import GoalOption

Compat = Literal["upstream", "fixed"]

CLOSE = 85
"""A ratio above this is a match."""

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


@lru_cache(maxsize=1 << 16)
def option_matches(wanted: GoalOption, value: str, name: str = "", compat: Compat = "upstream") -> bool:
    """Whether the value chosen for the option `name` meets the wanted one."""
    if compat == "upstream":
        return close(_colour(value), _colour(wanted))
    if isinstance(wanted, tuple):
        asked, wanted = wanted
        if asked != name:
            return False
    return close(_whole_word_colour(value), _whole_word_colour(wanted), compat)


def _colour(option: GoalOption) -> GoalOption:
    """The first colour word that the value contains, or that the pair has as one of its two parts."""
    return next((colour for colour in COLOURS if colour in option), option)


def _whole_word_colour(value: str) -> str:
    words = _plain(value).split()
    return next((colour for colour in COLOURS if colour in words), value)


@lru_cache(maxsize=1 << 18)
def close(left: GoalOption, right: GoalOption, compat: Compat = "upstream") -> bool:
    """Whether thefuzz's `token_set_ratio` of the two (a pair as printed) is above `CLOSE`."""
    ratio = token_set_ratio(_plain(left), _plain(right))
    if compat == "upstream":
        return round(ratio) > CLOSE
    return ratio > CLOSE or left == right


@lru_cache(maxsize=1 << 16)
def _plain(text: GoalOption) -> str:
    """Lower case, letters and digits only, characters 128 to 255 dropped: thefuzz's `full_process`."""
    return default_process(str(text).translate(_LATIN))
