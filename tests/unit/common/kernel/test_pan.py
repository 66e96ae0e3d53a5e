"""Recognising card numbers."""

import pytest

from services.common.kernel.pan import looks_like_pan, mask_pans

VISA = "4111111111111111"


class TestLooksLikePan:
    """Refused at the door, masked in logs."""

    @pytest.mark.parametrize(
        "text",
        [
            VISA,
            f"card {VISA}.",
            f"x{VISA}y",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111 12/27",
            "4111\u00a01111\u00a01111\u00a01111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "3530111333300000",
            "4222222222222",
            "٤١١١١١١١١١١١١١١١",
        ],
    )
    def test_sees_numbers_of_every_scheme(self, text: str) -> None:
        """However they are grouped, and in any script's digits."""
        assert looks_like_pan(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "gl/530000/stores/0330",
            "4111111111111112",  # Fails Luhn.
            "1795433435747000",  # No scheme's prefix.
            "411111111111",  # Twelve digits.
            f"{VISA}0000",  # Twenty digits in one run are another kind of number.
            "2017-01-02 03:04:05.678901",
            "01920000-4111-4111-8111-111111111111",
        ],
    )
    def test_leaves_other_numbers_alone(self, text: str) -> None:
        """References, times and ids pass."""
        assert not looks_like_pan(text)


class TestMaskPans:
    """What logs show."""

    def test_keeps_the_last_four_digits(self) -> None:
        """The separators and the rest of the text stay."""
        assert mask_pans("paid 4111 1111 1111 1111 at 0330") == "paid **** **** **** 1111 at 0330"

    def test_masks_every_number(self) -> None:
        """Two numbers in a text are both masked."""
        assert mask_pans(f"{VISA}, {VISA}") == "************1111, ************1111"
