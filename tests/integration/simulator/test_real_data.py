"""The simulator's reading of the real files, against a computation that shares nothing with it."""

import pytest

from services.simulator.baskets import count_baskets, installed_dataset, read_baskets
from services.simulator.figures import InputTally, figures_of
from services.simulator.vat import known_departments
from tests.acceptance.recomputation import Figures, recompute


def read(*, baskets: int | None) -> InputTally:
    """Sum what the simulator reads."""
    tally = InputTally()
    for basket in read_baskets(installed_dataset(), limit=baskets):
        tally.add(figures_of(basket))
    return tally


def assert_equal(tally: InputTally, figures: Figures) -> None:
    """Compare to the cent."""
    assert tally.baskets == figures.baskets
    assert tally.lines == figures.lines
    assert tally.sales_minor == figures.sales_minor
    assert tally.coupon_minor == figures.coupon_minor
    assert tally.coupon_excess_minor == figures.coupon_excess_minor
    assert tally.vat_minor == {
        550: figures.vat_550_minor,
        1_000: figures.vat_1000_minor,
        2_000: figures.vat_2000_minor,
    }


class TestRealData:
    @pytest.mark.parametrize("baskets", [1_000, 5_000])
    def test_equals_the_recomputation(self, baskets: int) -> None:
        """Sales, coupons and VAT by rate of the first baskets are those of plain SQL."""
        assert_equal(read(baskets=baskets), recompute(baskets=baskets))

    @pytest.mark.slow
    def test_equals_the_recomputation_of_the_year(self) -> None:
        """The whole year does, too."""
        assert_equal(read(baskets=None), recompute(baskets=None))

    def test_is_the_year_that_the_documents_speak_of(self) -> None:
        """The installed data is the real year."""
        assert count_baskets(installed_dataset()) == 155_848

    def test_knows_every_department(self) -> None:
        """No department of the data is left to the rule for unknown ones."""
        departments = {
            line.product.department
            for basket in read_baskets(installed_dataset(), limit=5_000)
            for line in basket.lines
        }

        assert departments - set(known_departments()) <= {"UNKNOWN"}
