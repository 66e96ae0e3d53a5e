"""What the wallet publishes about checkouts is what points reads: the same ticket, the same holds."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from cagnotte.points.v1 import points_pb2, points_service_pb2
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.codec.checkout import EventUnreadable, parse_checkout_event
from services.points.codec.ticket import parse_record_ticket
from services.points.codec.time import render_time
from services.points.domain.command import ReverseCheckout, SettleCheckout, TenderClaim
from services.wallet.codec.basket import parse_basket
from services.wallet.codec.event import MESSAGES, render_event
from services.wallet.domain.event import (
    CheckoutRefunded,
    CheckoutSettled,
    Event,
    SettledTender,
    Stamp,
)
from services.wallet.domain.tender import TicketTender

NOON = datetime(2017, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
LATER = datetime(2017, 3, 1, 12, 1, tzinfo=UTC)
STAMP = Stamp(UUID(int=1), NOON, LATER, "00-trace-span-01")
CHECKOUT, CUSTOMER, REFUND = UUID(int=2), UUID(int=3), UUID(int=4)
CARD_LEG, KITTY_LEG, POINTS_LEG = UUID(int=11), UUID(int=12), UUID(int=13)
TICKET = points_pb2.Ticket(
    key=points_pb2.TicketKey(
        store_id="0330",
        business_date="2017-03-01",
        till_id="07",
        sequence=12,
        kind=points_pb2.TICKET_KIND_SALE,
    ),
    occur_time=render_time(NOON),
    channel=points_pb2.CHANNEL_STORE,
    checkout_id=str(CHECKOUT),
    currency_code="EUR",
    lines=[
        points_pb2.TicketLine(
            line_number=1,
            department="GROCERY",
            brand="Private",
            quantity_milli=1_000,
            sales_minor=1_000,
            supplier_coupon_minor=100,
            vat_rate_bp=550,
        )
    ],
    tenders=[
        points_pb2.Tender(kind=points_pb2.TENDER_KIND_SUPPLIER_COUPON, amount_minor=100),
        points_pb2.Tender(kind=points_pb2.TENDER_KIND_CHECKOUT, amount_minor=900),
    ],
    total_minor=1_000,
)
TENDERS = (
    SettledTender(CARD_LEG, TicketTender.CARD, 400, 0, "pi_1"),
    SettledTender(None, TicketTender.SUPPLIER_COUPON, 100, 0, ""),
    SettledTender(KITTY_LEG, TicketTender.KITTY, 300, 300, ""),
    SettledTender(POINTS_LEG, TicketTender.POINTS, 200, 250, ""),
)


def read(event: Event) -> SettleCheckout | ReverseCheckout | None:
    """Read an event of the wallet as the consumer of points does."""
    event_type, payload = render_event(event)
    return parse_checkout_event(MESSAGES[event_type].DESCRIPTOR.full_name, payload)


class TestCheckoutSettled:
    def test_is_read_whole(self) -> None:
        """The till's own ticket has the very same content; kitty and points are the claims."""
        settled = CheckoutSettled(
            stamp=STAMP,
            checkout_id=CHECKOUT,
            customer_id=CUSTOMER,
            basket=parse_basket(TICKET),
            tenders=TENDERS,
        )
        request = points_service_pb2.RecordTicketRequest(request_id=str(REFUND), ticket=TICKET)
        till = parse_record_ticket(request, event_id=UUID(int=9), trace_parent="")

        command = read(settled)

        assert isinstance(command, SettleCheckout)
        assert (command.content, command.content_hash) == (till.content, till.content_hash)
        assert command.ticket == till.ticket
        assert (command.event_id, command.occur_time) == (STAMP.event_id, NOON)
        assert (command.checkout_id, command.customer_id) == (CHECKOUT, CUSTOMER)
        assert command.tenders == (
            TenderClaim(KITTY_LEG, LoyaltyCurrency.KITTY, 300, 300),
            TenderClaim(POINTS_LEG, LoyaltyCurrency.POINTS, 200, 250),
        )


class TestCheckoutRefunded:
    def test_is_read_whole(self) -> None:
        """The refund names its checkout, its own id, and the ticket."""
        basket = parse_basket(TICKET)
        refunded = CheckoutRefunded(
            stamp=STAMP,
            checkout_id=CHECKOUT,
            refund_id=REFUND,
            customer_id=CUSTOMER,
            ticket_key=basket.ticket_key,
            currency_code="EUR",
            sales_by_vat_rate=basket.sales_by_vat_rate(),
            tenders=TENDERS,
        )

        command = read(refunded)

        assert isinstance(command, ReverseCheckout)
        assert (command.checkout_id, command.refund_id) == (CHECKOUT, REFUND)
        assert (command.event_id, command.occur_time) == (STAMP.event_id, NOON)
        assert tuple(command.key)[:4] == tuple(basket.ticket_key)[:4]


class TestUnreadable:
    @pytest.mark.parametrize("name", ["CheckoutSettled", "CheckoutRefunded"])
    def test_is_said_with_a_reason(self, name: str) -> None:
        """Bytes that are no such event become a dead letter with its reason."""
        with pytest.raises(EventUnreadable):
            parse_checkout_event(f"cagnotte.wallet.v1.{name}", b"\xff\xff")
