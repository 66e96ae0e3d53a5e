"""Decisions about the payment of a checkout: start it, take answers in, give it back; and top-ups."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.common.kernel.errors import FailedPrecondition
from services.wallet.domain.batch import Batch, Stamps
from services.wallet.domain.checkout import Checkout, CheckoutState
from services.wallet.domain.command import (
    Answer,
    RecordAnswers,
    StartPayment,
    StartRefund,
    StartTopUp,
)
from services.wallet.domain.event import LegAnswered, PaymentStarted, RefundStarted, TopUpStarted
from services.wallet.domain.leg import Leg, LegOperation, LegPhase, NewLeg, new_leg_id
from services.wallet.domain.opening import (
    CheckoutNotClaimed,
    CheckoutNotFound,
    ClaimedByAnother,
    PaymentOutcome,
    RequestIdReused,
    finish,
    get_checkout,
    require_open,
)
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import PlannedTender, TenderKind
from services.wallet.domain.top_up import TopUp


class TendersInsufficient(FailedPrecondition):
    """The tenders do not pay what is due."""

    reason = "TENDERS_INSUFFICIENT"


class AttemptsTooMany(FailedPrecondition):
    """The checkout has had as many attempts as one may have."""

    reason = "CHECKOUT_ATTEMPTS_TOO_MANY"


class CheckoutNotRefundable(FailedPrecondition):
    """The checkout is not settled."""

    reason = "CHECKOUT_NOT_REFUNDABLE"


def is_repeat(checkout: Checkout, *, request_id: UUID, request_hash: bytes) -> bool:
    """Tell whether an attempt of this id was made before.

    To be asked before tenders are planned: a repeat would be planned against balances that its own holds have lowered.

    Raises:
        RequestIdReused: it was made with other content.
    """
    known = checkout.requests.get(request_id)
    if known is None:
        return False
    if known != request_hash:
        raise RequestIdReused("The id made another attempt.", request_id=request_id)
    return True


def require_claimed(checkout: Checkout, customer_id: UUID) -> None:
    """Refuse a shopper who has not claimed a checkout.

    Raises:
        CheckoutNotClaimed: nobody has.
        ClaimedByAnother: another shopper has.
    """
    if checkout.customer_id is None:
        raise CheckoutNotClaimed(
            "The checkout has to be claimed first.", checkout_id=checkout.checkout_id
        )
    if checkout.customer_id != customer_id:
        raise ClaimedByAnother(
            "Another shopper pays this checkout.", checkout_id=checkout.checkout_id
        )


def require_attempt_left(checkout: Checkout, *, attempts_max: int) -> None:
    """Refuse one attempt more than a checkout may have: who tries card after card is no shopper.

    A refusal leaves no fact, and so the limit is in none: what was allowed stays allowed when the setting changes.

    Raises:
        AttemptsTooMany: as it says.
    """
    if checkout.attempt >= attempts_max:
        raise AttemptsTooMany(
            "The checkout was tried as often as it may be; pay at the till.",
            checkout_id=checkout.checkout_id,
            attempts_max=attempts_max,
        )


def decide_payment(batch: Batch, command: StartPayment, *, now: datetime) -> PaymentOutcome:
    """Start an attempt: its legs are written down, and the first operations as about to be sent.

    Raises:
        CheckoutNotFound, CheckoutNotClaimed, ClaimedByAnother, CheckoutNotOpen: as they say.
        RequestIdReused: the id made another attempt.
        AttemptsTooMany: it was tried as often as it may be.
        TendersInsufficient: the tenders do not pay exactly what is due.
    """
    checkout = get_checkout(batch, command.checkout_id)
    require_claimed(checkout, command.customer_id)
    if is_repeat(checkout, request_id=command.request_id, request_hash=command.request_hash):
        return PaymentOutcome(checkout, replayed=True)
    require_open(checkout, now=now)
    require_attempt_left(checkout, attempts_max=command.attempts_max)
    legs = _new_legs(command.checkout_id, command.request_id, command.tenders)
    missing_minor = checkout.basket.due_minor - sum(leg.amount_minor for leg in legs)
    if missing_minor:
        raise TendersInsufficient(
            "The tenders do not pay what is due.", missing_minor=missing_minor
        )
    stamps = Stamps(command.event_id, command.trace_parent, now)
    batch.record(
        PaymentStarted(
            stamp=stamps.new(),
            checkout_id=command.checkout_id,
            request_id=command.request_id,
            request_hash=command.request_hash,
            attempt=checkout.attempt + 1,
            legs=legs,
            hold_expire_time=command.hold_expire_time,
            give_up_time=command.give_up_time,
        )
    )
    return finish(batch, command.checkout_id, stamps)


def _new_legs(
    payment_id: UUID, request_id: UUID, tenders: Iterable[PlannedTender]
) -> tuple[NewLeg, ...]:
    """Make a leg of each tender that pays something."""
    paying = [tender for tender in tenders if tender.amount_minor > 0]
    kinds = [tender.kind for tender in paying]
    assert len(set(kinds)) == len(kinds), "the planner takes each kind once"
    return tuple(
        NewLeg(
            leg_id=new_leg_id(payment_id, request_id, number),
            kind=tender.kind,
            amount_minor=tender.amount_minor,
            quantity=tender.quantity,
            card=tender.card,
        )
        for number, tender in enumerate(paying, start=1)
    )


def decide_answers(batch: Batch, command: RecordAnswers, *, now: datetime) -> PaymentOutcome:
    """Take answers in; one that comes too late, or says what is known, changes nothing.

    Raises:
        CheckoutNotFound: there is no such payment.
    """
    if command.payment_id not in batch.payments:
        raise CheckoutNotFound("There is no such payment.", payment_id=command.payment_id)
    stamps = Stamps(command.event_id, command.trace_parent, now)
    for answer in command.answers:
        event = _answered(batch.payments[command.payment_id], answer, stamps)
        if event is not None:
            batch.record(event)
    outcome = finish(batch, command.payment_id, stamps)
    return outcome._replace(replayed=stamps.count == 0)


def _answered(payment: Payment, answer: Answer, stamps: Stamps) -> LegAnswered | None:
    """Give the fact of an answer to what is being asked right now; None for any other."""
    leg = next((leg for leg in payment.legs if leg.leg_id == answer.leg_id), None)
    if leg is None or not leg.pending:
        return None
    if (leg.operation, leg.try_number) != (answer.operation, answer.try_number):
        return None
    phase = _phase_of(answer)
    if phase is leg.phase and not _tells_more(leg, answer):
        return None
    return LegAnswered(
        stamp=stamps.new(),
        payment_id=payment.payment_id,
        leg_id=leg.leg_id,
        operation=leg.operation,
        phase=phase,
        decline=answer.decline,
        provider_reference=answer.provider_reference,
    )


def _phase_of(answer: Answer) -> LegPhase:
    """Give the phase that an answer brings: what refuses to give back is asked again, for something still stands."""
    assert answer.phase not in (LegPhase.UNSPECIFIED, LegPhase.SENDING), "it is an answer"
    if answer.operation is LegOperation.VOID and answer.phase is LegPhase.DECLINED:
        return LegPhase.OUTCOME_UNKNOWN
    return answer.phase


def _tells_more(leg: Leg, answer: Answer) -> bool:
    """Tell whether an answer that leaves the outcome unknown names what is being looked for."""
    known = leg.refund_reference if leg.operation is LegOperation.REFUND else leg.provider_reference
    return answer.provider_reference not in ("", known)


def decide_refund(batch: Batch, command: StartRefund, *, now: datetime) -> PaymentOutcome:
    """Give a settled checkout back in full; after a refund that was refused, a new id tries again.

    Raises:
        CheckoutNotFound: there is none of this id.
        CheckoutNotRefundable: it is not settled, or another refund is under way or done.
    """
    checkout = get_checkout(batch, command.checkout_id)
    if command.request_id in checkout.refund_ids:
        return PaymentOutcome(checkout, replayed=True)
    if checkout.state is not CheckoutState.SETTLED:
        raise CheckoutNotRefundable(
            "The checkout is not settled.",
            checkout_id=command.checkout_id,
            state=checkout.state.name,
        )
    stamps = Stamps(command.event_id, command.trace_parent, now)
    batch.record(
        RefundStarted(
            stamp=stamps.new(),
            checkout_id=command.checkout_id,
            refund_id=command.request_id,
        )
    )
    return finish(batch, command.checkout_id, stamps)


def decide_top_up(batch: Batch, command: StartTopUp, *, now: datetime) -> PaymentOutcome:
    """Start a top-up.

    Raises:
        RequestIdReused: the id made another top-up, or a checkout.
    """
    known = batch.payments.get(command.top_up_id)
    if known is not None:
        if not isinstance(known, TopUp) or not _same_top_up(known, command):
            raise RequestIdReused("The id made another payment.", request_id=command.top_up_id)
        return PaymentOutcome(known, replayed=True)
    stamps = Stamps(command.event_id, command.trace_parent, now)
    batch.record(
        TopUpStarted(
            stamp=stamps.new(),
            top_up_id=command.top_up_id,
            customer_id=command.customer_id,
            currency_code=command.currency_code,
            leg=NewLeg(
                leg_id=new_leg_id(command.top_up_id, command.top_up_id, 1),
                kind=TenderKind.CARD,
                amount_minor=command.amount_minor,
                quantity=0,
                card=command.card,
            ),
        )
    )
    return finish(batch, command.top_up_id, stamps)


def _same_top_up(known: TopUp, command: StartTopUp) -> bool:
    assert known.leg.card is not None, "a top-up is paid by card"
    same_card = known.leg.card.payment_method_id == command.card.payment_method_id
    return (
        (known.customer_id, known.amount_minor, known.currency_code)
        == (command.customer_id, command.amount_minor, command.currency_code)
    ) and (same_card or not command.card_named)
