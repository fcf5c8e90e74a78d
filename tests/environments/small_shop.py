"""A shop of four products, for tests of pages and rewards that are worked out by hand."""

from collections.abc import Mapping
from typing import Any

from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.episode import Rules, ShopEpisode
from rro.tasks.environments.webshop.goals import Goal, GoalOption
from rro.tasks.environments.webshop.pages import Mode
from rro.tasks.environments.webshop.product import Product, sections_of

INSTRUCTION = "i need a blue mug"


def product(asin: str, title: str, **changes: Any) -> Product:
    fields: dict[str, Any] = {
        "asin": asin,
        "title": title,
        "description": "",
        "bullets": (),
        "options": {},
        "attributes": (),
        "price_text": "$10.0",
        "price": 10.0,
        "category": "kitchen",
        "query": "mugs",
        "sections": sections_of("Home › Kitchen › Mugs"),
        "nouns": tuple(title.lower().split()),
    }
    return Product(**{**fields, **changes})


PRODUCTS = (
    product(
        "B0MUGS0001",
        "Ardo mug",
        description="A mug for tea.",
        bullets=("Keeps tea warm.", "Easy to wash."),
        options={"color": ("blue", "red"), "size": ("small", "large")},
        attributes=("dishwasher safe",),
    ),
    product("B0MUGS0002", "Bella mug", price_text="$10.0 to $20.0", price=14.5, attributes=("hand made",)),
    product(
        "B0PANS0001", "Ardo pan", query="pans", sections=sections_of("Home › Kitchen › Pans"), price=25.0
    ),
    product(
        "B0TENT0001", "Cosmo tent", query="tents", sections=sections_of("Sports › Camping"), category="sport"
    ),
)


def goal(
    asin: str = "B0MUGS0001",
    attributes: tuple[str, ...] = ("dishwasher safe",),
    options: tuple[GoalOption, ...] = ("blue",),
    price_upper: float = 20.0,
    instruction: str = INSTRUCTION,
) -> Goal:
    own = next(product for product in PRODUCTS if product.asin == asin)
    return Goal(f"human-{asin}", "train", own, instruction, attributes, options, price_upper)


def small_shop() -> Catalogue:
    return Catalogue.of(list(PRODUCTS), [goal()], {}, "small")


def visit(catalogue: Catalogue, mode: Mode = "text", **rules: Any) -> ShopEpisode:
    settings: Mapping[str, Any] = {"page_size": 10, "max_turns": 100, "notes": False, **rules}
    return ShopEpisode(Rules(catalogue, mode, **settings), catalogue.goals[0])


def after(catalogue: Catalogue, *actions: str, mode: Mode = "text", **rules: Any) -> ShopEpisode:
    """The visit after these actions."""
    episode = visit(catalogue, mode, **rules)
    for action in actions:
        episode.step(action)
    return episode
