"""Events of the points service -> what the posting rules read. Facts that the books never look at give None."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from cagnotte.common.v1 import event_pb2, money_pb2
from cagnotte.points.v1 import events_pb2, points_pb2
from services.common.runtime.timestamps import decode_time
from services.ledger.codec.event_parts import (
    Readers,
    read_event,
    read_sales,
    tender_name,
    ticket_text,
)
from services.ledger.domain.posting_events import (
    EARNED,
    EXPIRED,
    SPENT,
    BookableEvent,
    Tender,
    TicketRecorded,
    ValueMoved,
    ValueReversed,
)

_CURRENCY_PREFIX: Final = "LOYALTY_CURRENCY_"


def parse_event(type_name: str, payload: bytes) -> BookableEvent | None:
    """Parse an event by its full name, for example ``cagnotte.points.v1.TicketRecorded``.

    Raises:
        EventUnreadable: the payload is not what the name says.
    """
    return read_event(_READERS, type_name, payload)


def parse_fact(event_type: int, payload: bytes) -> BookableEvent | None:
    """Parse a fact of the points journal by its ``EventType`` number."""
    type_name = _TYPE_NAMES.get(event_type)
    return parse_event(type_name, payload) if type_name else None


def _read_ticket(message: events_pb2.TicketRecorded) -> BookableEvent:
    metadata = message.metadata
    return TicketRecorded(
        event_id=UUID(metadata.event_id),
        occur_time=decode_time(metadata.occur_time),
        ticket=ticket_text(message.key),
        store_id=message.key.store_id,
        is_training=message.key.kind == points_pb2.TICKET_KIND_TRAINING,
        checkout_id=message.checkout_id,
        currency_code=message.currency_code,
        sales=read_sales(message.sales_by_vat_rate),
        tenders=tuple(
            Tender(tender_name(tender.kind), tender.amount_minor) for tender in message.tenders
        ),
    )


def _currency(number: money_pb2.LoyaltyCurrency.ValueType) -> str:
    return money_pb2.LoyaltyCurrency.Name(number).removeprefix(_CURRENCY_PREFIX)


def _moved(
    metadata: event_pb2.EventMetadata,
    purpose: str,
    *,
    member_id: str,
    reference: str,
    quantities: tuple[tuple[str, int], ...],
) -> ValueMoved:
    return ValueMoved(
        event_id=UUID(metadata.event_id),
        occur_time=decode_time(metadata.occur_time),
        purpose=purpose,
        reference=reference,
        member_id=UUID(member_id),
        quantities=quantities,
    )


def _read_earned(message: events_pb2.ValueEarned) -> BookableEvent:
    return _moved(
        message.metadata,
        EARNED,
        member_id=message.member_id,
        reference=ticket_text(message.key),
        quantities=tuple((_currency(lot.currency), lot.quantity) for lot in message.awards),
    )


def _read_spent(message: events_pb2.ValueSpent) -> BookableEvent:
    return _moved(
        message.metadata,
        SPENT,
        member_id=message.member_id,
        reference=message.hold_id,
        quantities=((_currency(message.currency), message.quantity),),
    )


def _read_expired(message: events_pb2.ValueExpired) -> BookableEvent:
    return _moved(
        message.metadata,
        EXPIRED,
        member_id=message.member_id,
        reference="",
        quantities=tuple((_currency(lot.currency), lot.quantity) for lot in message.lots),
    )


def _read_reversed(message: events_pb2.ValueReversed) -> BookableEvent | None:
    if not message.member_id:
        return None
    return ValueReversed(
        event_id=UUID(message.metadata.event_id),
        occur_time=decode_time(message.metadata.occur_time),
        reference=ticket_text(message.key),
        member_id=UUID(message.member_id),
        restored=tuple((_currency(lot.currency), lot.quantity) for lot in message.restored),
        taken=tuple((_currency(lot.currency), lot.quantity) for lot in message.taken),
    )


_READERS: Final[Readers] = {
    "cagnotte.points.v1.TicketRecorded": (events_pb2.TicketRecorded, _read_ticket),
    "cagnotte.points.v1.ValueEarned": (events_pb2.ValueEarned, _read_earned),
    "cagnotte.points.v1.ValueSpent": (events_pb2.ValueSpent, _read_spent),
    "cagnotte.points.v1.ValueExpired": (events_pb2.ValueExpired, _read_expired),
    "cagnotte.points.v1.ValueReversed": (events_pb2.ValueReversed, _read_reversed),
}
_TYPE_NAMES: Final[Mapping[int, str]] = {
    events_pb2.EVENT_TYPE_TICKET_RECORDED: "cagnotte.points.v1.TicketRecorded",
    events_pb2.EVENT_TYPE_VALUE_EARNED: "cagnotte.points.v1.ValueEarned",
    events_pb2.EVENT_TYPE_VALUE_SPENT: "cagnotte.points.v1.ValueSpent",
    events_pb2.EVENT_TYPE_VALUE_EXPIRED: "cagnotte.points.v1.ValueExpired",
    events_pb2.EVENT_TYPE_VALUE_REVERSED: "cagnotte.points.v1.ValueReversed",
}
