"""A scripted shopper that reads only what an agent reads, and errs the way people's demonstrations err.

It searches with the telling words of the instruction, opens the result whose title has most of them and whose
price fits, chooses the options that the instruction names, and buys. Its flaws are habits that pay less than
what an agent can find out by trying.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from pydantic import Field

from rro.tasks.environments.base import Strict

_FILLER_TEXT = """
    a am an and another any are buy can color could dollars find finish firmness flavor for get give have
    heat i in is it length like looking lower made material me need of on pack pattern please price scent
    search show size some style than that the to want which with would you
"""
FILLERS = frozenset(_FILLER_TEXT.split())
"""Words of an instruction that say nothing about the product."""

_BOUND = re.compile(r",? and price lower than ([\d.]+) dollars")
_WORD = re.compile(r"[\w][\w'.-]*")
_AMOUNT = re.compile(r"\$([\d.]+)")
_MARKS = re.compile(r"^\s*\[(?:clicked )?button\] | \[(?:clicked )?button_\]$")
_SPLIT = re.compile(r" \[SEP\] |\n")
_SUB_PAGES = frozenset({"Description", "Features", "Reviews"})


class ShopExpertOptions(Strict):
    """Flaws of the scripted shopper, as probabilities; all 0 is the best it can do."""

    forget_option: float = Field(
        0.55, ge=0, le=1, description="chance, at each option still to be chosen, to buy without the rest"
    )
    ignore_price: float = Field(0.1, ge=0, le=1, description="chance, per episode, not to look at prices")
    take_first: float = Field(0.1, ge=0, le=1, description="chance, per episode, to open the first result")


@dataclass(slots=True)
class ShopExpert:
    """One visit's shopper: `expert(observation)` is its next action. Equal seeds act equally."""

    seed: int
    options: ShopExpertOptions
    _bound: float = field(default=float("inf"), init=False)
    _words: tuple[str, ...] = field(default=(), init=False)
    _chosen: set[str] = field(default_factory=set, init=False)
    _item: list[str] = field(default_factory=list, init=False)
    _random: Random = field(init=False)
    _takes_first: bool = field(init=False)
    _ignores_price: bool = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._takes_first = self._random.random() < self.options.take_first
        self._ignores_price = self._random.random() < self.options.ignore_price

    def __call__(self, observation: str) -> str:
        """The next action after this observation."""
        pieces = [_MARKS.sub("", piece) for piece in _SPLIT.split(observation) if piece]
        if "Buy Now" in pieces:
            self._item = pieces
            return self._at_item(pieces)
        if observation.startswith("You have clicked "):
            return self._at_item(self._item)
        results = next((i for i, piece in enumerate(pieces) if piece.startswith("Page ")), None)
        if results is not None:
            return self._at_results(pieces[results + 1 :])
        if "Search" in pieces:
            return self._at_start(pieces)
        return "click[< prev]"

    def _at_start(self, pieces: list[str]) -> str:
        self._read(pieces[pieces.index("Search") - 1])
        return f"search[{' '.join(self._words)}]"

    def _read(self, instruction: str) -> None:
        text = instruction.lower()
        bound = _BOUND.search(text)
        self._bound = float(bound[1]) if bound else float("inf")
        words = _WORD.findall(_BOUND.sub("", text))
        self._words = tuple(word for word in words if word not in FILLERS) or tuple(words)

    def _at_results(self, pieces: list[str]) -> str:
        shown = pieces[pieces.index("Next >") + 1 :]
        # A product without a title leaves two pieces, so rows are found by their price.
        ends = [i + 1 for i, piece in enumerate(shown) if _AMOUNT.match(piece)]
        rows = [shown[start:end] for start, end in pairwise([0, *ends])]
        if not rows:
            return self._search_less()
        best = 0 if self._takes_first else max(range(len(rows)), key=lambda i: (self._merit(rows[i]), -i))
        self._chosen.clear()
        return f"click[{rows[best][0]}]"

    def _search_less(self) -> str:
        self._words = self._words[:-1] or self._words
        return f"search[{' '.join(self._words)}]"

    def _merit(self, row: list[str]) -> float:
        """How many of the wanted words the title has; a price above the bound outweighs two of them."""
        title = set(_WORD.findall(" ".join(row[1:-1]).lower()))
        too_dear = not self._ignores_price and max(map(float, _AMOUNT.findall(row[-1]))) > self._bound
        return sum(word in title for word in self._words) - 2.5 * too_dear

    def _at_item(self, pieces: list[str]) -> str:
        wanted = [value for value in self._offered(pieces) if value not in self._chosen]
        if not wanted or self._random.random() < self.options.forget_option:
            return "click[buy now]"
        self._chosen.add(wanted[0])
        return f"click[{wanted[0]}]"

    def _offered(self, pieces: list[str]) -> list[str]:
        """The option values on the page that the instruction names, in the order of the instruction."""
        end = next(i for i, piece in enumerate(pieces) if piece.startswith("Price: "))
        values = set(pieces[pieces.index("< Prev") + 1 : end - 1])
        return [word for word in self._words if word in values]
