"""Facts as the journal keeps them: values to protobuf."""

from collections.abc import Iterable
from typing import Final, assert_never
from uuid import UUID

from google.protobuf.message import Message

from cagnotte.common.v1 import event_pb2, money_pb2
from cagnotte.points.v1 import events_pb2 as pb
from cagnotte.points.v1 import points_pb2
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.codec.programme import render_programme
from services.points.codec.ticket import render_key
from services.points.codec.time import render_time
from services.points.domain.event import (
    CardLinked,
    Event,
    LotShare,
    LoyaltyTender,
    MemberEnrolled,
    MemberIdentified,
    ProgrammePublished,
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

_CURRENCY_CODE: Final = "EUR"

MESSAGES: Final[dict[int, type[Message]]] = {
    pb.EVENT_TYPE_MEMBER_ENROLLED: pb.MemberEnrolled,
    pb.EVENT_TYPE_MEMBER_IDENTIFIED: pb.MemberIdentified,
    pb.EVENT_TYPE_CARD_LINKED: pb.CardLinked,
    pb.EVENT_TYPE_PROGRAMME_PUBLISHED: pb.ProgrammePublished,
    pb.EVENT_TYPE_TICKET_RECORDED: pb.TicketRecorded,
    pb.EVENT_TYPE_TICKET_CONFLICTED: pb.TicketConflicted,
    pb.EVENT_TYPE_VALUE_EARNED: pb.ValueEarned,
    pb.EVENT_TYPE_VALUE_HELD: pb.ValueHeld,
    pb.EVENT_TYPE_VALUE_SPENT: pb.ValueSpent,
    pb.EVENT_TYPE_VALUE_RELEASED: pb.ValueReleased,
    pb.EVENT_TYPE_VALUE_EXPIRED: pb.ValueExpired,
    pb.EVENT_TYPE_TICKET_SETTLED: pb.TicketSettled,
    pb.EVENT_TYPE_VALUE_REVERSED: pb.ValueReversed,
}
"""The message of each type of fact."""

_TYPES: Final = {message: event_type for event_type, message in MESSAGES.items()}


def render_event(event: Event) -> tuple[int, bytes]:
    """Give the type and the canonical bytes of a fact."""
    message = _render(event)
    return _TYPES[type(message)], message.SerializeToString(deterministic=True)


def render_metadata(stamp: Stamp) -> event_pb2.EventMetadata:
    """Give what every fact carries."""
    return event_pb2.EventMetadata(
        event_id=str(stamp.event_id),
        occur_time=render_time(stamp.occur_time),
        record_time=render_time(stamp.record_time),
        trace_parent=stamp.trace_parent,
    )


def _render(event: Event) -> Message:
    match event:
        case TicketRecorded():
            return _render_ticket(event)
        case ValueEarned():
            return _render_earned(event)
        case TicketConflicted():
            return _render_conflict(event)
        case TicketSettled() | ValueReversed():
            return _render_checkout(event)
        case MemberEnrolled():
            return pb.MemberEnrolled(
                metadata=render_metadata(event.stamp),
                member_id=str(event.member_id),
                customer_id=_optional(event.customer_id),
                card_numbers=event.card_numbers,
            )
        case MemberIdentified():
            return pb.MemberIdentified(
                metadata=render_metadata(event.stamp),
                member_id=str(event.member_id),
                customer_id=str(event.customer_id),
            )
        case CardLinked():
            return pb.CardLinked(
                metadata=render_metadata(event.stamp),
                member_id=str(event.member_id),
                card_number=event.card_number,
            )
        case ProgrammePublished():
            return pb.ProgrammePublished(
                metadata=render_metadata(event.stamp), programme=render_programme(event.programme)
            )
        case ValueHeld() | ValueSpent() | ValueReleased():
            return _render_hold(event)
        case ValueExpired():
            return _render_expired(event)
        case _:
            assert_never(event)


def _render_ticket(event: TicketRecorded) -> pb.TicketRecorded:
    return pb.TicketRecorded(
        metadata=render_metadata(event.stamp),
        key=render_key(event.key),
        ticket_id=str(event.ticket_id),
        request_id=str(event.request_id),
        member_id=_optional(event.member_id),
        checkout_id=_optional(event.checkout_id),
        channel=points_pb2.Channel.ValueType(event.channel),
        currency_code=_CURRENCY_CODE,
        total_minor=event.total_minor,
        sales_by_vat_rate=[
            pb.VatSales(vat_rate_bp=rate, sales_minor=sales)
            for rate, sales in event.sales_by_vat_rate
        ],
        tenders=[
            points_pb2.Tender(
                kind=points_pb2.TenderKind.ValueType(tender.kind), amount_minor=tender.amount_minor
            )
            for tender in event.tenders
        ],
        supplier_coupon_minor=event.supplier_coupon_minor,
        line_count=event.line_count,
        content_hash=event.content_hash,
        decision_hash=event.decision_hash,
    )


def _render_conflict(event: TicketConflicted) -> pb.TicketConflicted:
    return pb.TicketConflicted(
        metadata=render_metadata(event.stamp),
        key=render_key(event.key),
        ticket_id=str(event.ticket_id),
        member_id=_optional(event.member_id),
        request_id=str(event.request_id),
        first_content_hash=event.first_content_hash,
        other_content_hash=event.other_content_hash,
        first_total_minor=event.first_total_minor,
        other_total_minor=event.other_total_minor,
    )


def _render_earned(event: ValueEarned) -> pb.ValueEarned:
    return pb.ValueEarned(
        metadata=render_metadata(event.stamp),
        member_id=str(event.member_id),
        key=render_key(event.key),
        awards=[
            pb.EarnedLot(
                currency=_currency(award.currency),
                quantity=award.quantity,
                lot_id=str(award.lot_id),
                expire_time=render_time(award.expire_time),
                programme_id=award.programme_id,
                programme_version=award.programme_version,
                rule_id=award.rule_id,
            )
            for award in event.awards
        ],
    )


def _render_hold(event: ValueHeld | ValueSpent | ValueReleased) -> Message:
    metadata = render_metadata(event.stamp)
    hold_id, member_id = str(event.hold_id), str(event.member_id)
    currency, quantity = _currency(event.currency), event.quantity
    lots = render_shares(event.lots)
    match event:
        case ValueHeld():
            return pb.ValueHeld(
                metadata=metadata,
                hold_id=hold_id,
                member_id=member_id,
                currency=currency,
                quantity=quantity,
                lots=lots,
                expire_time=render_time(event.expire_time),
            )
        case ValueSpent():
            return pb.ValueSpent(
                metadata=metadata,
                hold_id=hold_id,
                member_id=member_id,
                currency=currency,
                quantity=quantity,
                lots=lots,
                returned_lots=render_shares(event.returned_lots),
            )
        case ValueReleased():
            return pb.ValueReleased(
                metadata=metadata,
                hold_id=hold_id,
                member_id=member_id,
                currency=currency,
                quantity=quantity,
                lots=lots,
                cause=pb.ReleaseCause.ValueType(event.cause),
            )
        case _:
            assert_never(event)


def _render_expired(event: ValueExpired) -> pb.ValueExpired:
    return pb.ValueExpired(
        metadata=render_metadata(event.stamp),
        member_id=str(event.member_id),
        lots=[
            pb.ExpiredLot(
                lot_id=str(lot.lot_id),
                currency=_currency(lot.currency),
                quantity=lot.quantity,
                expire_time=render_time(lot.expire_time),
            )
            for lot in event.lots
        ],
    )


def _render_checkout(event: TicketSettled | ValueReversed) -> Message:
    if isinstance(event, ValueReversed):
        return _render_reversed(event)
    return pb.TicketSettled(
        metadata=render_metadata(event.stamp),
        key=render_key(event.key),
        ticket_id=str(event.ticket_id),
        checkout_id=str(event.checkout_id),
        customer_id=str(event.customer_id),
        member_id=_optional(event.member_id),
        content_hash=event.content_hash,
        tenders=render_tenders(event.tenders),
        settlement_hash=event.settlement_hash,
    )


def _render_reversed(event: ValueReversed) -> pb.ValueReversed:
    return pb.ValueReversed(
        metadata=render_metadata(event.stamp),
        member_id=_optional(event.member_id),
        key=render_key(event.key),
        ticket_id=str(event.ticket_id),
        checkout_id=str(event.checkout_id),
        refund_id=str(event.refund_id),
        restored=_render_reversed_lots(event.restored),
        taken=_render_reversed_lots(event.taken),
        shortfalls=[
            money_pb2.LoyaltyAmount(currency=_currency(amount.currency), quantity=amount.quantity)
            for amount in event.shortfalls
        ],
        missing=_render_reversed_lots(event.missing),
    )


def _render_reversed_lots(lots: Iterable[ReversedLot]) -> list[pb.ReversedLot]:
    return [
        pb.ReversedLot(
            lot_id=str(lot.lot_id),
            currency=_currency(lot.currency),
            quantity=lot.quantity,
            expire_time=render_time(lot.expire_time),
        )
        for lot in lots
    ]


def render_tenders(tenders: Iterable[LoyaltyTender]) -> list[points_pb2.LoyaltyTender]:
    """Give the messages of what kitty and points paid, in their order."""
    return [
        points_pb2.LoyaltyTender(
            hold_id=str(tender.hold_id),
            currency=_currency(tender.currency),
            amount_minor=tender.amount_minor,
            quantity=tender.quantity,
            spent_quantity=tender.spent_quantity,
            shortfall=tender.shortfall,
            late_hold_id=_optional(tender.late_hold_id),
        )
        for tender in tenders
    ]


def render_shares(shares: Iterable[LotShare]) -> list[points_pb2.LotShare]:
    """Give the messages of parts of lots, in their order."""
    return [
        points_pb2.LotShare(
            lot_id=str(share.lot_id),
            quantity=share.quantity,
            expire_time=render_time(share.expire_time),
        )
        for share in shares
    ]


def _currency(currency: LoyaltyCurrency) -> money_pb2.LoyaltyCurrency.ValueType:
    return money_pb2.LoyaltyCurrency.ValueType(currency)


def _optional(identifier: UUID | None) -> str:
    return str(identifier) if identifier else ""
