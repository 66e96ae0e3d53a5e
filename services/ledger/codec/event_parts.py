"""What the events of points and wallet have in common, and how any of them is read."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError

from cagnotte.points.v1 import events_pb2, points_pb2
from services.ledger.domain.posting_events import BookableEvent, EventNotBookable, VatSales

_TENDER_PREFIX: Final = "TENDER_KIND_"

Readers = Mapping[str, tuple[Any, Callable[[Any], BookableEvent | None]]]
"""By an event's full name: its message, and what reads it; None for one that moved nothing."""


class EventUnreadable(EventNotBookable):
    """The bytes are no event of this type, or a field that the books need is malformed."""

    reason = "EVENT_UNREADABLE"


def read_event(readers: Readers, type_name: str, payload: bytes) -> BookableEvent | None:
    """Read an event by its full name; one that the books never look at gives None.

    Raises:
        EventUnreadable: the payload is not what the name says.
    """
    reader = readers.get(type_name)
    if reader is None:
        return None
    message_type, read = reader
    try:
        return read(message_type.FromString(payload))
    except (DecodeError, ValueError, OverflowError) as error:
        raise EventUnreadable(f"The event cannot be read: {error}", type=type_name) from error


def read_sales(lines: Iterable[events_pb2.VatSales]) -> tuple[VatSales, ...]:
    """Read sales by VAT rate, in their order."""
    return tuple(VatSales(line.vat_rate_bp, line.sales_minor) for line in lines)


def tender_name(kind: points_pb2.TenderKind.ValueType) -> str:
    """Give a tender's name as the chart of accounts spells it, for example ``CASH``.

    Raises:
        ValueError: there is no such kind.
    """
    return points_pb2.TenderKind.Name(kind).removeprefix(_TENDER_PREFIX)


def ticket_text(key: points_pb2.TicketKey) -> str:
    """Write a ticket's key in one line, as references do: store/day/till/sequence."""
    return f"{key.store_id}/{key.business_date}/{key.till_id}/{key.sequence}"
