"""What a household can pay with in the morning, and how it spreads its baskets over it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from cagnotte.wallet.v1 import wallet_pb2
from services.simulator.habits import CARD_MINOR_MIN

TOP_UP_MINOR: Final = 5_000
"""A top-up of the prepaid balance: 50.00 EUR."""

LOW_BALANCE_MINOR: Final = 1_500
"""A prepaid balance below 15.00 EUR is topped up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """Kitty or points in the cents that they pay, and the prepaid balance in cents."""

    loyalty_minor: int = 0
    prepaid_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TenderPlan:
    """How one basket is to be paid, in cents; the parts sum to what is due."""

    loyalty: wallet_pb2.TenderKind.ValueType | None
    loyalty_minor: int
    prepaid_minor: int
    card_minor: int

    @property
    def due_minor(self) -> int:
        """Give what the parts sum to."""
        return self.loyalty_minor + self.prepaid_minor + self.card_minor

    def tenders(self, *, payment_method_id: str) -> list[wallet_pb2.TenderRequest]:
        """Give the request: exact amounts, kitty or points first, then prepaid, then the card."""
        return list(self._tenders(payment_method_id))

    def by_card_alone(self) -> "TenderPlan":
        """Give the plan of a second attempt, for when something was not there."""
        return TenderPlan(loyalty=None, loyalty_minor=0, prepaid_minor=0, card_minor=self.due_minor)

    def _tenders(self, payment_method_id: str) -> Iterator[wallet_pb2.TenderRequest]:
        if self.loyalty is not None and self.loyalty_minor:
            yield wallet_pb2.TenderRequest(kind=self.loyalty, amount_minor=self.loyalty_minor)
        if self.prepaid_minor:
            yield wallet_pb2.TenderRequest(
                kind=wallet_pb2.TENDER_KIND_PREPAID, amount_minor=self.prepaid_minor
            )
        if self.card_minor:
            yield wallet_pb2.TenderRequest(
                kind=wallet_pb2.TENDER_KIND_CARD,
                amount_minor=self.card_minor,
                payment_method_id=payment_method_id,
            )


def spread(
    purse: Purse, *, loyalty: wallet_pb2.TenderKind.ValueType | None, due_minor: int
) -> tuple[TenderPlan, Purse]:
    """Plan the payment of a basket, and give what is left in the purse for the next one.

    A card pays nothing or at least ``CARD_MINOR_MIN``: prepaid balance and loyalty pay less where they would leave it a
    smaller rest. The basket must be worth that much.
    """
    assert due_minor >= CARD_MINOR_MIN, "smaller baskets are paid at the till"
    loyalty_minor = min(purse.loyalty_minor, due_minor) if loyalty is not None else 0
    prepaid_minor = min(purse.prepaid_minor, due_minor - loyalty_minor)
    rest = due_minor - loyalty_minor - prepaid_minor
    lacking = CARD_MINOR_MIN - rest if 0 < rest < CARD_MINOR_MIN else 0
    from_prepaid = min(lacking, prepaid_minor)
    prepaid_minor -= from_prepaid
    loyalty_minor -= lacking - from_prepaid
    plan = TenderPlan(
        loyalty=loyalty if loyalty_minor else None,
        loyalty_minor=loyalty_minor,
        prepaid_minor=prepaid_minor,
        card_minor=due_minor - loyalty_minor - prepaid_minor,
    )
    left = replace(
        purse,
        loyalty_minor=purse.loyalty_minor - loyalty_minor,
        prepaid_minor=purse.prepaid_minor - prepaid_minor,
    )
    return plan, left
