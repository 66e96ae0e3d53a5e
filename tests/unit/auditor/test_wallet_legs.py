"""Which ends of a leg leave nothing open, and which hold each of them asks for."""

from uuid import UUID

import pytest

from services.auditor.holds import HoldEnd, allowed_ends
from services.auditor.wallet_legs import LegEnd
from services.wallet.domain.leg import LegOperation, LegPhase
from services.wallet.domain.tender import TenderKind

HOLD, AUTHORIZE, CAPTURE, VOID, REFUND = (
    LegOperation.HOLD,
    LegOperation.AUTHORIZE,
    LegOperation.CAPTURE,
    LegOperation.VOID,
    LegOperation.REFUND,
)
DONE, DECLINED, NOT_SENT, UNKNOWN, SENDING = (
    LegPhase.DONE,
    LegPhase.DECLINED,
    LegPhase.NOT_SENT,
    LegPhase.OUTCOME_UNKNOWN,
    LegPhase.SENDING,
)


def leg(
    operation: LegOperation,
    phase: LegPhase,
    *,
    kind: TenderKind = TenderKind.CARD,
    paid: bool = False,
    in_flight: bool = False,
) -> LegEnd:
    """Make the end of a leg."""
    return LegEnd(
        payment_id=UUID(int=1),
        customer_id=UUID(int=2),
        kind=kind,
        amount_minor=500,
        quantity=0,
        currency_code="EUR",
        operation=operation,
        phase=phase,
        paid=paid,
        in_flight=in_flight,
        hold_expire_time=None,
        provider_reference="",
        refund_reference="",
    )


class TestRests:
    @pytest.mark.parametrize(
        ("end", "paid"),
        [
            ((LegOperation.UNSPECIFIED, LegPhase.UNSPECIFIED), False),
            ((AUTHORIZE, DECLINED), False),
            ((AUTHORIZE, NOT_SENT), False),
            ((CAPTURE, DECLINED), False),
            ((VOID, DONE), False),
            ((CAPTURE, DONE), True),
            ((REFUND, DONE), True),
            ((REFUND, DECLINED), True),
        ],
    )
    def test_a_card_stands_for_what_was_paid_and_nothing_else(
        self, end: tuple[LegOperation, LegPhase], *, paid: bool
    ) -> None:
        """Each end is at rest with the payment that it belongs to, and open with the other."""
        assert leg(*end, paid=paid).rests
        assert not leg(*end, paid=not paid).rests

    @pytest.mark.parametrize("operation", [HOLD, AUTHORIZE, CAPTURE, VOID, REFUND])
    @pytest.mark.parametrize("phase", [SENDING, UNKNOWN])
    @pytest.mark.parametrize("paid", [True, False])
    def test_what_is_pending_is_open(
        self, operation: LegOperation, phase: LegPhase, *, paid: bool
    ) -> None:
        """A payment that rests cannot await an answer."""
        assert not leg(operation, phase, paid=paid).rests

    def test_a_hold_that_was_made_is_paid_or_open(self) -> None:
        """Stored value that is held for a payment without effect is held for nobody."""
        assert leg(HOLD, DONE, kind=TenderKind.KITTY, paid=True).rests
        assert not leg(HOLD, DONE, kind=TenderKind.KITTY).rests
        assert not leg(AUTHORIZE, DONE, paid=True).rests


class TestAllowedEnds:
    @pytest.mark.parametrize(
        ("end", "allowed"),
        [
            (leg(HOLD, DONE, paid=True), {HoldEnd.USED}),
            (leg(HOLD, DONE, in_flight=True), {HoldEnd.OPEN, HoldEnd.EXPIRED}),
            (leg(HOLD, DONE), set()),
            (leg(HOLD, DECLINED), {HoldEnd.ABSENT, HoldEnd.RELEASED, HoldEnd.EXPIRED}),
            (leg(VOID, DONE), {HoldEnd.RELEASED, HoldEnd.EXPIRED}),
            (leg(VOID, UNKNOWN), {HoldEnd.OPEN, HoldEnd.RELEASED, HoldEnd.EXPIRED}),
            (leg(CAPTURE, DONE, paid=True), set()),
        ],
    )
    def test_follow_from_the_leg(self, end: LegEnd, allowed: set[HoldEnd]) -> None:
        """No hold is used without a payment, and none stays open without one in flight."""
        assert allowed_ends(end) == allowed
