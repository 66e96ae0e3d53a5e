"""Legs: their ids, and what becomes of one as it is sent and answered."""

from services.wallet.domain.leg import Decline, Leg, LegOperation, LegPhase, new_leg_id
from services.wallet.domain.tender import TenderKind
from tests.properties.wallet.world import CARD, START, new_id

LEG = Leg(leg_id=new_id(), kind=TenderKind.CARD, amount_minor=500, quantity=0, card=CARD)


class TestNewLegId:
    def test_differs_by_leg_and_keeps_the_version(self) -> None:
        """The legs of an attempt have ids of their own, of the version and the time of the request's."""
        checkout_id, request_id = new_id(), new_id()
        ids = [new_leg_id(checkout_id, request_id, number) for number in (1, 2, 3)]
        assert len(set(ids)) == 3
        assert {leg_id.version for leg_id in ids} == {7}
        assert {leg_id.int >> 64 for leg_id in ids} == {request_id.int >> 64}

    def test_differs_by_payment(self) -> None:
        """A request id that a phone uses for two checkouts makes no two legs share a hold or a key."""
        request_id = new_id()
        assert new_leg_id(new_id(), request_id, 1) != new_leg_id(new_id(), request_id, 1)

    def test_is_the_same_every_time(self) -> None:
        """Whoever derives the id again finds the same hold."""
        checkout_id, request_id = new_id(7), new_id(8)
        assert new_leg_id(checkout_id, request_id, 2) == new_leg_id(checkout_id, request_id, 2)


class TestLeg:
    def test_keeps_the_payment_apart_from_its_refund(self) -> None:
        """The refund's name does not replace the payment's, by which it is found out."""
        captured = LEG.sent(LegOperation.CAPTURE, try_number=1, now=START).answered(
            LegPhase.DONE, decline=None, reference="pi_1"
        )
        refunded = captured.sent(LegOperation.REFUND, try_number=1, now=START).answered(
            LegPhase.DONE, decline=None, reference="re_1"
        )
        assert (refunded.provider_reference, refunded.refund_reference) == ("pi_1", "re_1")

    def test_keeps_a_known_reference(self) -> None:
        """An answer that names nothing leaves the known name."""
        known = LEG.sent(LegOperation.AUTHORIZE, try_number=1, now=START).answered(
            LegPhase.DONE, decline=None, reference="pi_1"
        )
        capturing = known.sent(LegOperation.CAPTURE, try_number=1, now=START)
        assert capturing.answered(LegPhase.DONE, decline=None, reference="").provider_reference == (
            "pi_1"
        )

    def test_forgets_a_refusal_when_it_is_asked_again(self) -> None:
        """A leg that is being asked has no decline, and remembers that an outcome was unknown."""
        no = Decline("card_declined", "insufficient_funds")
        leg = LEG.sent(LegOperation.REFUND, try_number=1, now=START)
        leg = leg.answered(LegPhase.OUTCOME_UNKNOWN, decline=None, reference="")
        leg = leg.answered(LegPhase.DECLINED, decline=no, reference="")
        assert leg.decline == no
        again = leg.sent(LegOperation.REFUND, try_number=2, now=START)
        assert again.decline is None
        assert again.was_unknown
