"""The decision about one ticket: recorded, repeated, in conflict, or refused."""

from collections.abc import Collection
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.ids import derive_id
from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.domain.award import (
    Award,
    CurrencyBalance,
    LoyaltyState,
    TicketDecision,
    evaluate_all,
)
from services.points.domain.batch import Batch, KnownTicket, NewConflict, NewTicket
from services.points.domain.command import RecordTicket
from services.points.domain.event import (
    EarnedLot,
    Stamp,
    TicketConflicted,
    TicketRecorded,
    ValueEarned,
)
from services.points.domain.keeping import KeepDecision
from services.points.domain.member import RequestIdReused
from services.points.domain.programme import in_force
from services.points.domain.state import CURRENCIES, BalanceRow
from services.points.domain.ticket import (
    Ticket,
    TicketKey,
    TicketLimits,
    check_amount,
    check_time,
    ticket_id_of,
)

_EARNED: Final = 255
"""The place of the earning among the ids derived from a ticket's event."""


class RecordStatus(Enum):
    """What became of a ticket; a refusal is raised instead."""

    RECORDED = "recorded"
    CONFLICT = "conflict"


class RecordedOtherwise(NamedTuple):
    """What is recorded under a key that came again with other content; cents."""

    total_minor: int
    checkout_id: UUID | None


class RecordOutcome(NamedTuple):
    """The answer to one ticket; the decision is as it is kept, so repeats are equal by byte.

    ``recorded`` is there in a conflict alone.
    """

    status: RecordStatus
    replayed: bool
    decision: bytes
    recorded: RecordedOtherwise | None = None


def earned_event_id(event_id: UUID) -> UUID:
    """Derive the id of what a ticket earned from the id of the recorded ticket."""
    return derive_id(event_id, _EARNED)


def decide_ticket(
    batch: Batch,
    command: RecordTicket,
    *,
    now: datetime,
    limits: TicketLimits,
    keep: KeepDecision,
) -> RecordOutcome:
    """Record a ticket by the rules of its own time, or recognize it.

    The key decides first: what is recorded is answered again for ever, even when the ticket
    has become too old, or its amount too large, to be recorded now.

    Raises:
        RequestIdReused: the command's id recorded another ticket.
        TicketTimeOutOfRange: the time of the ticket cannot be.
        TicketAmountTooLarge: its total is above what the settings allow.
    """
    known = batch.tickets.get(command.ticket.key)
    if known is not None:
        if known.content_hash == command.content_hash:
            return RecordOutcome(RecordStatus.RECORDED, replayed=True, decision=known.decision)
        _record_conflict(batch, command, known, now=now)
        return RecordOutcome(
            RecordStatus.CONFLICT,
            replayed=False,
            decision=known.decision,
            recorded=RecordedOtherwise(known.total_minor, known.checkout_id),
        )
    if command.request_id in batch.request_keys:
        raise RequestIdReused("The id recorded another ticket.", request_id=command.request_id)
    check_time(command.ticket, limits, now=now)
    check_amount(command.ticket, limits)
    decision = _record_new(batch, command, now=now, keep=keep)
    return RecordOutcome(RecordStatus.RECORDED, replayed=False, decision=decision)


def take_in(
    batch: Batch, command: RecordTicket, *, now: datetime, keep: KeepDecision
) -> KnownTicket:
    """Record the ticket of a settled checkout unless it is known; keep other content beside it.

    The checkout is paid, so nothing about the ticket is refused any more. Give what is recorded.
    """
    known = batch.tickets.get(command.ticket.key)
    if known is None:
        _record_new(batch, command, now=now, keep=keep)
        return batch.tickets[command.ticket.key]
    if known.content_hash != command.content_hash:
        _record_conflict(batch, command, known, now=now)
    return known


def _record_conflict(
    batch: Batch, command: RecordTicket, known: KnownTicket, *, now: datetime
) -> None:
    """Keep other content beside the first; the same other content is kept once."""
    if command.content_hash in known.conflict_hashes:
        return
    known.conflict_hashes.add(command.content_hash)
    event = TicketConflicted(
        stamp=Stamp(command.event_id, now, now, command.trace_parent),
        key=command.ticket.key,
        ticket_id=known.ticket_id,
        member_id=known.member_id,
        request_id=command.request_id,
        first_content_hash=known.content_hash,
        other_content_hash=command.content_hash,
        first_total_minor=known.total_minor,
        other_total_minor=command.ticket.total_minor,
    )
    batch.record(event)
    batch.new_conflicts.append(NewConflict(event, command.content))


def _record_new(batch: Batch, command: RecordTicket, *, now: datetime, keep: KeepDecision) -> bytes:
    ticket = command.ticket
    state, member_id = find_member(batch, ticket)
    state, awards = awards_of(batch, ticket, state)
    stamp = Stamp(command.event_id, ticket.occur_time, now, command.trace_parent)
    earning = earning_of(ticket.key, member_id, awards, stamp=stamp)
    # The ticket's fact stands before that of its earning, but its decision tells the
    # balances after it: so the earning is applied first and both are in order below.
    place = len(batch.events)
    if earning:
        batch.record(earning)
    decision = keep(describe(batch, state, member_id, awards, earning))
    recorded = _ticket_fact(command, member_id, decision, stamp=stamp)
    batch.events.insert(place, recorded)
    batch.new_tickets.append(NewTicket(recorded, command.content, decision))
    batch.tickets[recorded.key] = KnownTicket(
        ticket_id=recorded.ticket_id,
        request_id=command.request_id,
        member_id=member_id,
        content_hash=command.content_hash,
        total_minor=recorded.total_minor,
        decision=decision,
        checkout_id=ticket.checkout_id,
    )
    batch.request_keys[command.request_id] = recorded.key
    return decision


def find_member(batch: Batch, ticket: Ticket) -> tuple[LoyaltyState, UUID | None]:
    """Give who shopped by what the ticket says; it is booked all the same without a known member.

    Who shopped by a checkout is known when it is settled, and nobody before.
    """
    if ticket.checkout_id is not None:
        return LoyaltyState.AWAITING_CHECKOUT, None
    return named_member(batch, ticket)


def named_member(batch: Batch, ticket: Ticket) -> tuple[LoyaltyState, UUID | None]:
    """Give whom the ticket names by a card or an id."""
    if ticket.card_number is not None:
        owner = batch.rows.cards.get(ticket.card_number)
        return (LoyaltyState.EARNED, owner) if owner else (LoyaltyState.UNKNOWN_CARD, None)
    if ticket.member_id is None:
        return LoyaltyState.ANONYMOUS, None
    if ticket.member_id not in batch.rows.members:
        return LoyaltyState.UNKNOWN_MEMBER, None
    return LoyaltyState.EARNED, ticket.member_id


def awards_of(
    batch: Batch, ticket: Ticket, state: LoyaltyState
) -> tuple[LoyaltyState, tuple[Award, ...]]:
    """Evaluate the programmes in force at the ticket's time, if there is a member to earn."""
    if state is not LoyaltyState.EARNED:
        return state, ()
    published = [known.programme for known in batch.programmes]
    programmes = in_force(published, at=ticket.occur_time)
    if not programmes:
        return LoyaltyState.NO_PROGRAMME, ()
    return state, evaluate_all(ticket, programmes)


def earning_of(
    key: TicketKey, member_id: UUID | None, awards: tuple[Award, ...], *, stamp: Stamp
) -> ValueEarned | None:
    """Give the fact of what a ticket earned; awards of nothing make no lot.

    The stamp is that of the fact that it follows; its time is the ticket's.
    """
    event_id = earned_event_id(stamp.event_id)
    lots = tuple(
        EarnedLot(
            currency=award.currency,
            quantity=award.quantity,
            lot_id=derive_id(event_id, place),
            expire_time=award.expire_time,
            programme_id=award.programme_id,
            programme_version=award.programme_version,
            rule_id=award.rule_id,
        )
        for place, award in enumerate(awards, 1)
        if award.quantity
    )
    if member_id is None or not lots:
        return None
    return ValueEarned(stamp._replace(event_id=event_id), member_id, key, lots)


def describe(
    batch: Batch,
    state: LoyaltyState,
    member_id: UUID | None,
    awards: tuple[Award, ...],
    earning: ValueEarned | None,
    *,
    spent: Collection[LoyaltyCurrency] = (),
) -> TicketDecision:
    """Give the decision to keep, with the member's balances in what was earned or spent."""
    lots = iter(earning.awards if earning else ())
    lot_ids = tuple(next(lots).lot_id if award.quantity else None for award in awards)
    balances = []
    if member_id is not None:
        changed = {award.currency for award in awards}.union(spent)
        for currency in CURRENCIES:
            if currency in changed:
                row = batch.rows.balances.get((member_id, currency), BalanceRow())
                balances.append(CurrencyBalance(currency, row.available, row.held))
    return TicketDecision(state, member_id, awards, lot_ids, tuple(balances))


def _ticket_fact(
    command: RecordTicket, member_id: UUID | None, decision: bytes, *, stamp: Stamp
) -> TicketRecorded:
    ticket = command.ticket
    return TicketRecorded(
        stamp=stamp,
        key=ticket.key,
        ticket_id=ticket_id_of(ticket.key),
        request_id=command.request_id,
        member_id=member_id,
        checkout_id=ticket.checkout_id,
        channel=ticket.channel,
        total_minor=ticket.total_minor,
        sales_by_vat_rate=ticket.sales_by_vat_rate(),
        tenders=ticket.amounts_by_tender(),
        supplier_coupon_minor=ticket.supplier_coupon_minor,
        line_count=len(ticket.lines),
        content_hash=command.content_hash,
        decision_hash=sha256(decision).digest(),
    )
