"""Facts as bytes: what was written once must be read, and written, the same for ever."""

from datetime import UTC, date, datetime
from hashlib import sha256
from uuid import UUID

import pytest

from cagnotte.points.v1 import events_pb2
from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.common.runtime.facts import FactUnreadable
from services.points.codec.event import MESSAGES, render_event
from services.points.codec.journal import parse_event
from services.points.codec.programme import keep_programme
from services.points.domain.event import (
    CardLinked,
    EarnedLot,
    Event,
    ExpiredLot,
    LotShare,
    LoyaltyTender,
    MemberEnrolled,
    MemberIdentified,
    ProgrammePublished,
    ReleaseCause,
    ReversedLot,
    Stamp,
    TicketConflicted,
    TicketRecorded,
    TicketSettled,
    ValueEarned,
    ValueExpired,
    ValueHeld,
    ValueReleased,
    ValueReversed,
    ValueSpent,
)
from services.points.domain.ticket import Channel, Tender, TenderKind, TicketKey, TicketKind
from tests.properties.points.world import PROGRAMME

NOON = datetime(2017, 1, 5, 12, 0, 0, 250, tzinfo=UTC)
LATER = datetime(2017, 2, 28, 23, tzinfo=UTC)
STAMP = Stamp(UUID(int=1), NOON, LATER, "")
MEMBER, HOLD, LOT = UUID(int=2), UUID(int=3), UUID(int=4)
KEY = TicketKey("0330", date(2017, 1, 5), "07", 12, TicketKind.SALE)
POINTS = LoyaltyCurrency.POINTS
SHARES = (LotShare(LOT, 5, LATER),)

# The first bytes of SHA-256 of each fact. A change here is a break with every journal that
# exists: add fields, never change what is there.
GOLDEN: list[tuple[Event, str]] = [
    (MemberEnrolled(STAMP, MEMBER, None, ("2990000001234",)), "3ddf8fc9e16ceb14"),
    (MemberIdentified(STAMP, MEMBER, UUID(int=9)), "d60e27e788d62570"),
    (CardLinked(STAMP, MEMBER, "2990000001234"), "d44053709da55828"),
    (ProgrammePublished(STAMP, PROGRAMME, keep_programme(PROGRAMME)), "e9c8ce5ad865ea11"),
    (
        TicketRecorded(
            stamp=STAMP,
            key=KEY,
            ticket_id=UUID(int=5),
            request_id=UUID(int=6),
            member_id=MEMBER,
            checkout_id=None,
            channel=Channel.STORE,
            total_minor=1_000,
            sales_by_vat_rate=((550, 400), (2_000, 600)),
            tenders=(Tender(TenderKind.CASH, 900), Tender(TenderKind.SUPPLIER_COUPON, 100)),
            supplier_coupon_minor=100,
            line_count=3,
            content_hash=bytes(32),
            decision_hash=bytes(range(32)),
        ),
        "238cf1a29dedff73",
    ),
    (
        TicketConflicted(
            stamp=STAMP,
            key=KEY,
            ticket_id=UUID(int=5),
            member_id=None,
            request_id=UUID(int=7),
            first_content_hash=bytes(32),
            other_content_hash=bytes(range(32)),
            first_total_minor=1_000,
            other_total_minor=1_001,
        ),
        "2fa01d0c5e9b14ba",
    ),
    (
        ValueEarned(STAMP, MEMBER, KEY, (EarnedLot(POINTS, 5, LOT, LATER, "demo", 1, "a"),)),
        "a6f45187d64fe974",
    ),
    (ValueHeld(STAMP, HOLD, MEMBER, POINTS, 5, LATER, SHARES), "1c8b693429c64f77"),
    (ValueSpent(STAMP, HOLD, MEMBER, POINTS, 5, SHARES, ()), "9759503d45a47dc0"),
    (
        ValueReleased(STAMP, HOLD, MEMBER, POINTS, 5, ReleaseCause.EXPIRED, SHARES),
        "26908875e1de7cf1",
    ),
    (ValueExpired(STAMP, MEMBER, (ExpiredLot(LOT, POINTS, 5, LATER),)), "188d40cdde2e6c15"),
    (
        TicketSettled(
            stamp=STAMP,
            key=KEY,
            ticket_id=UUID(int=5),
            checkout_id=UUID(int=8),
            customer_id=UUID(int=9),
            member_id=MEMBER,
            content_hash=bytes(32),
            tenders=(
                LoyaltyTender(HOLD, LoyaltyCurrency.KITTY, 500, 500, 450, UUID(int=10)),
                LoyaltyTender(UUID(int=11), POINTS, 5, 5, 0, None),
            ),
            settlement_hash=bytes(range(32)),
        ),
        "4652ac3e5e47cfec",
    ),
    (
        ValueReversed(
            stamp=STAMP,
            member_id=MEMBER,
            key=KEY,
            ticket_id=UUID(int=5),
            checkout_id=UUID(int=8),
            refund_id=UUID(int=12),
            restored=(ReversedLot(LOT, LoyaltyCurrency.KITTY, 450, LATER),),
            taken=(ReversedLot(UUID(int=13), POINTS, 5, LATER),),
            shortfalls=(LoyaltyAmount(POINTS, 2),),
        ),
        "4f792ca631493ad0",
    ),
    (
        ValueReversed(
            stamp=STAMP,
            member_id=MEMBER,
            key=KEY,
            ticket_id=UUID(int=5),
            checkout_id=UUID(int=8),
            refund_id=UUID(int=12),
            restored=(),
            taken=(ReversedLot(UUID(int=13), POINTS, 5, LATER),),
            shortfalls=(LoyaltyAmount(POINTS, 2),),
            missing=(ReversedLot(UUID(int=13), POINTS, 2, LATER),),
        ),
        "f87aad364bac9c0e",
    ),
]


def name_of(value: object) -> str:
    """Name a test by its fact."""
    return type(value).__name__ if not isinstance(value, str) else "golden"


class TestRenderEvent:
    @pytest.mark.parametrize(("event", "golden"), GOLDEN, ids=name_of)
    def test_gives_the_bytes_of_old(self, event: Event, golden: str) -> None:
        """The bytes of every kind of fact are those that journals hold."""
        _, payload = render_event(event)

        assert sha256(payload).hexdigest()[:16] == golden

    @pytest.mark.parametrize(("event", "golden"), GOLDEN, ids=name_of)
    def test_is_undone_by_parsing(self, event: Event, golden: str) -> None:
        """Nothing of a fact is lost in the journal, not even a microsecond."""
        assert golden
        assert parse_event(*render_event(event)) == event

    def test_covers_every_type_of_fact(self) -> None:
        """No fact is without its golden bytes, and no type without its message."""
        rendered = {render_event(event)[0] for event, _ in GOLDEN}

        assert rendered == set(MESSAGES) == set(events_pb2.EventType.values()) - {0}


class TestParseEvent:
    @pytest.mark.parametrize(
        ("event_type", "payload"), [(99, b""), (events_pb2.EVENT_TYPE_VALUE_EARNED, b"\xff\xff")]
    )
    def test_refuses_what_is_no_fact(self, event_type: int, payload: bytes) -> None:
        """A journal that something else wrote to is said to be unreadable, not guessed at."""
        with pytest.raises(FactUnreadable):
            parse_event(event_type, payload)
