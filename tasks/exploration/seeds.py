"""Seeds and ids, both made from what a draw or a row is, so that a run can be repeated and never doubles."""

import hashlib


def seed_for(*parts: int | str) -> int:
    """A 63-bit seed from (run seed, iteration, task, step, candidate, rollout, turn) or any such path."""
    return int.from_bytes(_hash(parts)[:8], "big") >> 1


def row_id(*parts: int | str) -> str:
    """16 hex digits that name a row: equal parts, equal id."""
    return _hash(parts)[:8].hex()


def _hash(parts: tuple[int | str, ...]) -> bytes:
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).digest()
