"""Facts as the journal keeps them: values to protobuf."""

from collections.abc import Iterable
from typing import Final, assert_never
from uuid import UUID

from google.protobuf.message import Message

from cagnotte.common.v1 import event_pb2
from cagnotte.points.v1 import events_pb2 as points_events_pb2
from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import events_pb2 as pb
from cagnotte.wallet.v1 import wallet_pb2
from services.wallet.codec.basket import render_key
from services.wallet.codec.time import render_time
from services.wallet.domain.event import (
    CancellationRequested,
    CheckoutCancelled,
    CheckoutClaimed,
    CheckoutEvent,
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
    ShopperEvent,
    ShopperRegistered,
    Stamp,
    TopUpFailed,
    TopUpSettled,
    TopUpStarted,
)
from services.wallet.domain.leg import Decline, NewLeg

MESSAGES: Final[dict[int, type[Message]]] = {
    pb.EVENT_TYPE_CHECKOUT_OPENED: pb.CheckoutOpened,
    pb.EVENT_TYPE_CHECKOUT_CLAIMED: pb.CheckoutClaimed,
    pb.EVENT_TYPE_PAYMENT_STARTED: pb.PaymentStarted,
    pb.EVENT_TYPE_LEG_SENT: pb.LegSent,
    pb.EVENT_TYPE_LEG_ANSWERED: pb.LegAnswered,
    pb.EVENT_TYPE_PAYMENT_FAILED: pb.PaymentFailed,
    pb.EVENT_TYPE_CANCELLATION_REQUESTED: pb.CancellationRequested,
    pb.EVENT_TYPE_REFUND_STARTED: pb.RefundStarted,
    pb.EVENT_TYPE_CHECKOUT_SETTLED: pb.CheckoutSettled,
    pb.EVENT_TYPE_CHECKOUT_CANCELLED: pb.CheckoutCancelled,
    pb.EVENT_TYPE_CHECKOUT_REFUNDED: pb.CheckoutRefunded,
    pb.EVENT_TYPE_TOP_UP_STARTED: pb.TopUpStarted,
    pb.EVENT_TYPE_TOP_UP_SETTLED: pb.TopUpSettled,
    pb.EVENT_TYPE_TOP_UP_FAILED: pb.TopUpFailed,
    pb.EVENT_TYPE_SHOPPER_REGISTERED: pb.ShopperRegistered,
    pb.EVENT_TYPE_PAYMENT_METHOD_ENROLLED: pb.PaymentMethodEnrolled,
    pb.EVENT_TYPE_PAYMENT_METHOD_DEFAULTED: pb.PaymentMethodDefaulted,
    pb.EVENT_TYPE_PAYMENT_METHOD_DETACHED: pb.PaymentMethodDetached,
}
"""The message of each type of fact."""

_TYPES: Final = {message: event_type for event_type, message in MESSAGES.items()}


def render_event(event: Event) -> tuple[int, bytes]:
    """Give the type and the canonical bytes of a fact."""
    message = _render(event)
    return _TYPES[type(message)], message.SerializeToString(deterministic=True)


def render_decline(decline: Decline | None) -> wallet_pb2.Decline | None:
    """Give the message of a no, or None where there was none."""
    if decline is None:
        return None
    return wallet_pb2.Decline(code=decline.code, issuer_code=decline.issuer_code)


def _render(event: Event) -> Message:
    match event:
        case LegSent():
            return pb.LegSent(
                metadata=_metadata(event.stamp),
                payment_id=str(event.payment_id),
                leg_id=str(event.leg_id),
                operation=wallet_pb2.LegOperation.ValueType(event.operation),
                try_number=event.try_number,
            )
        case LegAnswered():
            return pb.LegAnswered(
                metadata=_metadata(event.stamp),
                payment_id=str(event.payment_id),
                leg_id=str(event.leg_id),
                operation=wallet_pb2.LegOperation.ValueType(event.operation),
                phase=wallet_pb2.LegPhase.ValueType(event.phase),
                decline=render_decline(event.decline),
                provider_reference=event.provider_reference,
            )
        case TopUpStarted() | TopUpSettled() | TopUpFailed():
            return _render_top_up(event)
        case (
            ShopperRegistered()
            | PaymentMethodEnrolled()
            | PaymentMethodDefaulted()
            | PaymentMethodDetached()
        ):
            return _render_shopper(event)
        case _:
            return _render_checkout(event)


def _render_checkout(event: CheckoutEvent) -> Message:
    metadata = _metadata(event.stamp)
    match event:
        case CheckoutOpened():
            return pb.CheckoutOpened(
                metadata=metadata,
                ticket=points_pb2.Ticket.FromString(event.basket.content),
                expire_time=render_time(event.expire_time),
            )
        case CheckoutClaimed():
            return pb.CheckoutClaimed(
                metadata=metadata,
                checkout_id=str(event.checkout_id),
                customer_id=str(event.customer_id),
            )
        case PaymentStarted():
            return _render_started(event)
        case PaymentFailed():
            return pb.PaymentFailed(
                metadata=metadata,
                checkout_id=str(event.checkout_id),
                attempt=event.attempt,
                decline=render_decline(event.decline),
            )
        case CancellationRequested():
            return pb.CancellationRequested(metadata=metadata, checkout_id=str(event.checkout_id))
        case RefundStarted():
            return pb.RefundStarted(
                metadata=metadata,
                checkout_id=str(event.checkout_id),
                refund_id=str(event.refund_id),
            )
        case _:
            return _render_end(event)


def _render_started(event: PaymentStarted) -> pb.PaymentStarted:
    return pb.PaymentStarted(
        metadata=_metadata(event.stamp),
        checkout_id=str(event.checkout_id),
        request_id=str(event.request_id),
        request_hash=event.request_hash,
        attempt=event.attempt,
        legs=[_render_leg(leg) for leg in event.legs],
        hold_expire_time=render_time(event.hold_expire_time),
        give_up_time=None if event.give_up_time is None else render_time(event.give_up_time),
    )


def _render_end(event: CheckoutEvent) -> Message:
    metadata = _metadata(event.stamp)
    match event:
        case CheckoutSettled():
            return pb.CheckoutSettled(
                metadata=metadata,
                checkout_id=str(event.checkout_id),
                customer_id=str(event.customer_id),
                ticket=points_pb2.Ticket.FromString(event.basket.content),
                sales_by_vat_rate=_render_sales(event.basket.sales_by_vat_rate()),
                tenders=[_render_tender(tender) for tender in event.tenders],
            )
        case CheckoutCancelled():
            return pb.CheckoutCancelled(
                metadata=metadata,
                checkout_id=str(event.checkout_id),
                customer_id=_optional(event.customer_id),
                cause=pb.CancelCause.ValueType(event.cause),
            )
        case CheckoutRefunded():
            return pb.CheckoutRefunded(
                metadata=metadata,
                checkout_id=str(event.checkout_id),
                refund_id=str(event.refund_id),
                customer_id=str(event.customer_id),
                ticket_key=render_key(event.ticket_key),
                currency_code=event.currency_code,
                sales_by_vat_rate=_render_sales(event.sales_by_vat_rate),
                tenders=[_render_tender(tender) for tender in event.tenders],
            )
        case _:
            raise AssertionError(f"{type(event).__name__} has a message of its own")


def _render_top_up(event: TopUpStarted | TopUpSettled | TopUpFailed) -> Message:
    metadata, top_up_id = _metadata(event.stamp), str(event.top_up_id)
    match event:
        case TopUpStarted():
            return pb.TopUpStarted(
                metadata=metadata,
                top_up_id=top_up_id,
                customer_id=str(event.customer_id),
                currency_code=event.currency_code,
                leg=_render_leg(event.leg),
            )
        case TopUpSettled():
            return pb.TopUpSettled(
                metadata=metadata,
                top_up_id=top_up_id,
                customer_id=str(event.customer_id),
                amount_minor=event.amount_minor,
                currency_code=event.currency_code,
                provider_reference=event.provider_reference,
            )
        case TopUpFailed():
            return pb.TopUpFailed(
                metadata=metadata, top_up_id=top_up_id, decline=render_decline(event.decline)
            )
        case _:
            assert_never(event)


def _render_shopper(event: ShopperEvent) -> Message:
    metadata, customer_id = _metadata(event.stamp), str(event.customer_id)
    match event:
        case ShopperRegistered():
            return pb.ShopperRegistered(
                metadata=metadata,
                customer_id=customer_id,
                provider_customer=event.provider_customer,
            )
        case PaymentMethodEnrolled():
            return pb.PaymentMethodEnrolled(
                metadata=metadata,
                customer_id=customer_id,
                payment_method_id=str(event.payment_method_id),
                provider_method=event.provider_method,
                fingerprint=event.fingerprint,
                brand=event.brand,
                last_four=event.last_four,
                expire_month=event.expire_month,
                expire_year=event.expire_year,
            )
        case PaymentMethodDefaulted():
            return pb.PaymentMethodDefaulted(
                metadata=metadata,
                customer_id=customer_id,
                payment_method_id=str(event.payment_method_id),
            )
        case PaymentMethodDetached():
            return pb.PaymentMethodDetached(
                metadata=metadata,
                customer_id=customer_id,
                payment_method_id=str(event.payment_method_id),
            )
        case _:
            assert_never(event)


def _metadata(stamp: Stamp) -> event_pb2.EventMetadata:
    return event_pb2.EventMetadata(
        event_id=str(stamp.event_id),
        occur_time=render_time(stamp.occur_time),
        record_time=render_time(stamp.record_time),
        trace_parent=stamp.trace_parent,
    )


def _render_leg(leg: NewLeg) -> pb.NewLeg:
    card = leg.card
    return pb.NewLeg(
        leg_id=str(leg.leg_id),
        kind=wallet_pb2.TenderKind.ValueType(leg.kind),
        amount_minor=leg.amount_minor,
        quantity=leg.quantity,
        payment_method_id="" if card is None else str(card.payment_method_id),
        provider_customer="" if card is None else card.provider_customer,
        provider_method="" if card is None else card.provider_method,
    )


def _render_tender(tender: SettledTender) -> pb.SettledTender:
    return pb.SettledTender(
        leg_id=_optional(tender.leg_id),
        kind=points_pb2.TenderKind.ValueType(tender.kind),
        amount_minor=tender.amount_minor,
        quantity=tender.quantity,
        provider_reference=tender.provider_reference,
    )


def _render_sales(sales: Iterable[tuple[int, int]]) -> list[points_events_pb2.VatSales]:
    return [
        points_events_pb2.VatSales(vat_rate_bp=rate, sales_minor=amount) for rate, amount in sales
    ]


def _optional(identifier: UUID | None) -> str:
    return "" if identifier is None else str(identifier)
