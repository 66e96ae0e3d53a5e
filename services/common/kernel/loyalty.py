"""Loyalty currencies: the retailer's promises, which are not money."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self


class LoyaltyCurrency(IntEnum):
    """What the retailer issues; the numbers equal those of the protos."""

    POINTS = 1
    """Whole points."""
    KITTY = 2
    """Cents of the kitty (the cagnotte)."""


@dataclass(frozen=True, slots=True)
class LoyaltyAmount:
    """A number of points, or of kitty cents; the two never add up."""

    currency: LoyaltyCurrency
    quantity: int

    def __post_init__(self) -> None:
        """Refuse what no amount can be."""
        assert type(self.quantity) is int, "a float or a bool is a bug"

    def __add__(self, other: Self) -> Self:
        """Sum two amounts of one loyalty currency."""
        assert self.currency is other.currency, "one loyalty currency at a time"
        return replace(self, quantity=self.quantity + other.quantity)

    def __sub__(self, other: Self) -> Self:
        """Subtract an amount of the same loyalty currency."""
        return self + -other

    def __neg__(self) -> Self:
        """Swap the sign."""
        return replace(self, quantity=-self.quantity)
