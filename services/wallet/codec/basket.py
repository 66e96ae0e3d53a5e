"""Baskets: the ticket as the till sends it, kept byte by byte, and what paying looks at."""

from datetime import date

from cagnotte.points.v1 import points_pb2 as pb
from services.common.runtime.timestamps import parse_time as parse_new_time
from services.wallet.codec.time import parse_time
from services.wallet.domain.basket import (
    Basket,
    BasketLine,
    TicketKey,
    TicketKind,
    TicketNotPayable,
    check_basket,
)
from services.wallet.domain.tender import TicketTender

CURRENCY_CODE = "EUR"
"""Tickets are in euros."""


def parse_new_basket(message: pb.Ticket) -> Basket:
    """Give the basket of a till's ticket, checked.

    Raises:
        TicketNotPayable: the calendar has no such day, or the basket cannot be paid.
        TimestampInvalid: there is no such instant.
    """
    parse_new_time(message.occur_time, "ticket.occur_time")
    try:
        date.fromisoformat(message.key.business_date)
    except ValueError:
        raise TicketNotPayable(
            "The business date does not exist.",
            violations=[("ticket.key.business_date", "is not a day of the calendar")],
        ) from None
    basket = parse_basket(message)
    tenders = [(TicketTender(tender.kind), tender.amount_minor) for tender in message.tenders]
    check_basket(basket, tenders, gtins=[line.gtin for line in message.lines])
    return basket


def parse_basket(message: pb.Ticket) -> Basket:
    """Give the basket of a ticket that was checked before."""
    return Basket(
        ticket_key=parse_key(message.key),
        occur_time=parse_time(message.occur_time),
        currency_code=CURRENCY_CODE,
        lines=tuple(
            BasketLine(
                line.line_number,
                line.sales_minor,
                line.supplier_coupon_minor,
                line.vat_rate_bp,
            )
            for line in message.lines
        ),
        total_minor=message.total_minor,
        coupon_minor=sum(line.supplier_coupon_minor for line in message.lines),
        content=message.SerializeToString(deterministic=True),
    )


def parse_key(message: pb.TicketKey) -> TicketKey:
    """Give the key of a ticket."""
    return TicketKey(
        store_id=message.store_id,
        business_date=date.fromisoformat(message.business_date),
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
