"""What the ledger must make of a fact of points, by its own posting rules."""

from typing import Final, NamedTuple
from uuid import UUID

from google.protobuf.message import DecodeError

from cagnotte.points.v1 import events_pb2 as pb
from services.common.kernel.errors import DomainError
from services.ledger.codec.points_events import parse_fact
from services.ledger.domain.chart import Chart
from services.ledger.domain.posting_rules import expected_transaction
from services.ledger.domain.transaction import TransactionCommand

BOOKABLE_TYPES: Final = (
    pb.EVENT_TYPE_TICKET_RECORDED,
    pb.EVENT_TYPE_VALUE_EARNED,
    pb.EVENT_TYPE_VALUE_SPENT,
    pb.EVENT_TYPE_VALUE_EXPIRED,
)
"""The facts of points that the books look at."""

UNBOOKABLE: Final = (DomainError, DecodeError, ValueError, AssertionError)
"""What a fact that no rule can book raises."""


class BookableFact(NamedTuple):
    """A fact of points that the books look at."""

    event_id: UUID
    event_type: int
    seq: int
    payload: bytes


class Booking:
    """The ledger's posting rules over one chart of accounts."""

    def __init__(self, chart: Chart) -> None:
        """Book by a chart."""
        self.chart = chart

    def expected(self, fact: BookableFact) -> TransactionCommand | None:
        """Give the transaction that a fact must have become, or None when it books nothing.

        Raises what ``UNBOOKABLE`` lists when no rule can book it.
        """
        event = parse_fact(fact.event_type, fact.payload)
        return None if event is None else expected_transaction(event, self.chart)

    def is_booked(self, fact: BookableFact) -> bool:
        """Tell whether a fact becomes a transaction; one that no rule can book never does."""
        try:
            return self.expected(fact) is not None
        except UNBOOKABLE:
            return False
