"""The saga: what follows by itself once a command or an answer is recorded.

Holds first, card last; everything that may be undone is arranged before the one leg that may have an unknown outcome.
A refusal anywhere, or a cancellation, dooms the attempt: what is unknown is found out first, then everything that
stands is given back. Nothing here looks at a clock to end an unknown outcome.
"""

from datetime import datetime, timedelta
from typing import Final

from services.wallet.domain.batch import Stamps
from services.wallet.domain.checkout import Checkout, CheckoutState
from services.wallet.domain.event import (
    CancelCause,
    CheckoutCancelled,
    CheckoutRefunded,
    CheckoutSettled,
    Event,
    LegSent,
    PaymentFailed,
    SettledTender,
    TopUpFailed,
    TopUpSettled,
)
from services.wallet.domain.leg import (
    NOT_SENT_DECLINE,
    REFUSED,
    Decline,
    Leg,
    LegOperation,
    LegPhase,
)
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import TenderKind, TicketTender
from services.wallet.domain.top_up import TopUp

WANTED_MAX: Final = timedelta(minutes=15)
"""How long after something was written down it may still be begun: by then the shopper has left the till."""

HOLD_EXPIRED: Final = Decline("hold_expired")
"""Why an attempt failed when the card's answer took so long that the holds beside it are given up."""

HOLD_TOO_LATE: Final = Decline("hold_too_late")
"""Why an attempt failed when points or ledger answered after the shopper had left: nothing more is asked then."""

_TICKET_TENDERS: Final = {
    TenderKind.KITTY: TicketTender.KITTY,
    TenderKind.POINTS: TicketTender.POINTS,
    TenderKind.PREPAID: TicketTender.PREPAID,
    TenderKind.CARD: TicketTender.CARD,
}


def advance(payment: Payment, stamps: Stamps) -> Event | None:
    """Give the next fact that follows by itself; None when answers or commands have to come first."""
    match payment:
        case TopUp():
            return _advance_top_up(payment, stamps) if payment.in_flight else None
        case Checkout(state=CheckoutState.PROCESSING | CheckoutState.AUTHORIZED):
            if doomed(payment, now=stamps.now):
                return _undo(payment, stamps)
            return _pay(payment, stamps)
        case Checkout(state=CheckoutState.REFUNDING):
            return _refund(payment, stamps)
        case Checkout():
            return None


def doomed(payment: Payment, *, now: datetime) -> bool:
    """Tell whether an attempt can only end without effect; once it is so, it stays so."""
    if isinstance(payment, TopUp):
        return refused(payment.leg)
    return (
        payment.cancel_requested
        or any(refused(leg) or leg.operation is LegOperation.VOID for leg in payment.legs)
        or _was_left(payment, now=now)
        or _took_too_long(payment, now=now)
    )


def refused(leg: Leg) -> bool:
    """Tell whether a no has ended a leg. A capture that was not sent is sent again instead."""
    match leg.operation:
        case LegOperation.HOLD | LegOperation.AUTHORIZE:
            return leg.phase in REFUSED
        case LegOperation.CAPTURE:
            return leg.phase is LegPhase.DECLINED
        case _:
            return False


def _was_left(checkout: Checkout, *, now: datetime) -> bool:
    """Tell whether the shopper had left before everything was held.

    It stays so: the card, which would end it, is not asked any more.
    """
    card = checkout.card_leg
    if checkout.state is not CheckoutState.PROCESSING or not _unasked(card):
        return False
    return any(
        leg.operation is LegOperation.HOLD
        and leg.sent_time is not None
        and now - leg.sent_time > WANTED_MAX
        for leg in checkout.legs
    )


def _unasked(card: Leg | None) -> bool:
    return card is None or card.operation is LegOperation.UNSPECIFIED


def _took_too_long(checkout: Checkout, *, now: datetime) -> bool:
    """Tell whether the time of the holds is over before the card is captured; for the books they last longer."""
    return (
        checkout.state is CheckoutState.PROCESSING
        and checkout.give_up_time is not None
        and now >= checkout.give_up_time
        and any(leg.kind is not TenderKind.CARD for leg in checkout.legs)
    )


def _send(payment: Payment, leg: Leg, operation: LegOperation, stamps: Stamps) -> LegSent:
    """Write down that an operation is about to be sent; asking the same again is a new try."""
    again = leg.operation is operation
    return LegSent(
        stamp=stamps.new(),
        payment_id=payment.payment_id,
        leg_id=leg.leg_id,
        operation=operation,
        try_number=leg.try_number + 1 if again else 1,
    )


def _pay(checkout: Checkout, stamps: Stamps) -> Event | None:
    stored = [leg for leg in checkout.legs if leg.kind is not TenderKind.CARD]
    for leg in stored:
        if leg.operation is LegOperation.UNSPECIFIED:
            return _send(checkout, leg, LegOperation.HOLD, stamps)
    if not all(leg.stands(LegOperation.HOLD, LegPhase.DONE) for leg in stored):
        return None
    card = checkout.card_leg
    if card is None or card.stands(LegOperation.CAPTURE, LegPhase.DONE):
        return _settled(checkout, stamps)
    return _charge(checkout, card, stamps)


def _charge(payment: Payment, card: Leg, stamps: Stamps) -> LegSent | None:
    """Authorize, then capture; a capture that is known not to have been sent is tried again."""
    match card.operation, card.phase:
        case LegOperation.UNSPECIFIED, _:
            return _send(payment, card, LegOperation.AUTHORIZE, stamps)
        case LegOperation.AUTHORIZE, LegPhase.DONE:
            return _send(payment, card, LegOperation.CAPTURE, stamps)
        case LegOperation.CAPTURE, LegPhase.NOT_SENT:
            return _send(payment, card, LegOperation.CAPTURE, stamps)
        case _:
            return None


def _undo(checkout: Checkout, stamps: Stamps) -> Event | None:
    """Find out what is unknown, then give back what stands, last leg first, then end the attempt."""
    if any(leg.pending and leg.operation is not LegOperation.VOID for leg in checkout.legs):
        return None
    for leg in reversed(checkout.legs):
        if _stands(leg):
            return _send(checkout, leg, LegOperation.VOID, stamps)
    if any(leg.pending for leg in checkout.legs):
        return None
    if checkout.cancel_requested:
        return cancelled(checkout, CancelCause.REQUESTED, stamps)
    return PaymentFailed(
        stamp=stamps.new(),
        checkout_id=checkout.checkout_id,
        attempt=checkout.attempt,
        decline=_decline_of(checkout),
    )


def _stands(leg: Leg) -> bool:
    """Tell whether something has to be given back that nobody was asked to give back yet, or not under this key."""
    match leg.operation, leg.phase:
        case ((LegOperation.HOLD | LegOperation.AUTHORIZE), LegPhase.DONE):
            return True
        case LegOperation.CAPTURE, LegPhase.NOT_SENT:
            return True
        case LegOperation.VOID, LegPhase.NOT_SENT:
            return True
        case _:
            return False


def _decline_of(checkout: Checkout) -> Decline:
    no = next((leg for leg in checkout.legs if refused(leg)), None)
    if no is None:
        return HOLD_TOO_LATE if _unasked(checkout.card_leg) else HOLD_EXPIRED
    return no.decline or NOT_SENT_DECLINE


def _refund(checkout: Checkout, stamps: Stamps) -> Event | None:
    """Ask for the card's money back; stored value goes back by the fact itself."""
    card = checkout.card_leg
    if card is None or card.stands(LegOperation.REFUND, LegPhase.DONE):
        return _refunded(checkout, stamps)
    if card.pending:
        return None
    return _send(checkout, card, LegOperation.REFUND, stamps)


def _advance_top_up(top_up: TopUp, stamps: Stamps) -> Event | None:
    leg = top_up.leg
    if refused(leg):
        return TopUpFailed(
            stamp=stamps.new(),
            top_up_id=top_up.top_up_id,
            decline=leg.decline or NOT_SENT_DECLINE,
        )
    if not leg.stands(LegOperation.CAPTURE, LegPhase.DONE):
        return _charge(top_up, leg, stamps)
    return TopUpSettled(
        stamp=stamps.new(),
        top_up_id=top_up.top_up_id,
        customer_id=top_up.customer_id,
        amount_minor=top_up.amount_minor,
        currency_code=top_up.currency_code,
        provider_reference=leg.provider_reference,
    )


def _settled(checkout: Checkout, stamps: Stamps) -> CheckoutSettled:
    assert checkout.customer_id is not None, "somebody paid"
    tenders = _tenders_of(checkout, refunded=False)
    total = sum(tender.amount_minor for tender in tenders)
    assert total == checkout.basket.total_minor, "what is paid is what is due"
    return CheckoutSettled(
        stamp=stamps.new(),
        checkout_id=checkout.checkout_id,
        customer_id=checkout.customer_id,
        basket=checkout.basket,
        tenders=tenders,
    )


def cancelled(checkout: Checkout, cause: CancelCause, stamps: Stamps) -> CheckoutCancelled:
    """Give the fact that a checkout ended unpaid; nothing may be held or charged any more."""
    return CheckoutCancelled(
        stamp=stamps.new(),
        checkout_id=checkout.checkout_id,
        customer_id=checkout.customer_id,
        cause=cause,
    )


def _refunded(checkout: Checkout, stamps: Stamps) -> CheckoutRefunded:
    assert checkout.customer_id is not None, "somebody paid"
    return CheckoutRefunded(
        stamp=stamps.new(),
        checkout_id=checkout.checkout_id,
        refund_id=checkout.refund_ids[-1],
        customer_id=checkout.customer_id,
        ticket_key=checkout.basket.ticket_key,
        currency_code=checkout.currency_code,
        sales_by_vat_rate=checkout.basket.sales_by_vat_rate(),
        tenders=_tenders_of(checkout, refunded=True),
    )


def _tenders_of(checkout: Checkout, *, refunded: bool) -> tuple[SettledTender, ...]:
    """Give what paid, or gets back, the basket: the legs and the suppliers' coupons, ascending by kind."""
    tenders = [
        SettledTender(
            leg_id=leg.leg_id,
            kind=_TICKET_TENDERS[leg.kind],
            amount_minor=leg.amount_minor,
            quantity=leg.quantity,
            provider_reference=leg.refund_reference if refunded else leg.provider_reference,
        )
        for leg in checkout.legs
    ]
    if coupons := checkout.basket.coupon_minor:
        tenders.append(SettledTender(None, TicketTender.SUPPLIER_COUPON, coupons, 0, ""))
    return tuple(sorted(tenders, key=lambda tender: tender.kind))
