"""Settlements and reversals of tickets: how they are kept, and how they are told to people."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from cagnotte.points.v1 import points_pb2 as pb
from services.points.codec.decision import explain, keep_decision, render_decision
from services.points.codec.event import render_tenders
from services.points.codec.journal import parse_tenders
from services.points.codec.time import render_time
from services.points.codec.value import render_currency
from services.points.domain.batch import KnownSettlement
from services.points.domain.event import ReversedAmount
from services.points.domain.keeping import Keep, Settlement


def keep_settlement(settlement: Settlement) -> bytes:
    """Give the canonical bytes under which a settlement is kept."""
    message = pb.TicketSettlement(
        checkout_id=str(settlement.checkout_id),
        settle_time=render_time(settlement.settle_time),
        tenders=render_tenders(settlement.tenders),
        decision=render_decision(settlement.decision),
    )
    return message.SerializeToString(deterministic=True)


KEEP: Final = Keep(keep_decision, keep_settlement)
"""How decisions and settlements are kept."""


def parse_settlement(content: bytes, *, is_reversed: bool) -> KnownSettlement:
    """Give of a kept settlement what its refund looks at."""
    message = pb.TicketSettlement.FromString(content)
    decision = message.decision
    return KnownSettlement(
        member_id=UUID(decision.member_id) if decision.member_id else None,
        tenders=parse_tenders(message.tenders),
        lot_ids=tuple(UUID(award.lot_id) for award in decision.awards if award.lot_id),
        is_reversed=is_reversed,
    )


def render_settlement(content: bytes) -> pb.TicketSettlement:
    """Give a kept settlement with its reasons in sentences."""
    message = pb.TicketSettlement.FromString(content)
    message.reasons.extend(explain(message.decision))
    return message


def render_reversal(
    refund_id: UUID, reverse_time: datetime, amounts: Iterable[ReversedAmount]
) -> pb.TicketReversal:
    """Give what a refund did, one amount for each currency."""
    return pb.TicketReversal(
        refund_id=str(refund_id),
        reverse_time=render_time(reverse_time),
        amounts=[
            pb.ReversedAmount(
                currency=render_currency(amount.currency),
                restored=amount.restored,
                taken=amount.taken,
                shortfall=amount.shortfall,
            )
            for amount in amounts
        ],
    )
