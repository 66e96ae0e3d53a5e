"""The department's VAT rate."""

import pytest

from services.simulator.vat import FOOD_BP, PREPARED_BP, STANDARD_BP, known_departments, vat_rate_bp


class TestVatRate:
    @pytest.mark.parametrize(
        ("department", "rate_bp"),
        [("PRODUCE", FOOD_BP), ("SALAD BAR", PREPARED_BP), ("SPIRITS", STANDARD_BP)],
    )
    def test_is_the_departments(self, department: str, rate_bp: int) -> None:
        """Food to take home, food to eat at once and everything else bear three rates."""
        assert vat_rate_bp(department) == rate_bp

    def test_is_the_standard_one_for_what_nobody_knows(self) -> None:
        """An unknown department bears 20 %, so that nothing is ever taxed too low by accident."""
        assert vat_rate_bp("SPACE TRAVEL") == STANDARD_BP

    def test_table_has_french_rates_only(self) -> None:
        """No department bears a rate that the chart of accounts has no line for."""
        assert set(known_departments().values()) == {550, 1_000, 2_000}
