"""What the posting rules read: the facts of points and wallet as the books need them.

Amounts are cents, quantities are units of a loyalty currency; ids and times are those of the facts.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from services.common.kernel.errors import InvalidArgument

SALE: Final = "sale"
EARNED: Final = "loyalty-earned"
SPENT: Final = "loyalty-spent"
EXPIRED: Final = "loyalty-expired"
REVERSED: Final = "loyalty-reversed"

CHECKOUT_SALE: Final = "checkout-sale"
CHECKOUT_PREPAID: Final = "checkout-prepaid"
CHECKOUT_REFUND: Final = "checkout-refund"
TOP_UP_SETTLED: Final = "top-up-settled"

POINTS_PURPOSES: Final = frozenset({SALE, EARNED, SPENT, EXPIRED, REVERSED})
"""What is booked from facts of points."""

WALLET_PURPOSES: Final = frozenset(
    {CHECKOUT_SALE, CHECKOUT_PREPAID, CHECKOUT_REFUND, TOP_UP_SETTLED}
)
"""What is booked from facts of the wallet."""

EVENT_PURPOSES: Final = POINTS_PURPOSES | WALLET_PURPOSES
"""Purposes that only the posting rules may use: what stands under them was booked from an event."""


class EventNotBookable(InvalidArgument):
    """The chart has no place for the event, or its sums disagree. It goes to the dead letters, with the reason."""

    reason: ClassVar[str] = "EVENT_NOT_BOOKABLE"


@dataclass(frozen=True, slots=True)
class VatSales:
    """Sales of a ticket at one VAT rate (basis points), in cents, VAT included."""

    rate_bp: int
    sales_minor: int


@dataclass(frozen=True, slots=True)
class Tender:
    """What a ticket was paid with, in cents. ``kind`` is the proto's name, for example ``CASH``."""

    kind: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TicketRecorded:
    """A till's ticket. ``ticket`` is its key in one line."""

    event_id: UUID
    occur_time: datetime
    ticket: str
    store_id: str
    is_training: bool
    checkout_id: str
    currency_code: str
    sales: tuple[VatSales, ...]
    tenders: tuple[Tender, ...]


@dataclass(frozen=True, slots=True)
class ValueMoved:
    """Value that a member earned, spent or lost.

    ``purpose`` is EARNED, SPENT or EXPIRED; ``quantities`` gives the loyalty currency's name and a positive quantity,
    one for each lot or one for all.
    """

    event_id: UUID
    occur_time: datetime
    purpose: str
    reference: str
    member_id: UUID
    quantities: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ValueReversed:
    """What a purchase that was given back did to a member's value.

    ``restored`` had been spent on it and comes back, ``taken`` had been earned by it and goes; both give the loyalty
    currency's name and a positive quantity, one for each lot.
    """

    event_id: UUID
    occur_time: datetime
    reference: str
    member_id: UUID
    restored: tuple[tuple[str, int], ...]
    taken: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Purchase:
    """What was bought by phone, by whom, and what paid for it. ``ticket`` is the ticket's key in one line."""

    customer_id: UUID
    ticket: str
    currency_code: str
    sales: tuple[VatSales, ...]
    tenders: tuple[Tender, ...]


@dataclass(frozen=True, slots=True)
class CheckoutSettled:
    """A purchase that is paid. ``prepaid_leg_id`` is the hold of its prepaid tender, None without one."""

    event_id: UUID
    occur_time: datetime
    checkout_id: UUID
    purchase: Purchase
    prepaid_leg_id: UUID | None


@dataclass(frozen=True, slots=True)
class CheckoutRefunded:
    """A purchase that was given back in full."""

    event_id: UUID
    occur_time: datetime
    purchase: Purchase


@dataclass(frozen=True, slots=True)
class TopUpSettled:
    """Money that went from a card to a customer's prepaid balance."""

    event_id: UUID
    occur_time: datetime
    top_up_id: UUID
    customer_id: UUID
    amount_minor: int
    currency_code: str


BookableEvent = (
    TicketRecorded | ValueMoved | ValueReversed | CheckoutSettled | CheckoutRefunded | TopUpSettled
)
