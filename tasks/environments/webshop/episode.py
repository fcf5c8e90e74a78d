"""One shopper's visit: takes actions, moves between pages, remembers chosen options, ends with a purchase.

Follows upstream's session (princeton-nlp/WebShop, envs/web_agent_text_env.py): search works on every page and
forgets chosen options, as does going back to the results; leaving a sub page keeps them; an option value that
reads like a button acts as that button.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rro.tasks.environments.base import Turn
from rro.tasks.environments.webshop import pages
from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.goals import Goal
from rro.tasks.environments.webshop.likeness import Compat
from rro.tasks.environments.webshop.product import Product
from rro.tasks.environments.webshop.reward import Reward, purchase_reward

INVALID = "Invalid action."
CLICKED = "You have clicked "
"""How `text_rich` begins after an option was chosen, and all that `brief` says of it."""

_SUB_PAGES = {name.lower(): name for name in pages.SUB_PAGES}
_START, _RESULTS, _ITEM, _SUB = "start", "search_results", "item_page", "item_sub_page"


def parse(action: str) -> tuple[str, str | None]:
    r"""Name and lower-cased argument; the whole text and None if it is not of the form `name[argument]`.

    As upstream's `re.match(r"(.+)\[(.+)\]", action)`: only the first line counts, its last `]` ends the argument,
    the last `[` before that begins it, and both parts hold something. Found from the end, because the pattern
    takes time quadratic in the `[` of a hostile action.
    """
    line = action.partition("\n")[0]
    end = line.rfind("]")
    start = line.rfind("[", 1, max(end - 1, 0))
    return (line[:start], line[start + 1 : end].lower()) if start > 0 else (action, None)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the episodes of one environment share."""

    catalogue: Catalogue
    mode: pages.Mode
    page_size: int
    max_turns: int
    notes: bool
    """Whether an invalid action's observation says so."""
    compat: Compat = "upstream"


class ShopEpisode:
    """A visit for one goal. Its parts are replaced, never changed, so that `copy` can share them."""

    __slots__ = (
        "_found",
        "_keywords",
        "_page",
        "_product",
        "_rules",
        "_sub",
        "_visited",
        "_where",
        "done",
        "goal",
        "observation",
        "options",
        "reward",
        "turns",
    )

    _keywords: str
    _page: int
    _sub: str
    _product: Product | None
    _found: Sequence[Product]
    _visited: frozenset[str]
    options: dict[str, str]
    """Chosen values by option name."""

    def __init__(self, rules: Rules, goal: Goal) -> None:
        self._rules = rules
        self.goal = goal
        self.turns = 0
        self.done = False
        self.reward: Reward | None = None
        """What the purchase brought, part by part; None before it."""
        self._to_start()
        self.observation = self.page_text()

    def copy(self) -> Self:
        """An independent episode in the same state."""
        twin = object.__new__(type(self))
        for name in ShopEpisode.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin

    def step(self, action: str) -> Turn:
        """Act once; see `Episode.step`."""
        if self.done:
            raise ValueError(
                f"the episode for {self.goal.id} has ended; start another or copy an earlier one"
            )
        self.turns += 1
        was_at_item = self._where == _ITEM
        valid = self._act(action)
        if self.reward is not None:
            self.done = True
            self.observation = pages.BOUGHT
            outcome = min(1.0, max(0.0, self.reward.total))
            return Turn(self.observation, done=True, outcome=outcome, raw_reward=self.reward.total)
        self.done = self.turns >= self._rules.max_turns
        self.observation = self._told(action, valid, was_at_item)
        return Turn(self.observation, done=self.done, valid=valid, truncated=self.done)

    def clickables(self) -> list[str]:
        """What can be clicked now, `search` among it where there is a search bar; nothing after buying."""
        return pages.clickables(self._pieces())

    def page_text(self) -> str:
        """The page as upstream shows it, without a note on the last action; after buying, with the reward."""
        address = self._address() if self._rules.mode == "text_rich" else ""
        return pages.observation(self._pieces(), self._rules.mode, self._visited, address)

    def _act(self, action: str) -> bool:
        """Do what the action says; False, and nothing done, if it means nothing here."""
        name, argument = parse(action)
        if argument is None:
            return False
        if name == "search":
            self._to_results(argument, page=1)
            return True
        if name == "click" and argument != pages.SEARCH.lower() and argument in self.clickables():
            self._click(argument)
            return True
        return False

    def _click(self, text: str) -> None:
        if text == pages.BUY.lower():
            self._buy()
        elif text == pages.BACK.lower():
            self._to_start()
        elif text == pages.NEXT.lower() and self._place() == _RESULTS:
            self._to_results(self._keywords, self._page + 1)
        elif text == pages.PREVIOUS.lower():
            self._go_back()
        elif text in _SUB_PAGES:
            self._where, self._sub = _SUB, _SUB_PAGES[text]
        else:
            self._choose(text)

    def _go_back(self) -> None:
        place = self._place()
        if place == _SUB:
            self._where = _ITEM
        else:
            self._to_results(self._keywords, self._page - (place == _RESULTS))

    def _choose(self, text: str) -> None:
        """Open a product of the results, or choose an option of the product."""
        if self._where == _RESULTS:
            self._product = next(p for p in self._shown() if p.asin.lower() == text)
            self._visited = self._visited | {self._product.asin}
        elif self._product is not None:
            # Upstream keys clickables by text, so the last option that has the value is the one chosen.
            name = [name for name, values in self._product.options.items() if text in values][-1:]
            self.options = self.options | dict.fromkeys(name, text)
        self._where = _ITEM

    def _buy(self) -> None:
        assert self._product is not None, "the button is on item pages only"
        self.reward = purchase_reward(self._product, self.goal, self.options, self._rules.compat)

    def _to_start(self) -> None:
        self._where = _START
        self._keywords, self._page, self._sub = "", 0, ""
        self._product = None
        self._found = ()
        self._visited = frozenset()
        self.options = {}

    def _to_results(self, keywords: str, page: int) -> None:
        self._where = _RESULTS
        self._keywords, self._page = keywords, page
        self._product, self.options = None, {}
        self._found = self._rules.catalogue.find(keywords, seed=f"{self.goal.id}/{self.turns}")

    def _shown(self) -> tuple[Product, ...]:
        """The products on this page of the results; none before the first page, which upstream can reach."""
        size = self._rules.page_size
        return tuple(self._found[(self._page - 1) * size : self._page * size])

    def _pieces(self) -> list[pages.Piece]:
        instruction = self.goal.instruction
        if self.reward is not None and self._product is not None:
            return pages.done_page(self._product.asin, self.options, self.reward.total)
        if self._where == _RESULTS:
            return pages.results_page(instruction, self._shown(), len(self._found), self._page)
        if self._product is None:
            return pages.start_page(instruction)
        if self._where == _SUB:
            return pages.sub_page(instruction, self._product, self._sub)
        return pages.item_page(instruction, self._product)

    def _place(self) -> str:
        """The page as upstream tells it: by the first of three names in the address, keywords and all."""
        address = self._address()
        return next((name for name in (_RESULTS, _ITEM, _SUB) if name in address), _START)

    def _address(self) -> str:
        """The address of the page, as far as upstream reads meaning from it."""
        words = "+".join(self._keywords.split(" "))
        if self._where == _START or self._product is None:
            return f"/{self._where}/{words}/{self._page}"
        path = f"/{self._where}/{self._product.asin}/{words}/{self._page}"
        if self._where == _ITEM:
            return f"{path}/{json.dumps(self.options)}"
        return f"{path}/{self._sub}/{self.options}"

    def _told(self, action: str, valid: bool, was_at_item: bool) -> str:
        """What the action is answered with: the page, but in `brief` only what is new on it."""
        brief = self._rules.mode == "brief"
        if not valid and self._rules.notes:
            return INVALID if brief else self._noted(self.page_text())
        if brief and valid and was_at_item and self._where == _ITEM:
            return f"{CLICKED}{parse(action)[1]}."
        return self.page_text()

    def _noted(self, page: str) -> str:
        separator = "\n" if self._rules.mode == "text_rich" else pages.SEPARATOR
        return f"{INVALID}{separator}{page}"
