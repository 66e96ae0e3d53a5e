"""Loyalty amounts."""

import pytest

from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency


class TestLoyaltyAmount:
    """Points and kitty cents, which never mix."""

    def test_adds_within_a_currency(self) -> None:
        """Sums keep the currency."""
        points = LoyaltyAmount(LoyaltyCurrency.POINTS, 5)
        assert points + points - points == points

    def test_never_adds_points_to_kitty(self) -> None:
        """A sum of two loyalty currencies is a bug."""
        with pytest.raises(AssertionError):
            LoyaltyAmount(LoyaltyCurrency.POINTS, 5) + LoyaltyAmount(LoyaltyCurrency.KITTY, 5)
