"""Facts as the journal keeps them: protobuf back to values, for folding them."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from cagnotte.common.v1 import event_pb2
from cagnotte.points.v1 import events_pb2 as points_events_pb2
from cagnotte.wallet.v1 import events_pb2 as pb
from cagnotte.wallet.v1 import wallet_pb2
from services.common.runtime.facts import parse_fact
from services.wallet.codec.basket import parse_basket, parse_key
from services.wallet.codec.time import parse_time
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


def parse_event(event_type: int, payload: bytes) -> Event:
    """Give the fact of a journal row.

    Raises:
        FactUnreadable: the type is unknown, or the bytes are not of it.
    """
    return parse_fact(_PARSERS, event_type, payload)


def _checkout_opened(payload: bytes) -> CheckoutOpened:
    message = pb.CheckoutOpened.FromString(payload)
    return CheckoutOpened(
        stamp=_stamp(message.metadata),
        checkout_id=UUID(message.ticket.checkout_id),
        basket=parse_basket(message.ticket),
        expire_time=parse_time(message.expire_time),
    )


def _checkout_claimed(payload: bytes) -> CheckoutClaimed:
    message = pb.CheckoutClaimed.FromString(payload)
    return CheckoutClaimed(
        stamp=_stamp(message.metadata),
        checkout_id=UUID(message.checkout_id),
        customer_id=UUID(message.customer_id),
    )


def _payment_started(payload: bytes) -> PaymentStarted:
    message = pb.PaymentStarted.FromString(payload)
    return PaymentStarted(
        stamp=_stamp(message.metadata),
        checkout_id=UUID(message.checkout_id),
        request_id=UUID(message.request_id),
        request_hash=message.request_hash,
        attempt=message.attempt,
        legs=tuple(_leg(leg) for leg in message.legs),
        hold_expire_time=parse_time(message.hold_expire_time),
        give_up_time=(
            parse_time(message.give_up_time) if message.HasField("give_up_time") else None
        ),
    )


def _leg_sent(payload: bytes) -> LegSent:
    message = pb.LegSent.FromString(payload)
    return LegSent(
        stamp=_stamp(message.metadata),
        payment_id=UUID(message.payment_id),
        leg_id=UUID(message.leg_id),
        operation=LegOperation(message.operation),
        try_number=message.try_number,
    )


def _leg_answered(payload: bytes) -> LegAnswered:
    message = pb.LegAnswered.FromString(payload)
    return LegAnswered(
        stamp=_stamp(message.metadata),
        payment_id=UUID(message.payment_id),
        leg_id=UUID(message.leg_id),
        operation=LegOperation(message.operation),
        phase=LegPhase(message.phase),
        decline=_decline(message.decline) if message.HasField("decline") else None,
        provider_reference=message.provider_reference,
    )


def _payment_failed(payload: bytes) -> PaymentFailed:
    message = pb.PaymentFailed.FromString(payload)
    return PaymentFailed(
        stamp=_stamp(message.metadata),
        checkout_id=UUID(message.checkout_id),
        attempt=message.attempt,
        decline=_decline(message.decline),
    )


def _cancellation_requested(payload: bytes) -> CancellationRequested:
    message = pb.CancellationRequested.FromString(payload)
    return CancellationRequested(
        stamp=_stamp(message.metadata), checkout_id=UUID(message.checkout_id)
    )


def _refund_started(payload: bytes) -> RefundStarted:
    message = pb.RefundStarted.FromString(payload)
    return RefundStarted(
        stamp=_stamp(message.metadata),
        checkout_id=UUID(message.checkout_id),
        refund_id=UUID(message.refund_id),
    )


def _checkout_settled(payload: bytes) -> CheckoutSettled:
    message = pb.CheckoutSettled.FromString(payload)
    return CheckoutSettled(
        stamp=_stamp(message.metadata),
        checkout_id=UUID(message.checkout_id),
        customer_id=UUID(message.customer_id),
        basket=parse_basket(message.ticket),
        tenders=_tenders(message.tenders),
    )


def _checkout_cancelled(payload: bytes) -> CheckoutCancelled:
    message = pb.CheckoutCancelled.FromString(payload)
    return CheckoutCancelled(
        stamp=_stamp(message.metadata),
        checkout_id=UUID(message.checkout_id),
        customer_id=_optional(message.customer_id),
        cause=CancelCause(message.cause),
    )


def _checkout_refunded(payload: bytes) -> CheckoutRefunded:
    message = pb.CheckoutRefunded.FromString(payload)
    return CheckoutRefunded(
        stamp=_stamp(message.metadata),
        checkout_id=UUID(message.checkout_id),
        refund_id=UUID(message.refund_id),
        customer_id=UUID(message.customer_id),
        ticket_key=parse_key(message.ticket_key),
        currency_code=message.currency_code,
        sales_by_vat_rate=_sales(message.sales_by_vat_rate),
        tenders=_tenders(message.tenders),
    )


def _top_up_started(payload: bytes) -> TopUpStarted:
    message = pb.TopUpStarted.FromString(payload)
    return TopUpStarted(
        stamp=_stamp(message.metadata),
        top_up_id=UUID(message.top_up_id),
        customer_id=UUID(message.customer_id),
        currency_code=message.currency_code,
        leg=_leg(message.leg),
    )


def _top_up_settled(payload: bytes) -> TopUpSettled:
    message = pb.TopUpSettled.FromString(payload)
    return TopUpSettled(
        stamp=_stamp(message.metadata),
        top_up_id=UUID(message.top_up_id),
        customer_id=UUID(message.customer_id),
        amount_minor=message.amount_minor,
        currency_code=message.currency_code,
        provider_reference=message.provider_reference,
    )


def _top_up_failed(payload: bytes) -> TopUpFailed:
    message = pb.TopUpFailed.FromString(payload)
    return TopUpFailed(
        stamp=_stamp(message.metadata),
        top_up_id=UUID(message.top_up_id),
        decline=_decline(message.decline),
    )


def _shopper_registered(payload: bytes) -> ShopperRegistered:
    message = pb.ShopperRegistered.FromString(payload)
    return ShopperRegistered(
        stamp=_stamp(message.metadata),
        customer_id=UUID(message.customer_id),
        provider_customer=message.provider_customer,
    )


def _method_enrolled(payload: bytes) -> PaymentMethodEnrolled:
    message = pb.PaymentMethodEnrolled.FromString(payload)
    return PaymentMethodEnrolled(
        stamp=_stamp(message.metadata),
        customer_id=UUID(message.customer_id),
        payment_method_id=UUID(message.payment_method_id),
        provider_method=message.provider_method,
        fingerprint=message.fingerprint,
        brand=message.brand,
        last_four=message.last_four,
        expire_month=message.expire_month,
        expire_year=message.expire_year,
    )


def _method_defaulted(payload: bytes) -> PaymentMethodDefaulted:
    message = pb.PaymentMethodDefaulted.FromString(payload)
    return PaymentMethodDefaulted(
        stamp=_stamp(message.metadata),
        customer_id=UUID(message.customer_id),
        payment_method_id=UUID(message.payment_method_id),
    )


def _method_detached(payload: bytes) -> PaymentMethodDetached:
    message = pb.PaymentMethodDetached.FromString(payload)
    return PaymentMethodDetached(
        stamp=_stamp(message.metadata),
        customer_id=UUID(message.customer_id),
        payment_method_id=UUID(message.payment_method_id),
    )


_PARSERS: Final[Mapping[int, Callable[[bytes], Event]]] = MappingProxyType(
    {
        pb.EVENT_TYPE_CHECKOUT_OPENED: _checkout_opened,
        pb.EVENT_TYPE_CHECKOUT_CLAIMED: _checkout_claimed,
        pb.EVENT_TYPE_PAYMENT_STARTED: _payment_started,
        pb.EVENT_TYPE_LEG_SENT: _leg_sent,
        pb.EVENT_TYPE_LEG_ANSWERED: _leg_answered,
        pb.EVENT_TYPE_PAYMENT_FAILED: _payment_failed,
        pb.EVENT_TYPE_CANCELLATION_REQUESTED: _cancellation_requested,
        pb.EVENT_TYPE_REFUND_STARTED: _refund_started,
        pb.EVENT_TYPE_CHECKOUT_SETTLED: _checkout_settled,
        pb.EVENT_TYPE_CHECKOUT_CANCELLED: _checkout_cancelled,
        pb.EVENT_TYPE_CHECKOUT_REFUNDED: _checkout_refunded,
        pb.EVENT_TYPE_TOP_UP_STARTED: _top_up_started,
        pb.EVENT_TYPE_TOP_UP_SETTLED: _top_up_settled,
        pb.EVENT_TYPE_TOP_UP_FAILED: _top_up_failed,
        pb.EVENT_TYPE_SHOPPER_REGISTERED: _shopper_registered,
        pb.EVENT_TYPE_PAYMENT_METHOD_ENROLLED: _method_enrolled,
        pb.EVENT_TYPE_PAYMENT_METHOD_DEFAULTED: _method_defaulted,
        pb.EVENT_TYPE_PAYMENT_METHOD_DETACHED: _method_detached,
    }
)


def _stamp(metadata: event_pb2.EventMetadata) -> Stamp:
    return Stamp(
        event_id=UUID(metadata.event_id),
        occur_time=parse_time(metadata.occur_time),
        record_time=parse_time(metadata.record_time),
        trace_parent=metadata.trace_parent,
    )


def _leg(message: pb.NewLeg) -> NewLeg:
    kind = TenderKind(message.kind)
    card = (
        CardMeans(
            payment_method_id=UUID(message.payment_method_id),
            provider_customer=message.provider_customer,
            provider_method=message.provider_method,
        )
        if kind is TenderKind.CARD
        else None
    )
    return NewLeg(
        leg_id=UUID(message.leg_id),
        kind=kind,
        amount_minor=message.amount_minor,
        quantity=message.quantity,
        card=card,
    )


def _tenders(messages: Iterable[pb.SettledTender]) -> tuple[SettledTender, ...]:
    return tuple(
        SettledTender(
            leg_id=_optional(message.leg_id),
            kind=TicketTender(message.kind),
            amount_minor=message.amount_minor,
            quantity=message.quantity,
            provider_reference=message.provider_reference,
        )
        for message in messages
    )


def _sales(messages: Iterable[points_events_pb2.VatSales]) -> tuple[tuple[int, int], ...]:
    return tuple((message.vat_rate_bp, message.sales_minor) for message in messages)


def _decline(message: wallet_pb2.Decline) -> Decline:
    return Decline(message.code, message.issuer_code)


def _optional(text: str) -> UUID | None:
    return UUID(text) if text else None
