"""Decisions about a settled checkout: its ticket, what kitty and points paid of it, what it earns."""

from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.ids import derive_id
from services.points.domain.award import LoyaltyState, net_of
from services.points.domain.batch import Batch, KnownSettlement, NewSettlement
from services.points.domain.command import RecordTicket, SettleCheckout, TenderClaim
from services.points.domain.event import LoyaltyTender, Stamp, TicketSettled, ValueHeld
from services.points.domain.holding import available_share, spend, take, usable_lots
from services.points.domain.keeping import Keep, KeepSettlement, Settlement
from services.points.domain.recording import (
    awards_of,
    describe,
    earning_of,
    named_member,
    take_in,
)
from services.points.domain.state import HoldRow, HoldState
from services.points.domain.ticket import ticket_id_of

_CAUSED_BITS: Final = 8
_CAUSED_MAX: Final = 1 << _CAUSED_BITS
_RECORDED: Final = 1
"""The place of the recorded or conflicting ticket among what a settlement causes."""
_SPENT_FROM: Final = 16
_FACTS_PER_TENDER: Final = 3
_LATE_HOLD: Final = 128
"""The place of a late hold among the ids of a leg: the wallet uses the first ones."""


class SettleOutcome(NamedTuple):
    """What became of a settled checkout: its tenders, and whether an earlier event had done it."""

    checkout_id: UUID
    tenders: tuple[LoyaltyTender, ...]
    replayed: bool


def caused_id(event_id: UUID, place: int) -> UUID:
    """Give the id of a fact that an event of another service causes; twice gives the event's again.

    It differs in the second last byte, so that nobody else who derives ids from the event's, in its
    last byte, makes the same.
    """
    assert 0 < place < _CAUSED_MAX, "zero is the event itself"
    return UUID(int=event_id.int ^ place << _CAUSED_BITS)


def decide_settle(
    batch: Batch, command: SettleCheckout, *, now: datetime, keep: Keep
) -> SettleOutcome:
    """Record the ticket or compare it, spend what paid, earn on the rest; once for each checkout.

    The checkout is paid and the goods are gone: nothing is refused. What cannot be spent any more
    is a shortfall of its tender. A ticket that was recorded as another sale has earned by that.
    """
    if command.checkout_id in batch.settlements:
        return SettleOutcome(command.checkout_id, (), replayed=True)
    ticket = RecordTicket(
        event_id=caused_id(command.event_id, _RECORDED),
        trace_parent=command.trace_parent,
        request_id=command.event_id,
        ticket=command.ticket,
        content=command.content,
        content_hash=command.content_hash,
    )
    known = take_in(batch, ticket, now=now, keep=keep.decision)
    earns = known.checkout_id == command.checkout_id
    settled = settle(batch, command, earns=earns, now=now, keep=keep.settlement)
    return SettleOutcome(command.checkout_id, settled.tenders, replayed=False)


def settle(
    batch: Batch, command: SettleCheckout, *, earns: bool, now: datetime, keep: KeepSettlement
) -> TicketSettled:
    """Spend and earn for a checkout whose ticket is recorded, and give the fact.

    It stands before those of spending and earning, but its decision tells the balances after them.
    """
    before = len(batch.events)
    stamp = Stamp(command.event_id, command.occur_time, now, command.trace_parent)
    payer = batch.rows.customers.get(command.customer_id)
    tenders = tuple(
        _spend_claim(batch, claim, payer, place=place, stamp=stamp)
        for place, claim in enumerate(command.tenders)
    )
    reduction = sum(claim.amount_minor for claim in command.tenders)
    net = net_of(command.ticket, reduction)
    state, member_id = (LoyaltyState.EARNED, payer) if payer else named_member(batch, net)
    state, awards = awards_of(batch, net, state if earns else LoyaltyState.RECORDED_OTHERWISE)
    earning = earning_of(
        net.key, member_id, awards, stamp=stamp._replace(occur_time=net.occur_time)
    )
    if earning:
        batch.record(earning)
    spent = {tender.currency for tender in tenders if tender.spent_quantity}
    decision = describe(batch, state, member_id, awards, earning, spent=spent)
    content = keep(Settlement(command.checkout_id, command.occur_time, tenders, decision))
    settled = TicketSettled(
        stamp=stamp,
        key=net.key,
        ticket_id=ticket_id_of(net.key),
        checkout_id=command.checkout_id,
        customer_id=command.customer_id,
        member_id=member_id,
        content_hash=command.content_hash,
        tenders=tenders,
        settlement_hash=sha256(content).digest(),
    )
    batch.events.insert(before, settled)
    batch.new_settlements.append(NewSettlement(settled, content))
    lot_ids = tuple(lot.lot_id for lot in earning.awards) if earning else ()
    batch.settlements[command.checkout_id] = KnownSettlement(member_id, tenders, lot_ids)
    return settled


def _spend_claim(
    batch: Batch, claim: TenderClaim, payer: UUID | None, *, place: int, stamp: Stamp
) -> LoyaltyTender:
    """Spend the hold of a tender as long as it is open, whatever its time: it was promised.

    What a hold that ended before cannot give is taken from what the payer can still use.
    """
    first = _SPENT_FROM + place * _FACTS_PER_TENDER
    hold = batch.rows.holds.get(claim.hold_id)
    spent = 0
    if hold is not None and (hold.member_id, hold.currency) == (payer, claim.currency):
        spent = _spend_hold(batch, hold, claim.quantity, _caused(stamp, first))
    late_hold_id = None
    if payer is not None and spent < claim.quantity:
        late = _hold_late(batch, claim, payer, claim.quantity - spent, _caused(stamp, first + 1))
        if late is not None:
            spend(batch, late, late.quantity, _caused(stamp, first + 2))
            spent += late.quantity
            late_hold_id = late.hold_id
    return LoyaltyTender(
        hold_id=claim.hold_id,
        currency=claim.currency,
        amount_minor=claim.amount_minor,
        quantity=claim.quantity,
        spent_quantity=spent,
        late_hold_id=late_hold_id,
    )


def _spend_hold(batch: Batch, hold: HoldRow, wanted: int, stamp: Stamp) -> int:
    """Spend what is wanted of a hold and give how much that was; a spent one was spent for this."""
    if hold.state is HoldState.SPENT:
        return min(hold.spent_quantity, wanted)
    if hold.state is not HoldState.OPEN:
        return 0
    quantity = min(hold.quantity, wanted)
    if quantity:
        spend(batch, hold, quantity, stamp)
    return quantity


def _hold_late(
    batch: Batch, claim: TenderClaim, payer: UUID, missing: int, stamp: Stamp
) -> HoldRow | None:
    """Hold what is missing, as far as the payer has it, for being spent at once."""
    now = stamp.record_time
    lots = usable_lots(batch.rows.lots_of.get(payer, ()), claim.currency, now=now)
    quantity = min(missing, sum(lot.available for lot in lots))
    if not quantity:
        return None
    hold_id = derive_id(claim.hold_id, _LATE_HOLD)
    shares = take(map(available_share, lots), quantity)[0]
    batch.record(ValueHeld(stamp, hold_id, payer, claim.currency, quantity, now, shares))
    return batch.rows.holds[hold_id]


def _caused(stamp: Stamp, place: int) -> Stamp:
    return stamp._replace(event_id=caused_id(stamp.event_id, place))
