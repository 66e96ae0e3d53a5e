"""What the ledger must make of a fact of points or wallet, by its own posting rules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from google.protobuf.message import DecodeError

from cagnotte.points.v1 import events_pb2 as points_pb
from cagnotte.wallet.v1 import events_pb2 as wallet_pb
from services.common.kernel.errors import DomainError
from services.ledger.codec import points_events, wallet_events
from services.ledger.domain.chart import Chart
from services.ledger.domain.posting_events import (
    CHECKOUT_REFUND,
    CHECKOUT_SALE,
    POINTS_PURPOSES,
    SALE,
    WALLET_PURPOSES,
    BookableEvent,
)
from services.ledger.domain.posting_rules import expected_transactions
from services.ledger.domain.transaction import TransactionCommand


@dataclass(frozen=True, slots=True)
class Origin:
    """A service whose facts the ledger books.

    ``types`` are the facts that the books look at, ``purposes`` what only they may be booked under, and
    ``sale_purposes`` those of them that sell.
    """

    name: str
    types: tuple[int, ...]
    purposes: frozenset[str]
    sale_purposes: frozenset[str]
    parse: Callable[[int, bytes], BookableEvent | None]


POINTS: Final = Origin(
    name="points",
    types=(
        points_pb.EVENT_TYPE_TICKET_RECORDED,
        points_pb.EVENT_TYPE_VALUE_EARNED,
        points_pb.EVENT_TYPE_VALUE_SPENT,
        points_pb.EVENT_TYPE_VALUE_EXPIRED,
        points_pb.EVENT_TYPE_VALUE_REVERSED,
    ),
    purposes=POINTS_PURPOSES,
    sale_purposes=frozenset({SALE}),
    parse=points_events.parse_fact,
)

WALLET: Final = Origin(
    name="wallet",
    types=(
        wallet_pb.EVENT_TYPE_CHECKOUT_SETTLED,
        wallet_pb.EVENT_TYPE_CHECKOUT_REFUNDED,
        wallet_pb.EVENT_TYPE_TOP_UP_SETTLED,
    ),
    purposes=WALLET_PURPOSES,
    sale_purposes=frozenset({CHECKOUT_SALE, CHECKOUT_REFUND}),
    parse=wallet_events.parse_fact,
)

UNBOOKABLE: Final = (DomainError, DecodeError, ValueError, AssertionError)
"""What a fact that no rule can book raises."""


class BookableFact(NamedTuple):
    """A fact that the books look at."""

    event_id: UUID
    event_type: int
    seq: int
    payload: bytes


class Booking:
    """The ledger's posting rules for one service's facts, over one chart of accounts."""

    def __init__(self, chart: Chart, origin: Origin) -> None:
        """Book by a chart."""
        self.chart = chart
        self.origin = origin

    def expected(self, fact: BookableFact) -> tuple[TransactionCommand, ...]:
        """Give the transactions that a fact must have become; none when it books nothing.

        Raises what ``UNBOOKABLE`` lists when no rule can book it.
        """
        event = self.origin.parse(fact.event_type, fact.payload)
        return () if event is None else expected_transactions(event, self.chart)

    def expected_ids(self, fact: BookableFact) -> set[UUID]:
        """Give the ids of a fact's transactions; one that no rule can book never becomes any."""
        try:
            return {command.transaction_id for command in self.expected(fact)}
        except UNBOOKABLE:
            return set()
