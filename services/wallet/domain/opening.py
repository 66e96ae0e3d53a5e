"""Decisions about a checkout before and beside its payment: open, claim, cancel, and what ends by itself."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from services.common.kernel.ids import DERIVED_IDS_MAX
from services.wallet.domain.basket import check_time
from services.wallet.domain.batch import Batch, Stamps
from services.wallet.domain.checkout import DEAD, Checkout, CheckoutState
from services.wallet.domain.command import (
    ClaimCheckout,
    ExpireCheckouts,
    OpenCheckout,
    RequestCancellation,
)
from services.wallet.domain.event import (
    CancelCause,
    CancellationRequested,
    CheckoutClaimed,
    CheckoutOpened,
)
from services.wallet.domain.payment import Payment
from services.wallet.domain.saga import advance, cancelled

EXPIRE_LIMIT_MAX: Final = DERIVED_IDS_MAX
"""Most checkouts that one sweep can end: each takes an id derived from the sweep's."""


class RequestIdReused(InvalidArgument):
    """The id was used before, for something else."""

    reason = "REQUEST_ID_REUSED"


class CheckoutNotFound(NotFound):
    """No such checkout, or not the caller's."""

    reason = "CHECKOUT_NOT_FOUND"


class ClaimedByAnother(FailedPrecondition):
    """Another shopper pays this checkout."""

    reason = "CHECKOUT_CLAIMED"


class CheckoutNotClaimed(FailedPrecondition):
    """The shopper has to claim the checkout first."""

    reason = "CHECKOUT_NOT_CLAIMED"


class CheckoutNotOpen(FailedPrecondition):
    """The checkout is being paid, or is over."""

    reason = "CHECKOUT_NOT_OPEN"


class CheckoutNotCancellable(FailedPrecondition):
    """The checkout is authorized or settled; refund it instead."""

    reason = "CHECKOUT_NOT_CANCELLABLE"


class TicketKeyTaken(FailedPrecondition):
    """Another checkout that is not cancelled or expired has the same ticket."""

    reason = "TICKET_KEY_TAKEN"


class PaymentOutcome(NamedTuple):
    """A checkout or top-up right after the command, and whether the command changed nothing."""

    payment: Payment
    replayed: bool


class SweepOutcome(NamedTuple):
    """How many checkouts a sweep ended, and whether its limit left something for the next."""

    expired: int
    more: bool


def get_checkout(batch: Batch, checkout_id: UUID) -> Checkout:
    """Give a checkout.

    Raises:
        CheckoutNotFound: there is none of this id.
    """
    checkout = batch.payments.get(checkout_id)
    if not isinstance(checkout, Checkout):
        raise CheckoutNotFound("There is no such checkout.", checkout_id=checkout_id)
    return checkout


def require_open(checkout: Checkout, *, now: datetime) -> None:
    """Refuse what only an open checkout allows; one whose time is over counts as expired already.

    Raises:
        CheckoutNotOpen: it is being paid, or is over.
    """
    state = checkout.state
    if state is CheckoutState.OPEN and checkout.expire_time <= now:
        state = CheckoutState.EXPIRED
    if state is not CheckoutState.OPEN:
        raise CheckoutNotOpen(
            "The checkout is not open.", checkout_id=checkout.checkout_id, state=state.name
        )


def finish(batch: Batch, payment_id: UUID, stamps: Stamps) -> PaymentOutcome:
    """Record all that follows by itself, and give the payment as it is then."""
    while (event := advance(batch.payments[payment_id], stamps)) is not None:
        batch.record(event)
    return PaymentOutcome(batch.payments[payment_id], replayed=False)


def decide_open(batch: Batch, command: OpenCheckout, *, now: datetime) -> PaymentOutcome:
    """Open a checkout for a basket.

    Raises:
        RequestIdReused: the id made another checkout, or a top-up.
        TicketKeyTaken: another live checkout has the same ticket.
        TicketNotPayable: the time of the basket cannot be.
    """
    known = batch.payments.get(command.checkout_id)
    if known is not None:
        if not isinstance(known, Checkout) or known.basket != command.basket:
            raise RequestIdReused("The id made another payment.", checkout_id=command.checkout_id)
        return PaymentOutcome(known, replayed=True)
    check_time(command.basket, now=now)
    taken_by = batch.live_tickets.get(command.basket.ticket_key)
    if taken_by is not None:
        raise TicketKeyTaken("Another checkout has the same ticket.", checkout_id=taken_by)
    stamps = Stamps(command.event_id, command.trace_parent, now)
    batch.record(
        CheckoutOpened(
            stamp=stamps.new(),
            checkout_id=command.checkout_id,
            basket=command.basket,
            expire_time=command.expire_time,
        )
    )
    return finish(batch, command.checkout_id, stamps)


def decide_claim(batch: Batch, command: ClaimCheckout, *, now: datetime) -> PaymentOutcome:
    """Tie a checkout to a shopper, once; the same shopper may claim it again in any state.

    Raises:
        CheckoutNotFound, ClaimedByAnother, CheckoutNotOpen: as they say.
    """
    checkout = get_checkout(batch, command.checkout_id)
    if checkout.customer_id == command.customer_id:
        return PaymentOutcome(checkout, replayed=True)
    if checkout.customer_id is not None:
        raise ClaimedByAnother(
            "Another shopper pays this checkout.", checkout_id=command.checkout_id
        )
    require_open(checkout, now=now)
    stamps = Stamps(command.event_id, command.trace_parent, now)
    batch.record(
        CheckoutClaimed(
            stamp=stamps.new(),
            checkout_id=command.checkout_id,
            customer_id=command.customer_id,
        )
    )
    return finish(batch, command.checkout_id, stamps)


def decide_cancel(batch: Batch, command: RequestCancellation, *, now: datetime) -> PaymentOutcome:
    """Give a checkout up: at once while nobody pays, else as soon as everything is known and undone.

    Raises:
        CheckoutNotFound: no such checkout, or another shopper's.
        CheckoutNotClaimed: a shopper asks who has not claimed it.
        CheckoutNotCancellable: it is authorized or settled.
    """
    checkout = get_checkout(batch, command.checkout_id)
    if command.customer_id is not None:
        _require_own(checkout, command.customer_id)
    if checkout.state in DEAD or checkout.cancel_requested:
        return PaymentOutcome(checkout, replayed=True)
    stamps = Stamps(command.event_id, command.trace_parent, now)
    if checkout.state is CheckoutState.OPEN:
        batch.record(cancelled(checkout, CancelCause.REQUESTED, stamps))
    elif checkout.state is CheckoutState.PROCESSING:
        batch.record(CancellationRequested(stamp=stamps.new(), checkout_id=checkout.checkout_id))
    else:
        raise CheckoutNotCancellable(
            "The checkout can no longer be cancelled.",
            checkout_id=checkout.checkout_id,
            state=checkout.state.name,
        )
    return finish(batch, checkout.checkout_id, stamps)


def _require_own(checkout: Checkout, customer_id: UUID) -> None:
    if checkout.customer_id is None:
        raise CheckoutNotClaimed("The checkout is nobody's.", checkout_id=checkout.checkout_id)
    if checkout.customer_id != customer_id:
        raise CheckoutNotFound("There is no such checkout.", checkout_id=checkout.checkout_id)


def decide_expire(batch: Batch, command: ExpireCheckouts, *, now: datetime) -> SweepOutcome:
    """End open checkouts whose time is over; those that are being paid are left alone."""
    assert command.limit <= EXPIRE_LIMIT_MAX, "ids of the facts derive from the sweep's"
    stamps = Stamps(command.event_id, command.trace_parent, now)
    expired = 0
    for checkout_id in batch.due_checkouts:
        checkout = batch.payments.get(checkout_id)
        if not isinstance(checkout, Checkout) or checkout.state is not CheckoutState.OPEN:
            continue
        if checkout.expire_time > now:
            continue
        if expired == command.limit:
            return SweepOutcome(expired, more=True)
        batch.record(cancelled(checkout, CancelCause.EXPIRED, stamps))
        expired += 1
    return SweepOutcome(expired, more=False)
