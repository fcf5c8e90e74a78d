"""What the shop's pages say and what can be clicked on them, written directly, without HTML.

A page is a list of pieces; a piece is its kind and text. Three modes turn pieces into an observation:
`text` and `text_rich` as upstream's (princeton-nlp/WebShop, envs/web_agent_text_env.py,
convert_html_to_text); `brief` is `text` without the instruction, which the start page has already told, and
answers the choice of an option, or an invalid action, with one line instead of the same page again.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from rro.tasks.environments.webshop.product import Product

_HTML_SAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'"}

Mode = Literal["text", "text_rich", "brief"]
Piece = tuple[Literal["plain", "button", "option", "product"], str]

SEPARATOR = " [SEP] "
SEARCH = "Search"
BACK = "Back to Search"
PREVIOUS = "< Prev"
NEXT = "Next >"
BUY = "Buy Now"
SUB_PAGES = ("Description", "Features", "Reviews")
BOUGHT = "Thank you for shopping with us!"
"""All that an agent reads after buying: upstream's page goes on to print the reward."""


def start_page(instruction: str) -> list[Piece]:
    """The page with the search bar."""
    return [("plain", "WebShop"), ("plain", "Instruction: "), ("plain", instruction), ("button", SEARCH)]


def results_page(instruction: str, found: Sequence[Product], total: int, page: int) -> list[Piece]:
    """One page of search results; `page` counts from 1, `total` over all pages."""
    pieces = _head(instruction)
    pieces.append(("plain", f"Page {page} (Total results: {total})"))
    if page > 1:
        pieces.append(("button", PREVIOUS))
    pieces.append(("button", NEXT))
    for product in found:
        pieces += [("product", product.asin), ("plain", product.title), ("plain", product.price_text)]
    return pieces


def item_page(instruction: str, product: Product) -> list[Piece]:
    """A product with its options."""
    pieces = [*_head(instruction), ("button", PREVIOUS)]
    for name, values in product.options.items():
        pieces.append(("plain", name))
        pieces += [("option", value) for value in values]
    pieces += [("plain", product.title), ("plain", f"Price: {product.price_text}"), ("plain", "Rating: N.A.")]
    pieces += [("button", name) for name in (*SUB_PAGES, BUY)]
    return pieces


def sub_page(instruction: str, product: Product, name: str) -> list[Piece]:
    """A product's description, features (one piece a bullet) or reviews (always empty, as upstream's)."""
    texts: dict[str, list[str]] = {
        "Description": [product.description],
        "Features": [f" {bullet}" for bullet in product.bullets],
    }
    return [*_head(instruction), ("button", PREVIOUS), *_plain(texts.get(name, []))]


def _head(instruction: str) -> list[Piece]:
    return [("plain", "Instruction:"), ("plain", instruction), ("button", BACK)]


def clickables(pieces: Sequence[Piece]) -> list[str]:
    """What can be clicked, in upstream's order: buttons, then products, then options; each text once."""
    found = [text.lower() for kind, text in pieces if kind == "button"]
    found += [text.lower() for kind, text in pieces if kind == "product"]
    found += [text for kind, text in pieces if kind == "option"]
    return list(dict.fromkeys(found))


def observation(pieces: Sequence[Piece], mode: Mode, visited: Collection[str] = (), url: str = "") -> str:
    """The page as an agent reads it. `visited` (ASINs) and `url` decide what `text_rich` marks as clicked."""
    if mode == "text_rich":
        return _rich(pieces, visited, url)
    start = 2 if mode == "brief" and pieces[0][1] == "Instruction:" else 0
    return SEPARATOR.join(text.strip() for _, text in pieces[start:] if text)


def _rich(pieces: Sequence[Piece], visited: Collection[str], url: str) -> str:
    lines: list[str] = []
    clicked_notes = ""
    for kind, text in pieces:
        # As upstream: an option is clicked if it stands quoted anywhere in the page's address.
        clicked = f'"{text}"' in url if kind == "option" else kind == "product" and text in visited
        if clicked and kind == "option":
            clicked_notes = f"You have clicked {text}.\n{clicked_notes}"
        if text:
            lines.append(_rich_line(kind, text, clicked))
    return clicked_notes + "".join(f"{line}\n" for line in lines)


def _rich_line(kind: str, text: str, clicked: bool) -> str:
    if kind == "plain":
        return text
    lead = {"button": "", "option": "  ", "product": "\n"}[kind]
    mark = "clicked button" if clicked else "button"
    return f"{lead}[{mark}] {text} [{mark}_]"


def done_page(asin: str, options: Mapping[str, str], reward: float) -> list[Piece]:
    """Upstream's last page, reward and all: for replaying recordings, never for an agent."""
    # As Flask's `tojson` writes it: sorted, and safe inside HTML.
    options_json = json.dumps(options, sort_keys=True).translate(_HTML_SAFE)
    texts = [BOUGHT, "Your code: ", "None", " (Paste it in your MTurk interface.)", "Purchased"]
    texts += ["asin", asin, "options", options_json, "attrs", "None", "category", "None", "query", "None"]
    texts += ["product category", "None", "Target", "asin", "options", "attrs", "price upper"]
    texts += ["instuction text", "category", "product category", "query", "Goal ", "None", "Reward"]
    texts += ["Your score (min 0.0, max 1.0)", str(reward), "Reward Details ", "None"]
    return _plain(texts)


def _plain(texts: Iterable[str]) -> list[Piece]:
    return [("plain", text) for text in texts]
