"""One fact of each kind, written down for good."""

from datetime import UTC, date, datetime
from uuid import UUID

from cagnotte.points.v1 import points_pb2
from services.wallet.codec.basket import parse_basket
from services.wallet.domain.basket import TicketKey, TicketKind
from services.wallet.domain.event import (
    CancelCause,
    CancellationRequested,
    CheckoutCancelled,
    CheckoutClaimed,
    CheckoutOpened,
    CheckoutRefunded,
    CheckoutSettled,
    Event,
    LegAnswered,
    LegSent,
    PaymentFailed,
    PaymentMethodDefaulted,
    PaymentMethodDetached,
    PaymentMethodEnrolled,
    PaymentStarted,
    RefundStarted,
    SettledTender,
    ShopperRegistered,
    Stamp,
    TopUpFailed,
    TopUpSettled,
    TopUpStarted,
)
from services.wallet.domain.leg import Decline, LegOperation, LegPhase, NewLeg
from services.wallet.domain.tender import CardMeans, TenderKind, TicketTender

NOON = datetime(2017, 1, 5, 12, 0, 0, 250, tzinfo=UTC)
LATER = datetime(2017, 1, 5, 12, 15, tzinfo=UTC)
STAMP = Stamp(UUID(int=1), NOON, LATER, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
CHECKOUT, CUSTOMER, LEG, TOP_UP = UUID(int=2), UUID(int=3), UUID(int=4), UUID(int=5)
KEY = TicketKey("0330", date(2017, 1, 5), "07", 12, TicketKind.SALE)
CARD = CardMeans(payment_method_id=UUID(int=6), provider_customer="cus_1", provider_method="pm_1")
DECLINE = Decline("card_declined", "insufficient_funds")

TICKET = points_pb2.Ticket(
    key=points_pb2.TicketKey(
        store_id="0330",
        business_date="2017-01-05",
        till_id="07",
        sequence=12,
        kind=points_pb2.TICKET_KIND_SALE,
    ),
    currency_code="EUR",
    channel=points_pb2.CHANNEL_STORE,
    checkout_id=str(CHECKOUT),
    lines=[
        points_pb2.TicketLine(
            line_number=1, department="GROCERY", sales_minor=1_200, vat_rate_bp=550
        ),
        points_pb2.TicketLine(
            line_number=2,
            department="DRUG",
            sales_minor=800,
            supplier_coupon_minor=100,
            vat_rate_bp=2_000,
        ),
    ],
    tenders=[
        points_pb2.Tender(kind=points_pb2.TENDER_KIND_SUPPLIER_COUPON, amount_minor=100),
        points_pb2.Tender(kind=points_pb2.TENDER_KIND_CHECKOUT, amount_minor=1_900),
    ],
    total_minor=2_000,
)
BASKET = parse_basket(TICKET)

TENDERS = (
    SettledTender(LEG, TicketTender.CARD, 1_400, 0, "pi_1"),
    SettledTender(None, TicketTender.SUPPLIER_COUPON, 100, 0, ""),
    SettledTender(UUID(int=7), TicketTender.KITTY, 500, 500, ""),
)
REFUND_TENDERS = (TENDERS[0]._replace(provider_reference="re_1"), *TENDERS[1:])


def new_leg(kind: TenderKind, number: int) -> NewLeg:
    """Make a planned leg."""
    return NewLeg(
        leg_id=UUID(int=number),
        kind=kind,
        amount_minor=500,
        quantity=500 if kind.is_loyalty else 0,
        card=CARD if kind is TenderKind.CARD else None,
    )


CHECKOUT_FACTS: list[Event] = [
    CheckoutOpened(stamp=STAMP, checkout_id=CHECKOUT, basket=BASKET, expire_time=LATER),
    CheckoutClaimed(stamp=STAMP, checkout_id=CHECKOUT, customer_id=CUSTOMER),
    PaymentStarted(
        stamp=STAMP,
        checkout_id=CHECKOUT,
        request_id=UUID(int=8),
        request_hash=bytes(range(32)),
        attempt=1,
        legs=(new_leg(TenderKind.KITTY, 7), new_leg(TenderKind.CARD, 4)),
        hold_expire_time=LATER,
        give_up_time=None,
    ),
    LegSent(
        stamp=STAMP,
        payment_id=CHECKOUT,
        leg_id=LEG,
        operation=LegOperation.AUTHORIZE,
        try_number=1,
    ),
    LegAnswered(
        stamp=STAMP,
        payment_id=CHECKOUT,
        leg_id=LEG,
        operation=LegOperation.AUTHORIZE,
        phase=LegPhase.DECLINED,
        decline=DECLINE,
        provider_reference="pi_1",
    ),
    PaymentFailed(stamp=STAMP, checkout_id=CHECKOUT, attempt=1, decline=DECLINE),
    CancellationRequested(stamp=STAMP, checkout_id=CHECKOUT),
    RefundStarted(stamp=STAMP, checkout_id=CHECKOUT, refund_id=UUID(int=9)),
    CheckoutSettled(
        stamp=STAMP, checkout_id=CHECKOUT, customer_id=CUSTOMER, basket=BASKET, tenders=TENDERS
    ),
    CheckoutCancelled(
        stamp=STAMP, checkout_id=CHECKOUT, customer_id=None, cause=CancelCause.EXPIRED
    ),
    CheckoutRefunded(
        stamp=STAMP,
        checkout_id=CHECKOUT,
        refund_id=UUID(int=9),
        customer_id=CUSTOMER,
        ticket_key=KEY,
        currency_code="EUR",
        sales_by_vat_rate=((550, 1_200), (2_000, 800)),
        tenders=REFUND_TENDERS,
    ),
]
TOP_UP_FACTS: list[Event] = [
    TopUpStarted(
        stamp=STAMP,
        top_up_id=TOP_UP,
        customer_id=CUSTOMER,
        currency_code="EUR",
        leg=new_leg(TenderKind.CARD, 4),
    ),
    TopUpSettled(
        stamp=STAMP,
        top_up_id=TOP_UP,
        customer_id=CUSTOMER,
        amount_minor=500,
        currency_code="EUR",
        provider_reference="pi_1",
    ),
    TopUpFailed(stamp=STAMP, top_up_id=TOP_UP, decline=DECLINE),
]
SHOPPER_FACTS: list[Event] = [
    ShopperRegistered(stamp=STAMP, customer_id=CUSTOMER, provider_customer="cus_1"),
    PaymentMethodEnrolled(
        stamp=STAMP,
        customer_id=CUSTOMER,
        payment_method_id=UUID(int=6),
        provider_method="pm_1",
        fingerprint="f",
        brand="visa",
        last_four="4242",
        expire_month=12,
        expire_year=2030,
    ),
    PaymentMethodDefaulted(stamp=STAMP, customer_id=CUSTOMER, payment_method_id=UUID(int=6)),
    PaymentMethodDetached(stamp=STAMP, customer_id=CUSTOMER, payment_method_id=UUID(int=6)),
]
FACTS = [*CHECKOUT_FACTS, *TOP_UP_FACTS, *SHOPPER_FACTS]
