"""A reversal of points as the posting rules get it."""

from datetime import UTC, datetime
from uuid import UUID

from cagnotte.common.v1 import event_pb2, money_pb2
from cagnotte.points.v1 import events_pb2, points_pb2
from services.ledger.codec.points_events import parse_fact
from services.ledger.domain.posting_events import ValueReversed

EVENT, MEMBER, LOT = (UUID(int=n) for n in (1, 2, 3))
NOON = datetime(2017, 1, 2, 11, 0, tzinfo=UTC)


def reversal(member_id: str) -> events_pb2.ValueReversed:
    """Make a reversal that gives kitty back and takes points."""
    metadata = event_pb2.EventMetadata(event_id=str(EVENT))
    metadata.occur_time.FromDatetime(NOON)
    kitty, points = money_pb2.LOYALTY_CURRENCY_KITTY, money_pb2.LOYALTY_CURRENCY_POINTS
    return events_pb2.ValueReversed(
        metadata=metadata,
        member_id=member_id,
        key=points_pb2.TicketKey(
            store_id="0330", business_date="2017-01-02", till_id="07", sequence=12
        ),
        restored=[events_pb2.ReversedLot(lot_id=str(LOT), currency=kitty, quantity=100)],
        taken=[events_pb2.ReversedLot(lot_id=str(LOT), currency=points, quantity=7)],
    )


class TestValueReversed:
    def test_both_lists(self) -> None:
        """What comes back and what goes are kept apart."""
        payload = reversal(str(MEMBER)).SerializeToString()

        assert parse_fact(events_pb2.EVENT_TYPE_VALUE_REVERSED, payload) == ValueReversed(
            EVENT, NOON, "0330/2017-01-02/07/12", MEMBER, (("KITTY", 100),), (("POINTS", 7),)
        )

    def test_without_a_member(self) -> None:
        """Nothing moved, so nothing is booked."""
        payload = reversal("").SerializeToString()

        assert parse_fact(events_pb2.EVENT_TYPE_VALUE_REVERSED, payload) is None
