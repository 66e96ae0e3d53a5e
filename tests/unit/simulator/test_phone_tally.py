"""What phones were told, as the books must show it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.baskets import Line
from services.simulator.errors import ServiceRefusedError
from services.simulator.figures import figures_of
from services.simulator.habits import PhonePlan
from services.simulator.phone_tally import PhoneTally
from services.simulator.sales import PhoneSale, sale_of
from tests.unit.simulator.made_baskets import FOOD, SPIRITS, basket

EVERYBODY = PhonePlan(seed=1, percent=100, offline_percent=0)
BASKET = basket(lines=(Line(FOOD, 1, 1_055, 0, 0), Line(SPIRITS, 1, 1_200, 0, 0)))
FIGURES = figures_of(BASKET)


def sale() -> PhoneSale:
    """Make the sale of a basket of 22.55 EUR, of which 10.55 at 5.5 % and 12.00 at 20 %."""
    made = sale_of(BASKET, FIGURES, plan=EVERYBODY)
    assert made is not None
    return made


def leg(
    kind: pb.TenderKind.ValueType,
    amount_minor: int,
    *,
    operation: pb.LegOperation.ValueType = pb.LEG_OPERATION_HOLD,
    phase: pb.LegPhase.ValueType = pb.LEG_PHASE_DONE,
) -> pb.Leg:
    """Make a leg."""
    return pb.Leg(kind=kind, amount_minor=amount_minor, operation=operation, phase=phase)


class TestPaid:
    def test_bears_vat_on_what_the_kitty_left(self) -> None:
        """A reduction of 2.00 is shared among the rates in proportion to their sales."""
        tally = PhoneTally()
        checkout = pb.Checkout(
            legs=[leg(pb.TENDER_KIND_KITTY, 200), leg(pb.TENDER_KIND_CARD, 2_055)]
        )

        tally.add_paid(sale(), FIGURES, checkout)

        # 200 x 1055 / 2255 = 93.57, so 94 and 106: VAT of 9.61 at 5.5 % and of 10.94 at 20 %.
        assert tally.paid.vat_minor == {550: 50, 2_000: 182}
        assert tally.paid.sales_minor == 2_255
        assert tally.card_minor == 2_055

    def test_must_be_paid_to_the_cent(self) -> None:
        """Legs that do not sum to what is due stop the replay."""
        with pytest.raises(ServiceRefusedError, match="took 1 cents"):
            PhoneTally().add_paid(sale(), FIGURES, pb.Checkout(legs=[leg(pb.TENDER_KIND_CARD, 1)]))

    def test_and_returned_leaves_nothing(self) -> None:
        """What came back is what was paid, tender by tender."""
        tally = PhoneTally()
        checkout = pb.Checkout(
            legs=[leg(pb.TENDER_KIND_PREPAID, 255), leg(pb.TENDER_KIND_CARD, 2_000)]
        )
        tally.add_top_up(5_000)

        tally.add_paid(sale(), FIGURES, checkout)
        tally.add_returned(sale(), FIGURES, checkout)

        assert tally.paid.vat_minor == tally.returned.vat_minor
        assert tally.by_tender == tally.back_by_tender
        assert tally.prepaid_minor == 5_000
        assert tally.card_minor - tally.card_back_minor == 5_000


class TestHolds:
    def test_of_prepaid_balance_begin_and_end_in_the_ledger(self) -> None:
        """A hold is one transaction and its end another; a hold that was refused is none."""
        tally = PhoneTally()
        held = leg(pb.TENDER_KIND_PREPAID, 1, operation=pb.LEG_OPERATION_VOID)
        refused = leg(pb.TENDER_KIND_PREPAID, 1, phase=pb.LEG_PHASE_DECLINED)

        tally.add_holds(pb.Checkout(legs=[held]))
        tally.add_holds(pb.Checkout(legs=[refused, leg(pb.TENDER_KIND_KITTY, 1)]))

        assert tally.transactions == 2


class TestSaleOf:
    def test_leaves_small_baskets_to_the_till(self) -> None:
        """A card pays at least half a euro, so what is worth less is paid at the till."""
        small = basket(lines=(Line(FOOD, 1, 100, 60, 0),))

        assert sale_of(small, figures_of(small), plan=EVERYBODY) is None

    def test_has_the_same_ids_on_every_replay(self) -> None:
        """A repeated replay finds its checkouts, attempts, enrolments and refunds again."""
        first, again = sale(), sale()

        assert first == again
        ids: set[UUID] = {first.checkout_id, first.refund_id, first.left_checkout_id}
        assert len(ids) == 3
        assert first.enrolment_id("pm_card_visa") == again.enrolment_id("pm_card_visa")
        assert first.sold_time.astimezone(UTC) == datetime(2017, 3, 1, 11, tzinfo=UTC)
