"""Spreading a basket over a purse: kitty first, then prepaid, then the card, never a tiny rest."""

from hypothesis import given
from hypothesis import strategies as st

from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.habits import CARD_MINOR_MIN
from services.simulator.purse import Purse, spread

AMOUNTS = st.integers(0, 10_000)
KITTY = pb.TENDER_KIND_KITTY


class TestSpread:
    @given(loyalty=AMOUNTS, prepaid=AMOUNTS, due=st.integers(CARD_MINOR_MIN, 20_000))
    def test_pays_what_is_due_with_what_there_is(
        self, loyalty: int, prepaid: int, due: int
    ) -> None:
        """Parts sum to the whole, nothing is spent twice, and a card never pays less than it may."""
        purse = Purse(loyalty_minor=loyalty, prepaid_minor=prepaid)

        plan, left = spread(purse, loyalty=KITTY, due_minor=due)

        assert plan.due_minor == due
        assert min(plan.loyalty_minor, plan.prepaid_minor, left.loyalty_minor) >= 0
        assert left.prepaid_minor >= 0
        assert left.loyalty_minor + plan.loyalty_minor == loyalty
        assert left.prepaid_minor + plan.prepaid_minor == prepaid
        assert plan.card_minor == 0 or plan.card_minor >= CARD_MINOR_MIN

    def test_asks_for_three_tenders_in_one_gesture(self) -> None:
        """Exact amounts in the order of allocation."""
        purse = Purse(loyalty_minor=300, prepaid_minor=500)
        plan, _ = spread(purse, loyalty=KITTY, due_minor=2_000)

        tenders = plan.tenders(payment_method_id="method")

        assert [(tender.kind, tender.amount_minor) for tender in tenders] == [
            (KITTY, 300),
            (pb.TENDER_KIND_PREPAID, 500),
            (pb.TENDER_KIND_CARD, 1_200),
        ]
        assert tenders[-1].payment_method_id == "method"

    def test_leaves_value_alone_that_the_household_saves(self) -> None:
        """Without a taste for kitty or points the card pays."""
        plan, left = spread(Purse(loyalty_minor=300), loyalty=None, due_minor=200)

        assert plan.tenders(payment_method_id="") == plan.by_card_alone().tenders(
            payment_method_id=""
        )
        assert left.loyalty_minor == 300
