"""The facts of the service; what the journal keeps of each is in ``codec``."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyAmount, LoyaltyCurrency
from services.points.domain.programme import Programme, programme_subject
from services.points.domain.ticket import Channel, Tender, TicketKey


class Stamp(NamedTuple):
    """What every fact carries: its id, its time in business, and when it was recorded."""

    event_id: UUID
    occur_time: datetime
    record_time: datetime
    trace_parent: str


class LotShare(NamedTuple):
    """A part of one lot."""

    lot_id: UUID
    quantity: int
    expire_time: datetime


class ReleaseCause(IntEnum):
    """Why a hold went back; the numbers equal those of the protos."""

    REQUESTED = 1
    EXPIRED = 2


@dataclass(frozen=True, slots=True)
class MemberEnrolled:
    """A member exists from now on; its cards ascend."""

    stamp: Stamp
    member_id: UUID
    customer_id: UUID | None
    card_numbers: tuple[str, ...]

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.member_id


@dataclass(frozen=True, slots=True)
class MemberIdentified:
    """An anonymous member turned out to be a customer."""

    stamp: Stamp
    member_id: UUID
    customer_id: UUID

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.member_id


@dataclass(frozen=True, slots=True)
class CardLinked:
    """One more card leads to a member."""

    stamp: Stamp
    member_id: UUID
    card_number: str

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.member_id


@dataclass(frozen=True, slots=True)
class ProgrammePublished:
    """A version is final from now on."""

    stamp: Stamp
    programme: Programme
    content: bytes

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return programme_subject(self.programme.programme_id, self.programme.version)


@dataclass(frozen=True, slots=True)
class TicketRecorded:
    """A ticket was recorded, with what the books need; ``occur_time`` is the ticket's."""

    stamp: Stamp
    key: TicketKey
    ticket_id: UUID
    request_id: UUID
    member_id: UUID | None
    checkout_id: UUID | None
    channel: Channel
    total_minor: int
    sales_by_vat_rate: tuple[tuple[int, int], ...]
    tenders: tuple[Tender, ...]
    supplier_coupon_minor: int
    line_count: int
    content_hash: bytes
    decision_hash: bytes

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact: the member, or the ticket itself without one."""
        return self.member_id or self.ticket_id


@dataclass(frozen=True, slots=True)
class TicketConflicted:
    """A recorded ticket was sent again with other content; the first one stays."""

    stamp: Stamp
    key: TicketKey
    ticket_id: UUID
    member_id: UUID | None
    request_id: UUID
    first_content_hash: bytes
    other_content_hash: bytes
    first_total_minor: int
    other_total_minor: int

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact: that of the ticket."""
        return self.member_id or self.ticket_id


@dataclass(frozen=True, slots=True)
class EarnedLot:
    """One award of a ticket and the lot that holds it."""

    currency: LoyaltyCurrency
    quantity: int
    lot_id: UUID
    expire_time: datetime
    programme_id: str
    programme_version: int
    rule_id: str


@dataclass(frozen=True, slots=True)
class ValueEarned:
    """A member earned by a ticket; at most once for each ticket."""

    stamp: Stamp
    member_id: UUID
    key: TicketKey
    awards: tuple[EarnedLot, ...]

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.member_id


@dataclass(frozen=True, slots=True)
class ValueHeld:
    """Value of a member is reserved, from lots in the order of their expiry."""

    stamp: Stamp
    hold_id: UUID
    member_id: UUID
    currency: LoyaltyCurrency
    quantity: int
    expire_time: datetime
    lots: tuple[LotShare, ...]

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.member_id


@dataclass(frozen=True, slots=True)
class ValueSpent:
    """A hold was spent, whole or in part; the rest of its lots went back."""

    stamp: Stamp
    hold_id: UUID
    member_id: UUID
    currency: LoyaltyCurrency
    quantity: int
    lots: tuple[LotShare, ...]
    returned_lots: tuple[LotShare, ...]

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.member_id


@dataclass(frozen=True, slots=True)
class ValueReleased:
    """A hold went back whole."""

    stamp: Stamp
    hold_id: UUID
    member_id: UUID
    currency: LoyaltyCurrency
    quantity: int
    cause: ReleaseCause
    lots: tuple[LotShare, ...]

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.member_id


class ExpiredLot(NamedTuple):
    """What was left of a lot when its time was over."""

    lot_id: UUID
    currency: LoyaltyCurrency
    quantity: int
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class ValueExpired:
    """Value of a member is gone, for good."""

    stamp: Stamp
    member_id: UUID
    lots: tuple[ExpiredLot, ...]

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.member_id


@dataclass(frozen=True, slots=True)
class LoyaltyTender:
    """What kitty or points paid of a checkout; ``quantity`` was promised, and spent as far as it was there."""

    hold_id: UUID
    currency: LoyaltyCurrency
    amount_minor: int
    quantity: int
    spent_quantity: int
    late_hold_id: UUID | None

    @property
    def shortfall(self) -> int:
        """Give what was no longer there to be spent."""
        return self.quantity - self.spent_quantity


@dataclass(frozen=True, slots=True)
class TicketSettled:
    """The checkout of a ticket was settled; its id and ``occur_time`` are those of the wallet's fact."""

    stamp: Stamp
    key: TicketKey
    ticket_id: UUID
    checkout_id: UUID
    customer_id: UUID
    member_id: UUID | None
    content_hash: bytes
    tenders: tuple[LoyaltyTender, ...]
    settlement_hash: bytes

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact: the member, or the ticket itself without one."""
        return self.member_id or self.ticket_id


class ReversedAmount(NamedTuple):
    """What a refund did to one loyalty currency."""

    currency: LoyaltyCurrency
    restored: int
    taken: int
    shortfall: int


class ReversedLot(NamedTuple):
    """A part of one lot that a reversal moved."""

    lot_id: UUID
    currency: LoyaltyCurrency
    quantity: int
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class ValueReversed:
    """The checkout of a ticket was refunded: what it spent is back, what it earned is gone.

    ``missing`` is what the ticket's lots no longer had. Whatever of it comes back later (a hold that is released, the
    return of what it paid) is over at once: such a lot ends with the reversal, or else its value would be a gift.
    """

    stamp: Stamp
    member_id: UUID | None
    key: TicketKey
    ticket_id: UUID
    checkout_id: UUID
    refund_id: UUID
    restored: tuple[ReversedLot, ...]
    taken: tuple[ReversedLot, ...]
    shortfalls: tuple[LoyaltyAmount, ...]
    missing: tuple[ReversedLot, ...] = ()

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact: the member, or the ticket itself without one."""
        return self.member_id or self.ticket_id

    def amounts(self) -> tuple[ReversedAmount, ...]:
        """Give the sums, one for each currency in their order, whether anything moved or not."""
        return tuple(
            ReversedAmount(
                currency,
                restored=sum(lot.quantity for lot in self.restored if lot.currency is currency),
                taken=sum(lot.quantity for lot in self.taken if lot.currency is currency),
                shortfall=sum(
                    amount.quantity for amount in self.shortfalls if amount.currency is currency
                ),
            )
            for currency in LoyaltyCurrency
        )


Event: TypeAlias = (
    MemberEnrolled
    | MemberIdentified
    | CardLinked
    | ProgrammePublished
    | TicketRecorded
    | TicketConflicted
    | ValueEarned
    | ValueHeld
    | ValueSpent
    | ValueReleased
    | ValueExpired
    | TicketSettled
    | ValueReversed
)
