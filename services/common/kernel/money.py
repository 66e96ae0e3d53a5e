"""Money in integer minor units, the one rounding, and shares that sum to the whole.

No float ever enters: every function takes and gives integers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

BASIS_POINTS: Final = 10_000
"""Rates are integers in basis points: 5.5 % is 550."""

CURRENCY_CODE_LENGTH: Final = 3
"""ISO 4217."""


@dataclass(frozen=True, slots=True)
class Money:
    """12.34 EUR is ``Money(1234, "EUR")``.

    Arithmetic across currencies is a bug, hence an assertion: a caller's mistake is
    refused where messages are parsed, never here.
    """

    minor_units: int
    currency_code: str

    def __post_init__(self) -> None:
        """Refuse what no amount can be."""
        assert type(self.minor_units) is int, "a float or a bool is a bug"
        assert len(self.currency_code) == CURRENCY_CODE_LENGTH, "ISO 4217 code"

    def __add__(self, other: Self) -> Self:
        """Sum two amounts of one currency."""
        assert self.currency_code == other.currency_code, "one currency at a time"
        return replace(self, minor_units=self.minor_units + other.minor_units)

    def __sub__(self, other: Self) -> Self:
        """Subtract an amount of the same currency."""
        return self + -other

    def __neg__(self) -> Self:
        """Swap the sign."""
        return replace(self, minor_units=-self.minor_units)


def round_half_up(numerator: int, denominator: int) -> int:
    """Round the exact fraction to the nearest integer, a half away from zero.

    This is the only rounding of the whole product (the commercial one, French
    "arrondi au centime le plus proche"). It is symmetric, so that a refund takes back
    exactly what the sale gave: ``round_half_up(-n, d) == -round_half_up(n, d)``.
    """
    assert denominator > 0, "the sign belongs to the numerator"
    if numerator < 0:
        return -((-2 * numerator + denominator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


def vat_of_gross(gross_minor: int, rate_bp: int) -> int:
    """Give the VAT in minor units that a gross amount (VAT included) contains.

    The rate is in basis points (20 % is 2000). Computed once per rate and document on
    the sum of its lines, never per line: CGI art. 289 lets the document total rule.
    """
    assert rate_bp >= 0, "a rate is never negative"
    return round_half_up(gross_minor * rate_bp, BASIS_POINTS + rate_bp)


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Share ``total`` in proportion to ``weights`` by largest remainder.

    The parts always sum to the total. Left-over units go one each to the largest
    remainders, the earlier share first among equals, so the answer is the same
    everywhere. A weight of zero gets nothing. A negative total is the mirror image of
    the positive one. Sharing something among weights that sum to zero is a bug.
    """
    assert min(weights, default=0) >= 0, "a weight is never negative"
    if total < 0:
        return [-part for part in allocate(-total, weights)]
    whole = sum(weights)
    if whole == 0:
        assert total == 0, "nobody to give it to"
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    if left:
        missing = [-(total * weight % whole) for weight in weights]
        for index in sorted(range(len(parts)), key=missing.__getitem__)[:left]:
            parts[index] += 1
    return parts
