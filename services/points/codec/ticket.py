"""Tickets: messages to values. What is kept of a ticket is the message, byte by byte."""

from datetime import date
from hashlib import sha256
from operator import attrgetter
from typing import Final
from uuid import UUID

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as service_pb
from services.points.codec.time import parse_time
from services.points.domain.command import RecordTicket
from services.points.domain.ticket import (
    Channel,
    Line,
    Tender,
    TenderKind,
    Ticket,
    TicketInvalid,
    TicketKey,
    TicketKind,
)

_line_fields: Final = attrgetter(*Line._fields)
"""A line's fields are called alike in the message, and read in one go."""


def parse_record_ticket(
    request: service_pb.RecordTicketRequest, *, event_id: UUID, trace_parent: str
) -> RecordTicket:
    """Give the command of a valid request; the content is the ticket's canonical bytes.

    Raises:
        TicketInvalid: a field cannot be.
    """
    content = request.ticket.SerializeToString(deterministic=True)
    return RecordTicket(
        event_id=event_id,
        trace_parent=trace_parent,
        request_id=UUID(request.request_id),
        ticket=parse_ticket(request.ticket),
        content=content,
        content_hash=sha256(content).digest(),
    )


def parse_content(content: bytes) -> Ticket:
    """Give the ticket of kept content, for evaluating it again."""
    return parse_ticket(pb.Ticket.FromString(content))


def parse_ticket(message: pb.Ticket) -> Ticket:
    """Give the ticket of a valid message.

    Raises:
        TicketInvalid: its date or time cannot be.
    """
    shopper = message.WhichOneof("shopper")
    return Ticket(
        key=parse_key(message.key),
        occur_time=parse_time(message.occur_time, "ticket.occur_time"),
        card_number=message.card_number if shopper == "card_number" else None,
        member_id=UUID(message.member_id) if shopper == "member_id" else None,
        channel=Channel(message.channel),
        checkout_id=UUID(message.checkout_id) if message.checkout_id else None,
        lines=tuple(map(Line._make, map(_line_fields, message.lines))),
        tenders=tuple(
            Tender(TenderKind(tender.kind), tender.amount_minor) for tender in message.tenders
        ),
        total_minor=message.total_minor,
    )


def parse_key(message: pb.TicketKey) -> TicketKey:
    """Give the key of a valid message.

    Raises:
        TicketInvalid: the calendar has no such day.
    """
    try:
        business_date = date.fromisoformat(message.business_date)
    except ValueError:
        raise TicketInvalid(
            "The business date does not exist.",
            violations=[("ticket.key.business_date", "is not a day of the calendar")],
        ) from None
    return TicketKey(
        store_id=message.store_id,
        business_date=business_date,
        till_id=message.till_id,
        sequence=message.sequence,
        kind=TicketKind(message.kind),
    )


def render_key(key: TicketKey) -> pb.TicketKey:
    """Give the message of a key."""
    return pb.TicketKey(
        store_id=key.store_id,
        business_date=key.business_date.isoformat(),
        till_id=key.till_id,
        sequence=key.sequence,
        kind=pb.TicketKind.ValueType(key.kind),
    )
