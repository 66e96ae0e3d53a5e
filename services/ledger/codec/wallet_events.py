"""Events of the wallet -> what the posting rules read. Facts that the books never look at give None."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from cagnotte.points.v1 import events_pb2 as points_events
from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import events_pb2
from services.common.runtime.timestamps import decode_time
from services.ledger.codec.event_parts import (
    Readers,
    read_event,
    read_sales,
    tender_name,
    ticket_text,
)
from services.ledger.domain.posting_events import (
    BookableEvent,
    CheckoutRefunded,
    CheckoutSettled,
    Purchase,
    Tender,
    TopUpSettled,
)


def parse_event(type_name: str, payload: bytes) -> BookableEvent | None:
    """Parse an event by its full name, for example ``cagnotte.wallet.v1.CheckoutSettled``.

    Raises:
        EventUnreadable: the payload is not what the name says.
    """
    return read_event(_READERS, type_name, payload)


def parse_fact(event_type: int, payload: bytes) -> BookableEvent | None:
    """Parse a fact of the wallet's journal by its ``EventType`` number."""
    type_name = _TYPE_NAMES.get(event_type)
    return parse_event(type_name, payload) if type_name else None


def _read_settled(message: events_pb2.CheckoutSettled) -> BookableEvent:
    ticket = message.ticket
    return CheckoutSettled(
        event_id=UUID(message.metadata.event_id),
        occur_time=decode_time(message.metadata.occur_time),
        checkout_id=UUID(message.checkout_id),
        purchase=_purchase(
            message.customer_id,
            ticket.key,
            ticket.currency_code,
            message.sales_by_vat_rate,
            message.tenders,
        ),
        prepaid_leg_id=_prepaid_leg(message.tenders),
    )


def _read_refunded(message: events_pb2.CheckoutRefunded) -> BookableEvent:
    return CheckoutRefunded(
        event_id=UUID(message.metadata.event_id),
        occur_time=decode_time(message.metadata.occur_time),
        purchase=_purchase(
            message.customer_id,
            message.ticket_key,
            message.currency_code,
            message.sales_by_vat_rate,
            message.tenders,
        ),
    )


def _read_top_up(message: events_pb2.TopUpSettled) -> BookableEvent:
    return TopUpSettled(
        event_id=UUID(message.metadata.event_id),
        occur_time=decode_time(message.metadata.occur_time),
        top_up_id=UUID(message.top_up_id),
        customer_id=UUID(message.customer_id),
        amount_minor=message.amount_minor,
        currency_code=message.currency_code,
    )


def _purchase(
    customer_id: str,
    key: points_pb2.TicketKey,
    currency_code: str,
    sales: Iterable[points_events.VatSales],
    tenders: Iterable[events_pb2.SettledTender],
) -> Purchase:
    return Purchase(
        customer_id=UUID(customer_id),
        ticket=ticket_text(key),
        currency_code=currency_code,
        sales=read_sales(sales),
        tenders=tuple(Tender(tender_name(t.kind), t.amount_minor) for t in tenders),
    )


def _prepaid_leg(tenders: Iterable[events_pb2.SettledTender]) -> UUID | None:
    """Give the hold of the prepaid tender.

    Raises:
        ValueError: there are two, or its id is none.
    """
    legs = [UUID(t.leg_id) for t in tenders if t.kind == points_pb2.TENDER_KIND_PREPAID]
    if len(legs) > 1:
        raise ValueError("a checkout has one prepaid tender at most")
    return legs[0] if legs else None


_READERS: Final[Readers] = {
    "cagnotte.wallet.v1.CheckoutSettled": (events_pb2.CheckoutSettled, _read_settled),
    "cagnotte.wallet.v1.CheckoutRefunded": (events_pb2.CheckoutRefunded, _read_refunded),
    "cagnotte.wallet.v1.TopUpSettled": (events_pb2.TopUpSettled, _read_top_up),
}
_TYPE_NAMES: Final[Mapping[int, str]] = {
    events_pb2.EVENT_TYPE_CHECKOUT_SETTLED: "cagnotte.wallet.v1.CheckoutSettled",
    events_pb2.EVENT_TYPE_CHECKOUT_REFUNDED: "cagnotte.wallet.v1.CheckoutRefunded",
    events_pb2.EVENT_TYPE_TOP_UP_SETTLED: "cagnotte.wallet.v1.TopUpSettled",
}
