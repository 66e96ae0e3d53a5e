"""Which command caused the facts of the wallet: a command's own facts hold all that it said."""

from collections.abc import Iterator, Sequence

from services.wallet.domain import command as commands
from services.wallet.domain import event as events
from services.wallet.domain.leg import NewLeg
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import PlannedTender


def command_of(own: Sequence[events.Event], payment: Payment | None) -> commands.Command:
    """Make the command again from its own facts and the payment as it found it.

    Several facts are the answers of one call. Raises ``ValueError`` for a fact that only follows from others.
    """
    first = own[0]
    match first:
        case events.LegAnswered():
            return commands.RecordAnswers(
                event_id=first.stamp.event_id,
                trace_parent=first.stamp.trace_parent,
                payment_id=first.payment_id,
                answers=tuple(_answers(own, payment)),
            )
        case events.PaymentStarted():
            return _start_payment(first, payment)
        case events.TopUpStarted():
            return _start_top_up(first)
        case events.CheckoutOpened() | events.CheckoutClaimed() | events.RefundStarted():
            return _about_checkout(first)
        case events.CancellationRequested() | events.CheckoutCancelled():
            return _end_checkout(first)
        case _:
            return _about_shopper(first)


def _about_checkout(
    fact: events.CheckoutOpened | events.CheckoutClaimed | events.RefundStarted,
) -> commands.Command:
    event_id, trace_parent = fact.stamp.event_id, fact.stamp.trace_parent
    match fact:
        case events.CheckoutOpened():
            return commands.OpenCheckout(
                event_id=event_id,
                trace_parent=trace_parent,
                checkout_id=fact.checkout_id,
                basket=fact.basket,
                expire_time=fact.expire_time,
            )
        case events.CheckoutClaimed():
            return commands.ClaimCheckout(
                event_id=event_id,
                trace_parent=trace_parent,
                checkout_id=fact.checkout_id,
                customer_id=fact.customer_id,
            )
        case events.RefundStarted():
            return commands.StartRefund(
                event_id=event_id,
                trace_parent=trace_parent,
                checkout_id=fact.checkout_id,
                request_id=fact.refund_id,
            )


def _start_payment(fact: events.PaymentStarted, payment: Payment | None) -> commands.StartPayment:
    if payment is None or payment.customer_id is None:
        raise ValueError("nobody had claimed the checkout")
    return commands.StartPayment(
        event_id=fact.stamp.event_id,
        trace_parent=fact.stamp.trace_parent,
        checkout_id=fact.checkout_id,
        customer_id=payment.customer_id,
        request_id=fact.request_id,
        request_hash=fact.request_hash,
        tenders=tuple(map(_tender_of, fact.legs)),
        hold_expire_time=fact.hold_expire_time,
        give_up_time=fact.give_up_time,
        # A refusal leaves no fact: whatever the limit was, it allowed this attempt.
        attempts_max=fact.attempt,
    )


def _tender_of(leg: NewLeg) -> PlannedTender:
    """Give the part of the plan that a leg came from."""
    return PlannedTender(
        kind=leg.kind,
        amount_minor=leg.amount_minor,
        quantity=leg.quantity,
        available_minor=0,
        card=leg.card,
    )


def _answers(own: Sequence[events.Event], payment: Payment | None) -> Iterator[commands.Answer]:
    """Give the answers; each is to the try that its leg was waiting for."""
    tries = {leg.leg_id: leg.try_number for leg in payment.legs} if payment else {}
    for fact in own:
        assert isinstance(fact, events.LegAnswered), "they are gathered by their type"
        yield commands.Answer(
            fact.leg_id,
            fact.operation,
            tries[fact.leg_id],
            fact.phase,
            fact.decline,
            fact.provider_reference,
        )


def _start_top_up(fact: events.TopUpStarted) -> commands.StartTopUp:
    card = fact.leg.card
    if card is None:
        raise ValueError("a top-up is paid by card")
    return commands.StartTopUp(
        event_id=fact.stamp.event_id,
        trace_parent=fact.stamp.trace_parent,
        top_up_id=fact.top_up_id,
        customer_id=fact.customer_id,
        amount_minor=fact.leg.amount_minor,
        currency_code=fact.currency_code,
        card=card,
        card_named=True,
    )


def _end_checkout(
    fact: events.CancellationRequested | events.CheckoutCancelled,
) -> commands.RequestCancellation | commands.ExpireCheckouts:
    event_id, trace_parent = fact.stamp.event_id, fact.stamp.trace_parent
    if isinstance(fact, events.CheckoutCancelled) and fact.cause is events.CancelCause.EXPIRED:
        # A sweep ends many checkouts; each of its facts is that of a sweep of one.
        return commands.ExpireCheckouts(event_id=event_id, trace_parent=trace_parent, limit=1)
    return commands.RequestCancellation(
        event_id=event_id,
        trace_parent=trace_parent,
        checkout_id=fact.checkout_id,
        customer_id=None,
    )


def _about_shopper(fact: events.Event) -> commands.Command:
    event_id, trace_parent = fact.stamp.event_id, fact.stamp.trace_parent
    match fact:
        case events.ShopperRegistered():
            return commands.RegisterShopper(
                event_id=event_id,
                trace_parent=trace_parent,
                customer_id=fact.customer_id,
                provider_customer=fact.provider_customer,
            )
        case events.PaymentMethodEnrolled():
            return commands.EnrolMethod(
                event_id=event_id,
                trace_parent=trace_parent,
                customer_id=fact.customer_id,
                payment_method_id=fact.payment_method_id,
                provider_method=fact.provider_method,
                fingerprint=fact.fingerprint,
                brand=fact.brand,
                last_four=fact.last_four,
                expire_month=fact.expire_month,
                expire_year=fact.expire_year,
            )
        case events.PaymentMethodDefaulted():
            return commands.DefaultMethod(
                event_id=event_id,
                trace_parent=trace_parent,
                customer_id=fact.customer_id,
                payment_method_id=fact.payment_method_id,
            )
        case events.PaymentMethodDetached():
            return commands.DetachMethod(
                event_id=event_id,
                trace_parent=trace_parent,
                customer_id=fact.customer_id,
                payment_method_id=fact.payment_method_id,
            )
        case _:
            raise ValueError(f"{type(fact).__name__} follows from nothing")
