"""Facts as the journal keeps them: protobuf back to values, for folding them again."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from cagnotte.common.v1 import event_pb2
from cagnotte.points.v1 import events_pb2 as pb
from cagnotte.points.v1 import points_pb2
from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.common.runtime.facts import parse_fact
from services.points.codec.programme import keep_programme, parse_programme
from services.points.codec.ticket import parse_key
from services.points.codec.time import parse_time
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
from services.points.domain.ticket import Channel, Tender, TenderKind


def parse_event(event_type: int, payload: bytes) -> Event:
    """Give the fact of a journal row.

    Raises:
        FactUnreadable: the type is unknown, or the bytes are not of it.
    """
    return parse_fact(_PARSERS, event_type, payload)


def _member_enrolled(payload: bytes) -> MemberEnrolled:
    message = pb.MemberEnrolled.FromString(payload)
    return MemberEnrolled(
        stamp=_stamp(message.metadata),
        member_id=UUID(message.member_id),
        customer_id=_optional(message.customer_id),
        card_numbers=tuple(message.card_numbers),
    )


def _member_identified(payload: bytes) -> MemberIdentified:
    message = pb.MemberIdentified.FromString(payload)
    return MemberIdentified(
        _stamp(message.metadata), UUID(message.member_id), UUID(message.customer_id)
    )


def _card_linked(payload: bytes) -> CardLinked:
    message = pb.CardLinked.FromString(payload)
    return CardLinked(_stamp(message.metadata), UUID(message.member_id), message.card_number)


def _programme_published(payload: bytes) -> ProgrammePublished:
    message = pb.ProgrammePublished.FromString(payload)
    programme = parse_programme(message.programme)
    return ProgrammePublished(_stamp(message.metadata), programme, keep_programme(programme))


def _ticket_recorded(payload: bytes) -> TicketRecorded:
    message = pb.TicketRecorded.FromString(payload)
    return TicketRecorded(
        stamp=_stamp(message.metadata),
        key=parse_key(message.key),
        ticket_id=UUID(message.ticket_id),
        request_id=UUID(message.request_id),
        member_id=_optional(message.member_id),
        checkout_id=_optional(message.checkout_id),
        channel=Channel(message.channel),
        total_minor=message.total_minor,
        sales_by_vat_rate=tuple(
            (sales.vat_rate_bp, sales.sales_minor) for sales in message.sales_by_vat_rate
        ),
        tenders=tuple(
            Tender(TenderKind(tender.kind), tender.amount_minor) for tender in message.tenders
        ),
        supplier_coupon_minor=message.supplier_coupon_minor,
        line_count=message.line_count,
        content_hash=message.content_hash,
        decision_hash=message.decision_hash,
    )


def _ticket_conflicted(payload: bytes) -> TicketConflicted:
    message = pb.TicketConflicted.FromString(payload)
    return TicketConflicted(
        stamp=_stamp(message.metadata),
        key=parse_key(message.key),
        ticket_id=UUID(message.ticket_id),
        member_id=_optional(message.member_id),
        request_id=UUID(message.request_id),
        first_content_hash=message.first_content_hash,
        other_content_hash=message.other_content_hash,
        first_total_minor=message.first_total_minor,
        other_total_minor=message.other_total_minor,
    )


def _value_earned(payload: bytes) -> ValueEarned:
    message = pb.ValueEarned.FromString(payload)
    return ValueEarned(
        stamp=_stamp(message.metadata),
        member_id=UUID(message.member_id),
        key=parse_key(message.key),
        awards=tuple(
            EarnedLot(
                currency=LoyaltyCurrency(award.currency),
                quantity=award.quantity,
                lot_id=UUID(award.lot_id),
                expire_time=parse_time(award.expire_time, "expire_time"),
                programme_id=award.programme_id,
                programme_version=award.programme_version,
                rule_id=award.rule_id,
            )
            for award in message.awards
        ),
    )


def _value_held(payload: bytes) -> ValueHeld:
    message = pb.ValueHeld.FromString(payload)
    return ValueHeld(
        stamp=_stamp(message.metadata),
        hold_id=UUID(message.hold_id),
        member_id=UUID(message.member_id),
        currency=LoyaltyCurrency(message.currency),
        quantity=message.quantity,
        expire_time=parse_time(message.expire_time, "expire_time"),
        lots=_shares(message.lots),
    )


def _value_spent(payload: bytes) -> ValueSpent:
    message = pb.ValueSpent.FromString(payload)
    return ValueSpent(
        stamp=_stamp(message.metadata),
        hold_id=UUID(message.hold_id),
        member_id=UUID(message.member_id),
        currency=LoyaltyCurrency(message.currency),
        quantity=message.quantity,
        lots=_shares(message.lots),
        returned_lots=_shares(message.returned_lots),
    )


def _value_released(payload: bytes) -> ValueReleased:
    message = pb.ValueReleased.FromString(payload)
    return ValueReleased(
        stamp=_stamp(message.metadata),
        hold_id=UUID(message.hold_id),
        member_id=UUID(message.member_id),
        currency=LoyaltyCurrency(message.currency),
        quantity=message.quantity,
        cause=ReleaseCause(message.cause),
        lots=_shares(message.lots),
    )


def _value_expired(payload: bytes) -> ValueExpired:
    message = pb.ValueExpired.FromString(payload)
    return ValueExpired(
        stamp=_stamp(message.metadata),
        member_id=UUID(message.member_id),
        lots=tuple(
            ExpiredLot(
                UUID(lot.lot_id),
                LoyaltyCurrency(lot.currency),
                lot.quantity,
                parse_time(lot.expire_time, "expire_time"),
            )
            for lot in message.lots
        ),
    )


def _ticket_settled(payload: bytes) -> TicketSettled:
    message = pb.TicketSettled.FromString(payload)
    return TicketSettled(
        stamp=_stamp(message.metadata),
        key=parse_key(message.key),
        ticket_id=UUID(message.ticket_id),
        checkout_id=UUID(message.checkout_id),
        customer_id=UUID(message.customer_id),
        member_id=_optional(message.member_id),
        content_hash=message.content_hash,
        tenders=parse_tenders(message.tenders),
        settlement_hash=message.settlement_hash,
    )


def _value_reversed(payload: bytes) -> ValueReversed:
    message = pb.ValueReversed.FromString(payload)
    return ValueReversed(
        stamp=_stamp(message.metadata),
        member_id=_optional(message.member_id),
        key=parse_key(message.key),
        ticket_id=UUID(message.ticket_id),
        checkout_id=UUID(message.checkout_id),
        refund_id=UUID(message.refund_id),
        restored=_reversed_lots(message.restored),
        taken=_reversed_lots(message.taken),
        shortfalls=tuple(
            LoyaltyAmount(LoyaltyCurrency(amount.currency), amount.quantity)
            for amount in message.shortfalls
        ),
        missing=_reversed_lots(message.missing),
    )


def _reversed_lots(messages: Iterable[pb.ReversedLot]) -> tuple[ReversedLot, ...]:
    return tuple(
        ReversedLot(
            UUID(message.lot_id),
            LoyaltyCurrency(message.currency),
            message.quantity,
            parse_time(message.expire_time, "expire_time"),
        )
        for message in messages
    )


def parse_tenders(messages: Iterable[points_pb2.LoyaltyTender]) -> tuple[LoyaltyTender, ...]:
    """Give what kitty and points paid, in its order."""
    return tuple(
        LoyaltyTender(
            hold_id=UUID(message.hold_id),
            currency=LoyaltyCurrency(message.currency),
            amount_minor=message.amount_minor,
            quantity=message.quantity,
            spent_quantity=message.spent_quantity,
            late_hold_id=_optional(message.late_hold_id),
        )
        for message in messages
    )


_PARSERS: Final[Mapping[int, Callable[[bytes], Event]]] = MappingProxyType(
    {
        pb.EVENT_TYPE_MEMBER_ENROLLED: _member_enrolled,
        pb.EVENT_TYPE_MEMBER_IDENTIFIED: _member_identified,
        pb.EVENT_TYPE_CARD_LINKED: _card_linked,
        pb.EVENT_TYPE_PROGRAMME_PUBLISHED: _programme_published,
        pb.EVENT_TYPE_TICKET_RECORDED: _ticket_recorded,
        pb.EVENT_TYPE_TICKET_CONFLICTED: _ticket_conflicted,
        pb.EVENT_TYPE_VALUE_EARNED: _value_earned,
        pb.EVENT_TYPE_VALUE_HELD: _value_held,
        pb.EVENT_TYPE_VALUE_SPENT: _value_spent,
        pb.EVENT_TYPE_VALUE_RELEASED: _value_released,
        pb.EVENT_TYPE_VALUE_EXPIRED: _value_expired,
        pb.EVENT_TYPE_TICKET_SETTLED: _ticket_settled,
        pb.EVENT_TYPE_VALUE_REVERSED: _value_reversed,
    }
)


def _stamp(metadata: event_pb2.EventMetadata) -> Stamp:
    return Stamp(
        event_id=UUID(metadata.event_id),
        occur_time=parse_time(metadata.occur_time, "metadata.occur_time"),
        record_time=parse_time(metadata.record_time, "metadata.record_time"),
        trace_parent=metadata.trace_parent,
    )


def _shares(messages: Iterable[points_pb2.LotShare]) -> tuple[LotShare, ...]:
    return tuple(
        LotShare(
            UUID(message.lot_id),
            message.quantity,
            parse_time(message.expire_time, "expire_time"),
        )
        for message in messages
    )


def _optional(text: str) -> UUID | None:
    return UUID(text) if text else None
