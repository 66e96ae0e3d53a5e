"""Facts of the wallet as the posting rules get them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from cagnotte.common.v1 import event_pb2
from cagnotte.points.v1 import events_pb2 as points_events
from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import events_pb2
from services.ledger.codec.event_parts import EventUnreadable
from services.ledger.codec.wallet_events import parse_event, parse_fact
from services.ledger.domain.posting_events import (
    CheckoutRefunded,
    CheckoutSettled,
    Purchase,
    Tender,
    TopUpSettled,
    VatSales,
)

EVENT, LEG, CHECKOUT, CUSTOMER = (UUID(int=n) for n in (1, 2, 3, 4))
NOON = datetime(2017, 1, 2, 11, 0, tzinfo=UTC)
KEY = points_pb2.TicketKey(
    store_id="0330",
    business_date="2017-01-02",
    till_id="07",
    sequence=12,
    kind=points_pb2.TICKET_KIND_SALE,
)
SALES = [points_events.VatSales(vat_rate_bp=550, sales_minor=1000)]
TENDERS = [
    events_pb2.SettledTender(
        leg_id=str(LEG), kind=points_pb2.TENDER_KIND_PREPAID, amount_minor=400
    ),
    events_pb2.SettledTender(
        leg_id=str(CHECKOUT),
        kind=points_pb2.TENDER_KIND_CARD,
        amount_minor=600,
        provider_reference="pi_1",
    ),
]
PURCHASE = Purchase(
    customer_id=CUSTOMER,
    ticket="0330/2017-01-02/07/12",
    currency_code="EUR",
    sales=(VatSales(550, 1000),),
    tenders=(Tender("PREPAID", 400), Tender("CARD", 600)),
)


def metadata() -> event_pb2.EventMetadata:
    """Make the metadata of an event."""
    message = event_pb2.EventMetadata(event_id=str(EVENT))
    message.occur_time.FromDatetime(NOON)
    return message


def settled(tenders: list[events_pb2.SettledTender]) -> events_pb2.CheckoutSettled:
    """Make a settlement."""
    return events_pb2.CheckoutSettled(
        metadata=metadata(),
        checkout_id=str(CHECKOUT),
        customer_id=str(CUSTOMER),
        ticket=points_pb2.Ticket(key=KEY, currency_code="EUR"),
        sales_by_vat_rate=SALES,
        tenders=tenders,
    )


class TestParse:
    def test_settled(self) -> None:
        """The hold of the prepaid tender is found among the tenders."""
        event = settled(TENDERS)

        assert parse_event(
            event.DESCRIPTOR.full_name, event.SerializeToString()
        ) == CheckoutSettled(EVENT, NOON, CHECKOUT, PURCHASE, LEG)

    def test_refunded(self) -> None:
        """The ticket's key stands in the fact itself."""
        event = events_pb2.CheckoutRefunded(
            metadata=metadata(),
            checkout_id=str(CHECKOUT),
            customer_id=str(CUSTOMER),
            ticket_key=KEY,
            currency_code="EUR",
            sales_by_vat_rate=SALES,
            tenders=TENDERS,
        )

        assert parse_fact(
            events_pb2.EVENT_TYPE_CHECKOUT_REFUNDED, event.SerializeToString()
        ) == CheckoutRefunded(EVENT, NOON, PURCHASE)

    def test_top_up(self) -> None:
        """Amount and customer are all that the books need."""
        event = events_pb2.TopUpSettled(
            metadata=metadata(),
            top_up_id=str(CHECKOUT),
            customer_id=str(CUSTOMER),
            amount_minor=5000,
            currency_code="EUR",
        )

        assert parse_fact(
            events_pb2.EVENT_TYPE_TOP_UP_SETTLED, event.SerializeToString()
        ) == TopUpSettled(EVENT, NOON, CHECKOUT, CUSTOMER, 5000, "EUR")

    def test_what_the_books_never_look_at(self) -> None:
        """A cancelled checkout moves nothing, and a fact of a later release is not ours to judge."""
        assert parse_event("cagnotte.wallet.v1.CheckoutCancelled", b"") is None
        assert parse_fact(events_pb2.EVENT_TYPE_LEG_SENT, b"") is None

    @pytest.mark.parametrize(
        "payload",
        [
            b"\xff\xff",
            settled([TENDERS[0], TENDERS[0]]).SerializeToString(),
            settled(
                [events_pb2.SettledTender(kind=points_pb2.TENDER_KIND_PREPAID)]
            ).SerializeToString(),
            events_pb2.CheckoutSettled(metadata=metadata()).SerializeToString(),
        ],
        ids=["garbage", "two prepaid tenders", "no hold", "no ids"],
    )
    def test_unreadable(self, payload: bytes) -> None:
        """It goes to the dead letters, and is never booked half."""
        with pytest.raises(EventUnreadable):
            parse_event("cagnotte.wallet.v1.CheckoutSettled", payload)
