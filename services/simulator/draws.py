"""Chance that is none: every draw is a pure function of a seed, so a second replay draws the same."""

import hashlib
from datetime import datetime
from typing import Final
from uuid import UUID

PERCENT: Final = 100
"""Shares of tills and households are given in percent."""

TEN_THOUSAND: Final = 10_000
"""Shares of baskets are given in parts of ten thousand."""

_RANDOM_BITS: Final = 74
_VARIANT_BITS: Final = 62


def draw(seed: int, purpose: str, *numbers: int) -> int:
    """Draw 64 bits for a purpose and what it is drawn for."""
    return int.from_bytes(_digest(seed, purpose, numbers, size=8))


def drawn_id(seed: int, purpose: str, *numbers: int, at: datetime) -> UUID:
    """Give the id of a command: a UUIDv7 of its time whose random part is drawn, the same for every replay."""
    milliseconds = int(at.timestamp() * 1_000)
    drawn = int.from_bytes(_digest(seed, purpose, numbers, size=10)) >> (80 - _RANDOM_BITS)
    fraction, random_bits = divmod(drawn, 1 << _VARIANT_BITS)
    return UUID(
        int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << _VARIANT_BITS | random_bits
    )


def _digest(seed: int, purpose: str, numbers: tuple[int, ...], *, size: int) -> bytes:
    text = f"{seed}/{purpose}/{'/'.join(map(str, numbers))}"
    return hashlib.blake2b(text.encode(), digest_size=size).digest()
