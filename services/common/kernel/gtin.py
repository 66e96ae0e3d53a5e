"""GTINs: the numbers under the bar codes of articles."""

from typing import Final

_DIGITS: Final = 14


def has_check_digit(gtin: str) -> bool:
    """Check the last digit by the GS1 rule: weights 3 and 1 from the right, a sum divisible by 10."""
    digits = gtin.zfill(_DIGITS)
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return total % 10 == 0
