"""What one batch of commands sees and changes: the locked rows, and the facts it records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.domain.event import (
    CardLinked,
    Event,
    LoyaltyTender,
    MemberEnrolled,
    MemberIdentified,
    ProgrammePublished,
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
from services.points.domain.programme import Programme
from services.points.domain.state import Rows, apply
from services.points.domain.ticket import TicketKey


class PublishedProgramme(NamedTuple):
    """A version, how it is kept, and when it was published."""

    programme: Programme
    content: bytes


@dataclass(slots=True)
class KnownTicket:
    """A recorded ticket, as far as a repeated one is compared with it."""

    ticket_id: UUID
    request_id: UUID
    member_id: UUID | None
    content_hash: bytes
    total_minor: int
    decision: bytes
    checkout_id: UUID | None
    conflict_hashes: set[bytes] = field(default_factory=set)


class NewTicket(NamedTuple):
    """A ticket to keep: its fact, its content and its decision."""

    event: TicketRecorded
    content: bytes
    decision: bytes


class NewConflict(NamedTuple):
    """Other content to keep under the key of a recorded ticket."""

    event: TicketConflicted
    content: bytes


@dataclass(slots=True)
class KnownSettlement:
    """A settled checkout, as far as its refund looks at it: what it spent and the lots it earned."""

    member_id: UUID | None
    tenders: tuple[LoyaltyTender, ...]
    lot_ids: tuple[UUID, ...]
    is_reversed: bool = False

    @property
    def hold_ids(self) -> list[UUID]:
        """Give the holds that were spent for it."""
        return [
            hold_id
            for tender in self.tenders
            for hold_id in (tender.hold_id, tender.late_hold_id)
            if tender.spent_quantity and hold_id is not None
        ]


class NewSettlement(NamedTuple):
    """A settlement to keep: its fact, and how it is kept."""

    event: TicketSettled
    content: bytes


@dataclass(slots=True)
class Batch:
    """The locked rows of one batch; the fold owns it and changes it by facts alone."""

    rows: Rows = field(default_factory=Rows)
    programmes: list[PublishedProgramme] = field(default_factory=list)
    tickets: dict[TicketKey, KnownTicket] = field(default_factory=dict)
    request_keys: dict[UUID, TicketKey] = field(default_factory=dict)
    settlements: dict[UUID, KnownSettlement] = field(default_factory=dict)
    due_holds: list[UUID] = field(default_factory=list)
    due_lots: list[UUID] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    new_tickets: list[NewTicket] = field(default_factory=list)
    new_conflicts: list[NewConflict] = field(default_factory=list)
    new_settlements: list[NewSettlement] = field(default_factory=list)
    new_reversals: list[ValueReversed] = field(default_factory=list)

    def record(self, event: Event) -> None:
        """Take a fact in: it changes the rows, and the journal will have it."""
        apply(self.rows, event)
        self.events.append(event)


@dataclass(slots=True)
class Touched:
    """Which rows the facts of a batch made, and which they only changed."""

    new_members: list[UUID] = field(default_factory=list)
    identified_members: list[UUID] = field(default_factory=list)
    counted_members: set[UUID] = field(default_factory=set)
    new_cards: list[tuple[str, UUID, datetime]] = field(default_factory=list)
    new_programmes: list[ProgrammePublished] = field(default_factory=list)
    new_lots: list[UUID] = field(default_factory=list)
    changed_lots: set[UUID] = field(default_factory=set)
    ended_lots: set[UUID] = field(default_factory=set)
    """Lots that end sooner than they were earned to."""
    new_holds: list[UUID] = field(default_factory=list)
    changed_holds: set[UUID] = field(default_factory=set)
    balances: set[tuple[UUID, LoyaltyCurrency]] = field(default_factory=set)

    def changed_members(self) -> list[UUID]:
        """Give the members that were there before and are another now, in key order."""
        changed = self.counted_members.union(self.identified_members)
        return sorted(changed.difference(self.new_members))


def touched_by(events: Sequence[Event]) -> Touched:
    """Give the rows that a batch's facts have made or changed; made ones are not changed too."""
    touched = Touched()
    for event in events:
        _touch(touched, event)
    touched.changed_lots.difference_update(touched.new_lots)
    touched.changed_holds.difference_update(touched.new_holds)
    return touched


def _touch(touched: Touched, event: Event) -> None:
    match event:
        case ValueEarned():
            touched.new_lots.extend(award.lot_id for award in event.awards)
            touched.balances.update((event.member_id, award.currency) for award in event.awards)
        case MemberEnrolled():
            touched.new_members.append(event.member_id)
            touched.new_cards.extend(
                (card, event.member_id, event.stamp.occur_time) for card in event.card_numbers
            )
        case MemberIdentified():
            touched.identified_members.append(event.member_id)
        case CardLinked():
            touched.counted_members.add(event.member_id)
            touched.new_cards.append((event.card_number, event.member_id, event.stamp.occur_time))
        case ProgrammePublished():
            touched.new_programmes.append(event)
        case ValueHeld():
            touched.new_holds.append(event.hold_id)
            touched.changed_lots.update(share.lot_id for share in event.lots)
            touched.balances.add((event.member_id, event.currency))
        case ValueSpent():
            touched.changed_holds.add(event.hold_id)
            shares = (*event.lots, *event.returned_lots)
            touched.changed_lots.update(share.lot_id for share in shares)
            touched.balances.add((event.member_id, event.currency))
        case ValueReleased():
            touched.changed_holds.add(event.hold_id)
            touched.changed_lots.update(share.lot_id for share in event.lots)
            touched.balances.add((event.member_id, event.currency))
        case ValueReversed():
            _touch_reversed(touched, event)
        case ValueExpired():
            touched.changed_lots.update(share.lot_id for share in event.lots)
            touched.balances.update((event.member_id, share.currency) for share in event.lots)
        case _:
            pass


def _touch_reversed(touched: Touched, event: ValueReversed) -> None:
    moved = (*event.restored, *event.taken)
    touched.changed_lots.update(share.lot_id for share in moved)
    touched.ended_lots.update(share.lot_id for share in event.missing)
    if event.member_id is not None:
        touched.balances.update((event.member_id, share.currency) for share in moved)
