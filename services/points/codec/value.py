"""Holds and balances: messages to commands, and outcomes to messages."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as service_pb
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.codec.event import render_shares
from services.points.codec.time import parse_time, render_time
from services.points.domain.command import HoldValue, ReleaseHold, SpendHold
from services.points.domain.holding import HoldOutcome, SweepOutcome


def parse_hold(
    request: service_pb.HoldValueRequest, *, event_id: UUID, trace_parent: str
) -> HoldValue:
    """Give the command of a valid request."""
    return HoldValue(
        event_id=event_id,
        trace_parent=trace_parent,
        hold_id=UUID(request.hold_id),
        member_id=UUID(request.member_id) if request.member_id else None,
        customer_id=UUID(request.customer_id) if request.customer_id else None,
        currency=LoyaltyCurrency(request.currency),
        quantity=request.quantity,
        expire_time=parse_time(request.expire_time, "expire_time"),
    )


def parse_spend(
    request: service_pb.SpendHoldRequest, *, event_id: UUID, trace_parent: str
) -> SpendHold:
    """Give the command of a valid request; a quantity of 0 means the whole."""
    return SpendHold(event_id, trace_parent, UUID(request.hold_id), request.quantity or None)


def parse_release(
    request: service_pb.ReleaseHoldRequest, *, event_id: UUID, trace_parent: str
) -> ReleaseHold:
    """Give the command of a valid request."""
    return ReleaseHold(event_id, trace_parent, UUID(request.hold_id))


def render_hold(outcome: HoldOutcome) -> pb.Hold:
    """Give the message of a hold."""
    return pb.Hold(
        hold_id=str(outcome.hold_id),
        member_id=str(outcome.member_id),
        currency=render_currency(outcome.currency),
        quantity=outcome.quantity,
        spent_quantity=outcome.spent_quantity,
        expire_time=render_time(outcome.expire_time),
        state=pb.HoldState.ValueType(outcome.state),
        lots=render_shares(outcome.lots),
    )


def render_sweep(outcome: SweepOutcome, *, now: datetime) -> service_pb.ExpireValueResponse:
    """Give the answer to a sweep."""
    return service_pb.ExpireValueResponse(
        expired_holds=outcome.expired_holds,
        expired_lots=outcome.expired_lots,
        expired_amounts=[
            money_pb2.LoyaltyAmount(
                currency=render_currency(amount.currency), quantity=amount.quantity
            )
            for amount in outcome.expired_amounts
        ],
        sweep_time=render_time(now),
    )


def render_balance(
    currency: LoyaltyCurrency, *, available: int, held: int, ends: Sequence[tuple[datetime, int]]
) -> pb.Balance:
    """Give the message of a balance; ``ends`` are (instant, quantity), soonest first."""
    expirations = [
        pb.Expiration(expire_time=render_time(instant), quantity=quantity)
        for instant, quantity in ends
    ]
    return pb.Balance(
        currency=render_currency(currency),
        available=available,
        held=held,
        expirations=expirations,
        next_expiration=expirations[0] if expirations else None,
    )


def render_currency(currency: LoyaltyCurrency) -> money_pb2.LoyaltyCurrency.ValueType:
    """Give the message's number of a currency."""
    return money_pb2.LoyaltyCurrency.ValueType(currency)
