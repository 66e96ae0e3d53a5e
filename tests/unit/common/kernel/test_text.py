"""What no text may hold, and what every text may."""

import pytest

from services.common.kernel.text import holds_control


class TestHoldsControl:
    @pytest.mark.parametrize(
        "text",
        ["\x00", "a\nb", "a\tb", "\x1b[31m", "\x7f", "\x9b", "a\u2028b", "a\u202eb", "\u2066"],
    )
    def test_finds_what_is_no_text(self, text: str) -> None:
        """Controls, separators of lines, and what turns the direction of writing."""
        assert holds_control(text)

    @pytest.mark.parametrize(
        "text",
        ["", "Épicerie", "Marque\u00a0Repère", "12\u202f%", "\U0001f468\u200d\U0001f33e", "خبز"],
    )
    def test_leaves_text_alone(self, text: str) -> None:
        """Accents, spaces of every kind, joined emoji and any script are text."""
        assert not holds_control(text)
