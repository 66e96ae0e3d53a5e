"""Means of payment: those of a phone, and those of a ticket."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID


class TenderKind(IntEnum):
    """The means by which a phone pays; the numbers equal those of the protos."""

    KITTY = 1
    """Kitty cents: a price reduction, one cent each."""
    POINTS = 2
    """Points: a price reduction, at the value that the settings give them."""
    PREPAID = 3
    """Prepaid balance: customers' money in the ledger."""
    CARD = 4
    """Payment card behind an enrolled payment method."""

    @property
    def is_loyalty(self) -> bool:
        """Tell whether it reduces the price instead of paying it."""
        return self in (TenderKind.KITTY, TenderKind.POINTS)


class TicketTender(IntEnum):
    """The means of payment as tickets spell them; the numbers equal those of the protos of points."""

    CASH = 1
    CARD = 2
    CHEQUE = 3
    MEAL_VOUCHER = 4
    SUPPLIER_COUPON = 5
    GIFT_CARD = 6
    PREPAID = 7
    KITTY = 8
    POINTS = 9
    CHECKOUT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CardMeans:
    """A card as the provider knows it: tokens, never a number."""

    payment_method_id: UUID
    provider_customer: str
    provider_method: str


class TenderRequest(NamedTuple):
    """A means that the shopper asks for; the order of a list of them is the order of allocation."""

    kind: TenderKind
    amount_minor: int
    """Exact amount; 0 means as much as it has, up to what is left to pay."""
    payment_method_id: UUID | None
    """Payment method of a card; none means the default one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTender:
    """What the plan takes from one means."""

    kind: TenderKind
    amount_minor: int
    quantity: int
    """Points or kitty cents behind the amount; 0 for money."""
    available_minor: int
    """What the means had; its part of the plan where nobody looked; 0 for a card."""
    card: CardMeans | None
    """Present exactly for a card."""
