"""Steps: the calls that are to be made now for a payment, as its state tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from services.wallet.domain.checkout import Checkout
from services.wallet.domain.leg import Leg, LegOperation, LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.saga import WANTED_MAX, doomed
from services.wallet.domain.tender import TenderKind


class StepKind(Enum):
    """Whom to ask for what."""

    HOLD_VALUE = "hold_value"
    """Points: hold points or kitty; the id of the hold is the leg's."""
    RELEASE_VALUE = "release_value"
    """Points: give that hold back."""
    HOLD_MONEY = "hold_money"
    """Ledger: hold prepaid money; the id of the hold is the leg's."""
    RELEASE_MONEY = "release_money"
    """Ledger: give that hold back."""
    AUTHORIZE = "authorize"
    """Provider: authorize the card."""
    CAPTURE = "capture"
    """Provider: capture what was authorized."""
    CANCEL_CARD = "cancel_card"
    """Provider: cancel the authorization."""
    REFUND_CARD = "refund_card"
    """Provider: refund the capture."""


_OF_CARD: Final[Mapping[LegOperation, StepKind]] = {
    LegOperation.AUTHORIZE: StepKind.AUTHORIZE,
    LegOperation.CAPTURE: StepKind.CAPTURE,
    LegOperation.VOID: StepKind.CANCEL_CARD,
    LegOperation.REFUND: StepKind.REFUND_CARD,
}
_OF_MONEY: Final[Mapping[LegOperation, StepKind]] = {
    LegOperation.HOLD: StepKind.HOLD_MONEY,
    LegOperation.VOID: StepKind.RELEASE_MONEY,
}
_OF_VALUE: Final[Mapping[LegOperation, StepKind]] = {
    LegOperation.HOLD: StepKind.HOLD_VALUE,
    LegOperation.VOID: StepKind.RELEASE_VALUE,
}
_KINDS: Final[Mapping[TenderKind, Mapping[LegOperation, StepKind]]] = {
    TenderKind.KITTY: _OF_VALUE,
    TenderKind.POINTS: _OF_VALUE,
    TenderKind.PREPAID: _OF_MONEY,
    TenderKind.CARD: _OF_CARD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call, with all that it takes; it says the same each time it is repeated."""

    kind: StepKind
    leg: Leg
    """The leg with the operation and the number of its try: both go back with the answer."""
    payment_id: UUID
    customer_id: UUID
    currency_code: str
    hold_expire_time: datetime | None
    """Business time from which a hold is void by itself; part of the hold's content. None in a top-up."""
    probe: bool
    """Whether the outcome is known to be unknown: to be found out rather than sent for the first time."""
    wanted: bool
    """Whether a success is still wanted; if not, nothing may be sent that could bring one about."""


def steps(payment: Payment, *, now: datetime) -> tuple[Step, ...]:
    """Give the calls to be made now: one for each leg that awaits an answer, none exactly when nothing is in flight.

    They may be made in parallel and any number of times; each repeats under the same id or key.
    """
    return tuple(_step_of(payment, leg, now=now) for leg in payment.legs if leg.pending)


def _step_of(payment: Payment, leg: Leg, *, now: datetime) -> Step:
    assert payment.customer_id is not None, "a leg is somebody's"
    assert leg.sent_time is not None, "what is pending was sent"
    return Step(
        kind=_KINDS[leg.kind][leg.operation],
        leg=leg,
        payment_id=payment.payment_id,
        customer_id=payment.customer_id,
        currency_code=payment.currency_code,
        hold_expire_time=payment.hold_expire_time if isinstance(payment, Checkout) else None,
        probe=leg.phase is LegPhase.OUTCOME_UNKNOWN,
        wanted=not doomed(payment, now=now) and now - leg.sent_time <= WANTED_MAX,
    )
