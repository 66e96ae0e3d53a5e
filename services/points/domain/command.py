"""The commands that change the state; each is decided in its place within a batch.

``event_id`` is made when the command is made; what the command causes derives its ids from it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.domain.programme import Programme
from services.points.domain.ticket import Ticket, TicketKey


@dataclass(frozen=True, slots=True)
class EnrolMember:
    """Create a member; its id is the idempotency key."""

    event_id: UUID
    trace_parent: str
    member_id: UUID
    customer_id: UUID | None
    card_numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdentifyMember:
    """Tell which customer a member is."""

    event_id: UUID
    trace_parent: str
    member_id: UUID
    customer_id: UUID


@dataclass(frozen=True, slots=True)
class LinkCard:
    """Link one more card to a member."""

    event_id: UUID
    trace_parent: str
    member_id: UUID
    card_number: str


@dataclass(frozen=True, slots=True)
class PublishProgramme:
    """Publish a version; ``content`` is how it is kept."""

    event_id: UUID
    trace_parent: str
    programme: Programme
    content: bytes


@dataclass(frozen=True, slots=True)
class RecordTicket:
    """Record a ticket; ``content`` is the ticket as sent, and its SHA-256 beside it."""

    event_id: UUID
    trace_parent: str
    request_id: UUID
    ticket: Ticket
    content: bytes
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class HoldValue:
    """Reserve value of a member, named by its id or by its customer."""

    event_id: UUID
    trace_parent: str
    hold_id: UUID
    member_id: UUID | None
    customer_id: UUID | None
    currency: LoyaltyCurrency
    quantity: int
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class SpendHold:
    """Spend a hold; no quantity means the whole."""

    event_id: UUID
    trace_parent: str
    hold_id: UUID
    quantity: int | None


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """Give a hold back."""

    event_id: UUID
    trace_parent: str
    hold_id: UUID


@dataclass(frozen=True, slots=True)
class ExpireValue:
    """End at most ``limit`` holds and ``limit`` lots whose time is over."""

    event_id: UUID
    trace_parent: str
    limit: int


class TenderClaim(NamedTuple):
    """What kitty or points were to pay of a checkout: the hold made for it, and how much."""

    hold_id: UUID
    currency: LoyaltyCurrency
    amount_minor: int
    quantity: int


@dataclass(frozen=True, slots=True)
class SettleCheckout:
    """Take in that a checkout was settled; ``event_id`` and ``occur_time`` are the wallet's.

    ``content`` is the ticket as the till gave it to the checkout, and its SHA-256 beside it.
    """

    event_id: UUID
    trace_parent: str
    occur_time: datetime
    checkout_id: UUID
    customer_id: UUID
    ticket: Ticket
    content: bytes
    content_hash: bytes
    tenders: tuple[TenderClaim, ...]


@dataclass(frozen=True, slots=True)
class ReverseCheckout:
    """Take in that a settled checkout was refunded in full; the id and the time are the wallet's."""

    event_id: UUID
    trace_parent: str
    occur_time: datetime
    checkout_id: UUID
    refund_id: UUID
    key: TicketKey


Command: TypeAlias = (
    EnrolMember
    | IdentifyMember
    | LinkCard
    | PublishProgramme
    | RecordTicket
    | HoldValue
    | SpendHold
    | ReleaseHold
    | ExpireValue
    | SettleCheckout
    | ReverseCheckout
)
