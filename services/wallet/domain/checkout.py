"""Checkouts: the state of one, folded from its facts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from services.wallet.domain.basket import Basket
from services.wallet.domain.event import (
    CancelCause,
    CancellationRequested,
    CheckoutCancelled,
    CheckoutClaimed,
    CheckoutEvent,
    CheckoutOpened,
    CheckoutRefunded,
    CheckoutSettled,
    LegAnswered,
    LegSent,
    PaymentFailed,
    PaymentStarted,
    RefundStarted,
)
from services.wallet.domain.leg import Decline, Leg, LegOperation, LegPhase, planned
from services.wallet.domain.tender import TenderKind


class CheckoutState(IntEnum):
    """Where a checkout stands; the numbers equal those of the protos."""

    OPEN = 1
    """Waiting for the shopper: just opened, claimed, or back after a decline."""
    PROCESSING = 2
    """Being paid, or being undone; also while an answer is unknown."""
    AUTHORIZED = 3
    """Every leg said yes; the card is being captured."""
    SETTLED = 4
    """Paid."""
    CANCELLED = 5
    """Given up before it was paid."""
    EXPIRED = 6
    """Nobody paid in time."""
    REFUNDING = 7
    """Being given back."""
    REFUNDED = 8
    """Given back in full."""


IN_FLIGHT: Final = frozenset(
    (CheckoutState.PROCESSING, CheckoutState.AUTHORIZED, CheckoutState.REFUNDING)
)
"""The states that end by themselves, as soon as somebody drives the checkout."""

DEAD: Final = frozenset((CheckoutState.CANCELLED, CheckoutState.EXPIRED))
"""The states in which the ticket of a checkout may be paid by another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """One basket and how it is paid; it changes by facts alone (``apply``)."""

    checkout_id: UUID
    version: int
    """Number of facts so far."""
    state: CheckoutState
    basket: Basket
    expire_time: datetime
    customer_id: UUID | None = None
    attempt: int = 0
    """Number of attempts at paying so far."""
    legs: tuple[Leg, ...] = ()
    """Legs of the last attempt, in the order of allocation."""
    hold_expire_time: datetime | None = None
    """Business time from which the holds of the last attempt are void by themselves."""
    give_up_time: datetime | None = None
    """Business time from which the last attempt is given up unless the card is being captured."""
    requests: Mapping[UUID, bytes]
    """Hash of what was asked, by request id of each attempt."""
    decline: Decline | None = None
    """Why the last attempt, or the last refund, failed."""
    cancel_requested: bool = False
    refund_ids: tuple[UUID, ...] = ()
    """Ids of the refunds that were asked for; the last one is the present one."""
    settle_time: datetime | None = None
    ever_declined: bool = False
    """Whether an attempt failed once."""
    ever_unknown: bool = False
    """Whether an outcome was unknown once."""

    @property
    def payment_id(self) -> UUID:
        """Give the name that it shares with top-ups."""
        return self.checkout_id

    @property
    def currency_code(self) -> str:
        """Give the currency of every amount."""
        return self.basket.currency_code

    @property
    def in_flight(self) -> bool:
        """Tell whether calls are being made, or have to be, for it to come to an end."""
        return self.state in IN_FLIGHT

    @property
    def outcome_unknown(self) -> bool:
        """Tell whether an outcome is unknown right now."""
        return any(leg.phase is LegPhase.OUTCOME_UNKNOWN for leg in self.legs)

    @property
    def card_leg(self) -> Leg | None:
        """Give the card's leg of the last attempt."""
        return next((leg for leg in self.legs if leg.kind is TenderKind.CARD), None)


def apply(checkout: Checkout | None, event: CheckoutEvent) -> Checkout:
    """Fold one fact in; facts come in the order of the journal, without a gap."""
    if checkout is None:
        assert isinstance(event, CheckoutOpened), "a checkout begins by being opened"
        return Checkout(
            checkout_id=event.checkout_id,
            version=1,
            state=CheckoutState.OPEN,
            basket=event.basket,
            expire_time=event.expire_time,
            requests={},
        )
    return replace(checkout, version=checkout.version + 1, **_changes(checkout, event))


def _changes(checkout: Checkout, event: CheckoutEvent) -> dict[str, Any]:
    match event:
        case LegSent():
            return _sent(checkout, event)
        case LegAnswered():
            return _answered(checkout, event)
        case PaymentStarted():
            return _started(checkout, event)
        case CheckoutClaimed():
            return {"customer_id": event.customer_id}
        case CheckoutSettled():
            return {"state": CheckoutState.SETTLED, "settle_time": event.stamp.occur_time}
        case PaymentFailed():
            return {"state": CheckoutState.OPEN, "decline": event.decline, "ever_declined": True}
        case CancellationRequested():
            return {"cancel_requested": True}
        case CheckoutCancelled(cause=CancelCause.EXPIRED):
            return {"state": CheckoutState.EXPIRED}
        case CheckoutCancelled():
            return {"state": CheckoutState.CANCELLED}
        case RefundStarted():
            refund_ids = (*checkout.refund_ids, event.refund_id)
            return {"state": CheckoutState.REFUNDING, "refund_ids": refund_ids, "decline": None}
        case CheckoutRefunded():
            return {"state": CheckoutState.REFUNDED}
        case CheckoutOpened():
            raise AssertionError("a checkout is opened once")


def _started(checkout: Checkout, event: PaymentStarted) -> dict[str, Any]:
    assert event.attempt == checkout.attempt + 1, "attempts are counted without a gap"
    return {
        "state": CheckoutState.PROCESSING,
        "attempt": event.attempt,
        "legs": tuple(map(planned, event.legs)),
        "requests": {**checkout.requests, event.request_id: event.request_hash},
        "hold_expire_time": event.hold_expire_time,
        "give_up_time": event.give_up_time or event.hold_expire_time,
        "decline": None,
    }


def _sent(checkout: Checkout, event: LegSent) -> dict[str, Any]:
    legs = tuple(
        leg.sent(event.operation, try_number=event.try_number, now=event.stamp.record_time)
        if leg.leg_id == event.leg_id
        else leg
        for leg in checkout.legs
    )
    if event.operation is LegOperation.CAPTURE:
        return {"legs": legs, "state": CheckoutState.AUTHORIZED}
    return {"legs": legs}


def _answered(checkout: Checkout, event: LegAnswered) -> dict[str, Any]:
    legs = tuple(
        leg.answered(event.phase, decline=event.decline, reference=event.provider_reference)
        if leg.leg_id == event.leg_id
        else leg
        for leg in checkout.legs
    )
    match event.operation, event.phase:
        case LegOperation.CAPTURE, LegPhase.DECLINED:
            return {"legs": legs, "state": CheckoutState.PROCESSING}
        case LegOperation.REFUND, LegPhase.DECLINED:
            return {"legs": legs, "state": CheckoutState.SETTLED, "decline": event.decline}
        case _, LegPhase.OUTCOME_UNKNOWN:
            return {"legs": legs, "ever_unknown": True}
        case _:
            return {"legs": legs}
