"""Facts of the wallet service: messages to the commands that they cause here."""

from hashlib import sha256
from typing import Final
from uuid import UUID

from google.protobuf.message import DecodeError

from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import events_pb2 as pb
from services.common.kernel.errors import InvalidArgument
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.codec.ticket import parse_key, parse_ticket
from services.points.codec.time import parse_time
from services.points.domain.command import ReverseCheckout, SettleCheckout, TenderClaim
from services.points.domain.ticket import TicketKind, check_ticket

_CURRENCIES: Final = {
    points_pb2.TENDER_KIND_KITTY: LoyaltyCurrency.KITTY,
    points_pb2.TENDER_KIND_POINTS: LoyaltyCurrency.POINTS,
}


class EventUnreadable(InvalidArgument):
    """The bytes are no such fact, or what points needs of it cannot be."""

    reason = "EVENT_UNREADABLE"


def parse_checkout_event(type_name: str, payload: bytes) -> SettleCheckout | ReverseCheckout | None:
    """Give the command that a fact of the wallet causes, or None for one that causes nothing here.

    Raises:
        EventUnreadable: the bytes are not what the name says, or do not fit together.
        TicketInvalid, TicketTotalsDiffer: the ticket of a settled checkout does not hold by itself.
    """
    try:
        match type_name:
            case "cagnotte.wallet.v1.CheckoutSettled":
                return _settled(pb.CheckoutSettled.FromString(payload))
            case "cagnotte.wallet.v1.CheckoutRefunded":
                return _refunded(pb.CheckoutRefunded.FromString(payload))
            case _:
                return None
    except (DecodeError, ValueError) as error:
        raise EventUnreadable(f"The event cannot be read: {error}", type=type_name) from error


def _settled(message: pb.CheckoutSettled) -> SettleCheckout:
    ticket = parse_ticket(message.ticket)
    check_ticket(ticket)
    checkout_id = UUID(message.checkout_id)
    claims = tuple(
        TenderClaim(
            UUID(tender.leg_id), _CURRENCIES[tender.kind], tender.amount_minor, tender.quantity
        )
        for tender in message.tenders
        if tender.kind in _CURRENCIES
    )
    due = ticket.total_minor - ticket.supplier_coupon_minor
    if ticket.checkout_id != checkout_id or ticket.key.kind is TicketKind.TRAINING:
        raise EventUnreadable("The ticket is not that of the checkout.", checkout_id=checkout_id)
    if sum(claim.amount_minor for claim in claims) > due or any(
        min(claim.amount_minor, claim.quantity) < 0 for claim in claims
    ):
        raise EventUnreadable("The tenders do not fit the ticket.", checkout_id=checkout_id)
    content = message.ticket.SerializeToString(deterministic=True)
    return SettleCheckout(
        event_id=UUID(message.metadata.event_id),
        trace_parent=message.metadata.trace_parent,
        occur_time=parse_time(message.metadata.occur_time, "metadata.occur_time"),
        checkout_id=checkout_id,
        customer_id=UUID(message.customer_id),
        ticket=ticket,
        content=content,
        content_hash=sha256(content).digest(),
        tenders=claims,
    )


def _refunded(message: pb.CheckoutRefunded) -> ReverseCheckout:
    return ReverseCheckout(
        event_id=UUID(message.metadata.event_id),
        trace_parent=message.metadata.trace_parent,
        occur_time=parse_time(message.metadata.occur_time, "metadata.occur_time"),
        checkout_id=UUID(message.checkout_id),
        refund_id=UUID(message.refund_id),
        key=parse_key(message.ticket_key),
    )
