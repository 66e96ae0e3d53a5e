"""GTINs: the numbers under the bar codes of articles."""

from functools import lru_cache
from typing import Final

_DIGITS: Final = 14
_KNOWN_MAX: Final = 1 << 16
"""The articles of a store and more: the same ones are sold all day."""


@lru_cache(maxsize=_KNOWN_MAX)
def has_check_digit(gtin: str) -> bool:
    """Check the last digit by the GS1 rule: weights 3 and 1 from the right, a sum divisible by 10."""
    digits = gtin.zfill(_DIGITS)
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return total % 10 == 0
