"""Names of runs, shards and policies: safe as folder names, and easy to correct when mistyped."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from rro.tasks.errors import UserError

SAFE = re.compile(r"[A-Za-z0-9._-]+")


def check_name(kind: str, name: str) -> str:
    """`name` itself, or `UserError`: it becomes a folder, so it must not lead out of the warehouse."""
    if not SAFE.fullmatch(name) or name in (".", ".."):
        raise UserError(f"{kind} {name!r}: a name has letters, digits, dots, dashes and underscores only")
    return name


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not there; known names follow, the closest first, at most ten."""
    listed = sorted(known, key=lambda other: (-SequenceMatcher(None, name, other).ratio(), other))
    if not listed:
        return UserError(f"{kind} {name!r}: there is no such {kind}, and no other one either")
    more = f" and {len(listed) - 10} more" if len(listed) > 10 else ""
    return UserError(
        f"{kind} {name!r}: there is no such {kind}; known, closest first: {', '.join(listed[:10])}{more}"
    )
