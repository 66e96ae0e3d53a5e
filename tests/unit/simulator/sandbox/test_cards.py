"""The test cards: which there are, and what tells them apart."""

import re
from pathlib import Path

import pytest

from services.common.kernel.pan import looks_like_pan
from services.simulator.sandbox.cards import (
    CARDS,
    Card,
    Fault,
    Stage,
    card_of_number,
    card_of_token,
)

DOCS = Path(__file__).resolve().parents[4] / "docs" / "provider.md"


class TestDocs:
    @pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
    def test_have_every_card_with_its_number(self, card: Card) -> None:
        """A tester finds in docs/provider.md what to name and what to type."""
        page = DOCS.read_text(encoding="utf-8")

        assert re.search(rf"`{card.name}`[ |(]+{card.number}\b", page)


class TestCards:
    def test_have_names_and_numbers_of_their_own(self) -> None:
        """No two cards share a name or a number."""
        assert (
            len({card.name for card in CARDS}) == len({card.number for card in CARDS}) == len(CARDS)
        )

    @pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
    def test_have_numbers_that_are_taken_for_card_numbers(self, card: Card) -> None:
        """Every door that keeps card numbers out also keeps these out."""
        assert looks_like_pan(card.number)
        assert card_of_number(card.number) is card

    def test_have_every_fault_at_every_stage(self) -> None:
        """A fault can strike wherever it makes sense: a reserved amount expires at the capture only."""
        pairs = {(stage, fault) for card in CARDS for stage, fault in card.faults.items()}

        everywhere = {(s, f) for s in Stage for f in Fault if f is not Fault.EXPIRED}
        assert pairs == everywhere | {(Stage.CAPTURE, Fault.EXPIRED)}

    def test_are_found_by_the_names_that_the_docs_give(self) -> None:
        """The name says the stage, but for the authorization, and the fault."""
        hang, refund = card_of_token("pm_card_hang"), card_of_token("pm_card_refundDropAfterCommit")

        assert hang is not None
        assert hang.faults == {Stage.AUTHORIZE: Fault.HANG}
        assert refund is not None
        assert refund.faults == {Stage.REFUND: Fault.DROP_AFTER_COMMIT}

    def test_have_a_second_name_of_the_older_kind(self) -> None:
        """``tok_visa`` is the card of ``pm_card_visa``; anything else is no card."""
        assert card_of_token("tok_visa") is card_of_token("pm_card_visa") is not None
        assert card_of_token("pm_card_unheardOf") is None
