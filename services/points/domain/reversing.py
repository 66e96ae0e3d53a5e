"""The decision about a refunded checkout: what its ticket spent comes back, what it earned goes."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.errors import FailedPrecondition
from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.points.domain.batch import Batch, KnownSettlement
from services.points.domain.command import ReverseCheckout
from services.points.domain.event import (
    ExpiredLot,
    LoyaltyTender,
    ReversedLot,
    Stamp,
    ValueReversed,
)
from services.points.domain.holding import expire_over, take
from services.points.domain.settling import caused_id
from services.points.domain.state import Rows, lot_order
from services.points.domain.ticket import ticket_id_of

REVERSED: Final = 1
"""The place of the reversal among what a refund causes."""


class CheckoutNotSettled(FailedPrecondition):
    """A checkout was refunded that was never settled here."""

    reason = "CHECKOUT_NOT_SETTLED"


class ReverseOutcome(NamedTuple):
    """What became of a refunded checkout: what the retailer bears, and whether it had been done."""

    checkout_id: UUID
    shortfalls: tuple[LoyaltyAmount, ...]
    replayed: bool


def decide_reverse(batch: Batch, command: ReverseCheckout, *, now: datetime) -> ReverseOutcome:
    """Undo what a ticket did: it ends as if it had never been bought; once for each checkout.

    First the lots that it spent come back with the expiry they were earned with; what has expired
    meanwhile comes back expired. Then what its own lots still have is taken. What they no longer
    have (spent, held or expired) is a shortfall that the retailer bears: a member never owes value. But it does not
    come back either: a lot of which something is missing ends here.

    Raises:
        CheckoutNotSettled: nothing is known of the checkout; its settlement comes before its refund.
    """
    known = batch.settlements.get(command.checkout_id)
    if known is None:
        raise CheckoutNotSettled(
            "A checkout was refunded that was never settled here.", checkout_id=command.checkout_id
        )
    if known.is_reversed:
        return ReverseOutcome(command.checkout_id, (), replayed=True)
    restored = _spent_lots(batch.rows, known)
    taken, missing = _earned_lots(batch.rows, known, now=now)
    shortfalls = _sums(missing)
    event = ValueReversed(
        stamp=Stamp(
            caused_id(command.event_id, REVERSED), command.occur_time, now, command.trace_parent
        ),
        member_id=known.member_id,
        key=command.key,
        ticket_id=ticket_id_of(command.key),
        checkout_id=command.checkout_id,
        refund_id=command.refund_id,
        restored=restored,
        taken=taken,
        shortfalls=shortfalls,
        missing=missing,
    )
    known.is_reversed = True
    batch.record(event)
    batch.new_reversals.append(event)
    if known.member_id is not None:
        expire_over(batch, known.member_id, (ExpiredLot(*lot) for lot in restored), event.stamp)
    return ReverseOutcome(command.checkout_id, shortfalls, replayed=False)


def _spent_lots(rows: Rows, known: KnownSettlement) -> tuple[ReversedLot, ...]:
    """Give what was spent of each lot, in the order of use."""
    quantities: dict[UUID, int] = {}
    for tender in known.tenders:
        for hold_id, spent in _spends(rows, tender):
            for share in take(rows.holds[hold_id].lots, spent)[0]:
                quantities[share.lot_id] = quantities.get(share.lot_id, 0) + share.quantity
    lots = sorted((rows.lots[lot_id] for lot_id in quantities), key=lot_order)
    return tuple(
        ReversedLot(lot.lot_id, lot.currency, quantities[lot.lot_id], lot.expire_time)
        for lot in lots
    )


def _spends(rows: Rows, tender: LoyaltyTender) -> Iterator[tuple[UUID, int]]:
    """Give what a tender spent of its hold and of its late one."""
    late = 0
    if tender.late_hold_id is not None:
        late = rows.holds[tender.late_hold_id].spent_quantity
        yield tender.late_hold_id, late
    if tender.spent_quantity > late:
        yield tender.hold_id, tender.spent_quantity - late


def _earned_lots(
    rows: Rows, known: KnownSettlement, *, now: datetime
) -> tuple[tuple[ReversedLot, ...], tuple[ReversedLot, ...]]:
    """Give what is still there of the ticket's own lots, and what is missing of them."""
    taken: list[ReversedLot] = []
    missing: list[ReversedLot] = []
    for lot_id in known.lot_ids:
        lot = rows.lots[lot_id]
        quantity = lot.available if lot.expire_time > now else 0
        if quantity:
            taken.append(ReversedLot(lot_id, lot.currency, quantity, lot.expire_time))
        if lack := lot.earned - quantity:
            missing.append(ReversedLot(lot_id, lot.currency, lack, lot.expire_time))
    return tuple(taken), tuple(missing)


def _sums(lots: Iterable[ReversedLot]) -> tuple[LoyaltyAmount, ...]:
    """Give the quantities by currency, those above 0."""
    sums = dict.fromkeys(LoyaltyCurrency, 0)
    for lot in lots:
        sums[lot.currency] += lot.quantity
    return tuple(LoyaltyAmount(*item) for item in sums.items() if item[1])
