"""Money, the one rounding and the shares."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.kernel.money import Money, allocate, round_half_up, vat_of_gross

AMOUNTS = st.integers(min_value=-(10**15), max_value=10**15)
WEIGHTS = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=30)


class TestMoney:
    """Amounts of one currency."""

    def test_adds_and_subtracts_within_a_currency(self) -> None:
        """Sums keep the currency."""
        assert Money(1234, "EUR") + Money(-34, "EUR") == Money(1200, "EUR")
        assert Money(1234, "EUR") - Money(34, "EUR") == Money(1200, "EUR")

    def test_never_adds_across_currencies(self) -> None:
        """A sum of two currencies is a bug and stops there."""
        with pytest.raises(AssertionError):
            Money(1, "EUR") + Money(1, "CHF")

    @pytest.mark.parametrize("minor_units", [1.0, True])
    def test_takes_integers_only(self, minor_units: int) -> None:
        """Neither a float nor a bool is an amount."""
        with pytest.raises(AssertionError):
            Money(minor_units, "EUR")


class TestRoundHalfUp:
    """The only rounding there is."""

    @pytest.mark.parametrize(
        ("numerator", "denominator", "rounded"),
        [
            (1, 2, 1),
            (-1, 2, -1),
            (3, 2, 2),
            (249, 100, 2),
            (250, 100, 3),
            (0, 7, 0),
            (-250, 100, -3),
        ],
    )
    def test_takes_a_half_away_from_zero(
        self, numerator: int, denominator: int, rounded: int
    ) -> None:
        """Halves go away from zero, on both sides of it."""
        assert round_half_up(numerator, denominator) == rounded

    @given(AMOUNTS, st.integers(min_value=1, max_value=10**6))
    def test_is_never_further_than_a_half(self, numerator: int, denominator: int) -> None:
        """The result is a nearest integer, and the mirror image of that of the negative."""
        rounded = round_half_up(numerator, denominator)

        assert abs(Fraction(numerator, denominator) - rounded) <= Fraction(1, 2)
        assert round_half_up(-numerator, denominator) == -rounded


class TestVatOfGross:
    """VAT that a price contains."""

    @pytest.mark.parametrize(
        ("gross", "rate_bp", "vat"), [(1055, 550, 55), (1200, 2000, 200), (100, 0, 0), (1, 2000, 0)]
    )
    def test_takes_it_out_of_the_gross(self, gross: int, rate_bp: int, vat: int) -> None:
        """10.55 at 5.5 % contains 0.55."""
        assert vat_of_gross(gross, rate_bp) == vat

    @given(AMOUNTS, st.sampled_from([210, 550, 1000, 2000]))
    def test_a_refund_takes_back_what_the_sale_gave(self, gross: int, rate_bp: int) -> None:
        """The VAT of the negative amount is the negative VAT."""
        assert vat_of_gross(-gross, rate_bp) == -vat_of_gross(gross, rate_bp)


class TestAllocate:
    """Shares by largest remainder."""

    def test_gives_the_left_over_to_the_largest_remainder(self) -> None:
        """100 by 1:1:1 gives the odd cent to the first among equals."""
        assert allocate(100, [1, 1, 1]) == [34, 33, 33]
        assert allocate(10, [1, 5]) == [2, 8]

    @given(AMOUNTS, WEIGHTS)
    def test_parts_sum_to_the_whole(self, total: int, weights: list[int]) -> None:
        """Nothing is lost or made, whatever the weights; no part is a unit off its share."""
        if sum(weights) == 0:
            total = 0

        parts = allocate(total, weights)

        assert sum(parts) == total
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - Fraction(total * weight, sum(weights) or 1)) < 1
            assert weight or not part

    @given(AMOUNTS, WEIGHTS)
    def test_a_negative_total_is_the_mirror_image(self, total: int, weights: list[int]) -> None:
        """A return is shared exactly as the sale was."""
        if sum(weights) == 0:
            total = 0
        assert allocate(-total, weights) == [-part for part in allocate(total, weights)]

    def test_has_nobody_to_give_to(self) -> None:
        """Sharing something among nothing is a bug."""
        with pytest.raises(AssertionError):
            allocate(1, [0, 0])
