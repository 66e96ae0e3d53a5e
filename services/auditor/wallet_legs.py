"""Where each leg of the wallet's payments ended, and why those that are open are open."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from services.auditor.wallet_fold import WalletFold
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.leg import Leg, LegOperation, LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import TenderKind
from services.wallet.domain.top_up import TopUp, TopUpState

PAID: Final = frozenset({CheckoutState.SETTLED, CheckoutState.REFUNDING, CheckoutState.REFUNDED})
"""The states of a checkout whose present legs have paid it."""

ANSWER_TIME_MAX: Final = timedelta(hours=1)
"""By then, in the journal's time, whoever drives a payment has asked for an answer or called it unknown."""

_REFUSED: Final = frozenset({LegPhase.DECLINED, LegPhase.NOT_SENT})


class LegEnd(NamedTuple):
    """What the wallet says of one leg: its plan, how far it came, and whether it paid."""

    payment_id: UUID
    customer_id: UUID | None
    kind: TenderKind
    amount_minor: int
    quantity: int
    currency_code: str
    operation: LegOperation
    phase: LegPhase
    paid: bool
    in_flight: bool
    hold_expire_time: datetime | None
    provider_reference: str
    refund_reference: str

    @property
    def pending(self) -> bool:
        """Tell whether an answer is still to come, or to be found out."""
        return self.phase in (LegPhase.SENDING, LegPhase.OUTCOME_UNKNOWN)

    @property
    def refused(self) -> bool:
        """Tell whether what was asked last is known to have had no effect."""
        return self.phase in _REFUSED

    @property
    def rests(self) -> bool:
        """Tell whether nothing is reserved or charged that the payment does not stand for."""
        match self.operation, self.phase:
            case LegOperation.UNSPECIFIED, _:
                return not self.paid
            case ((LegOperation.HOLD | LegOperation.AUTHORIZE), LegPhase.DONE):
                return self.paid and self.kind is not TenderKind.CARD
            case ((LegOperation.HOLD | LegOperation.AUTHORIZE | LegOperation.CAPTURE), _) if (
                self.refused
            ):
                return not self.paid
            case LegOperation.VOID, LegPhase.DONE:
                return not self.paid
            case LegOperation.CAPTURE, LegPhase.DONE:
                return self.paid
            case LegOperation.REFUND, LegPhase.DONE | LegPhase.DECLINED:
                return self.paid
            case _:
                return False


def legs_of(fold: WalletFold) -> Iterator[tuple[UUID, LegEnd]]:
    """Give every leg that a payment ever had, by id."""
    payment = fold.payment
    if payment is None:
        return
    for leg in payment.legs:
        yield leg.leg_id, _end(fold, payment, leg, present=True)
    for leg in fold.past_legs:
        yield leg.leg_id, _end(fold, payment, leg, present=False)


def _end(fold: WalletFold, payment: Payment, leg: Leg, *, present: bool) -> LegEnd:
    return LegEnd(
        payment_id=payment.payment_id,
        customer_id=payment.customer_id,
        kind=leg.kind,
        amount_minor=leg.amount_minor,
        quantity=leg.quantity,
        currency_code=payment.currency_code,
        operation=leg.operation,
        phase=leg.phase,
        paid=present and _is_paid(payment),
        in_flight=present and payment.in_flight,
        hold_expire_time=fold.hold_expire_times.get(leg.leg_id),
        provider_reference=leg.provider_reference,
        refund_reference=leg.refund_reference,
    )


def _is_paid(payment: Payment) -> bool:
    if isinstance(payment, TopUp):
        return payment.state is TopUpState.SETTLED
    return payment.state in PAID


class OpenLegs:
    """Counts what is open, by its reason."""

    def __init__(self, newest_time: datetime | None) -> None:
        """Start with nothing open; ``newest_time`` is the last that the journal knows."""
        self._newest_time = newest_time
        self.in_flight = 0
        self.unknown = 0

    def faults(self, payment: Payment, legs: Sequence[tuple[UUID, LegEnd]]) -> Iterator[str]:
        """Count a payment, and name what of it is open without a reason."""
        if not payment.in_flight:
            for leg_id, leg in legs:
                if not leg.rests:
                    yield f"leg {leg_id} is open without a reason ({leg.operation.name} {leg.phase.name})"
            return
        self.in_flight += 1
        self.unknown += payment.outcome_unknown
        for leg_id, leg in legs:
            if not (leg.in_flight or leg.rests):
                yield f"leg {leg_id} of an attempt that is over is open"
        if not any(leg.pending for leg in payment.legs):
            yield "it is in flight, and nobody is asked for anything"
        for late in filter(self._is_late, payment.legs):
            yield f"leg {late.leg_id} is being sent since {late.sent_time}, and nobody drives it on"

    def proven(self) -> str:
        """Say how many legs are open for which reason."""
        being_asked = self.in_flight - self.unknown
        return (
            f"no leg is open without a reason; {self.in_flight} payments are in flight:"
            f" {self.unknown} because an outcome is unknown, {being_asked} being asked now"
        )

    def _is_late(self, leg: Leg) -> bool:
        if leg.phase is not LegPhase.SENDING or self._newest_time is None or not leg.sent_time:
            return False
        return leg.sent_time + ANSWER_TIME_MAX < self._newest_time
