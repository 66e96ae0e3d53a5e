"""Check digits of articles' numbers."""

import pytest

from services.common.kernel.gtin import has_check_digit


class TestHasCheckDigit:
    @pytest.mark.parametrize(
        "gtin", ["4006381333931", "036000291452", "96385074", "10614141000415"]
    )
    def test_passes_numbers_of_every_length(self, gtin: str) -> None:
        """GTIN-13, GTIN-12, GTIN-8 and GTIN-14: published examples."""
        assert has_check_digit(gtin)

    def test_refuses_one_wrong_digit(self) -> None:
        """Any single digit that is misread is noticed."""
        gtin = "4006381333931"
        for place, digit in enumerate(gtin):
            for wrong in "0123456789":
                misread = gtin[:place] + wrong + gtin[place + 1 :]
                assert has_check_digit(misread) == (wrong == digit)
