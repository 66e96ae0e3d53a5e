"""A basket that is to be paid by phone: its checkout, its shopper, and what is to happen to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from services.simulator.baskets import Basket
from services.simulator.draws import drawn_id
from services.simulator.figures import BasketFigures, gross_by_rate
from services.simulator.habits import CARD_MINOR_MIN, CARDS, Fate, PhonePlan
from services.simulator.purse import TenderPlan

_ENROLMENT_TIME: Final = datetime(2017, 1, 1, tzinfo=UTC)
"""What ids of enrolments carry as their time: they belong to no basket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at paying: how, with which card, and under which id."""

    number: int
    plan: TenderPlan
    card: str
    request_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneSale:
    """What is known of a sale by phone before it begins; amounts in cents."""

    seed: int
    basket_id: int
    household_id: int
    sold_time: datetime
    checkout_id: UUID
    due_minor: int
    gross: tuple[tuple[int, int], ...]
    fate: Fate
    own_card: str
    days_until_return: int | None

    @property
    def refund_id(self) -> UUID:
        """Give the id under which the basket is brought back."""
        return self._id("refund")

    @property
    def left_checkout_id(self) -> UUID:
        """Give the checkout that its shopper left at a self-checkout."""
        return self._id("left")

    @property
    def cards(self) -> tuple[str, ...]:
        """Give the cards that the phone needs for it."""
        card = CARDS.get(self.fate)
        return (self.own_card,) if card is None else (self.own_card, card)

    def enrolment_id(self, card: str) -> UUID:
        """Give the id under which the household enrolls a card, whichever basket needs it first."""
        purpose = f"enrolment/{card}"
        return drawn_id(self.seed, purpose, self.household_id, at=_ENROLMENT_TIME)

    def attempts(self, plan: TenderPlan) -> Iterator[Attempt]:
        """Give the attempts in their order; the shopper stops at the first one that succeeds."""
        if self.fate in {Fate.CHANGES_MIND, Fate.TILL_CANCELS}:
            return
        yield self._attempt(1, plan, self.cards[-1])
        if self.fate is Fate.SECOND_CARD:
            yield self._attempt(2, plan, self.own_card)
        elif self.fate not in {Fate.NO_FUNDS, Fate.NO_SIGNATURE}:
            # Not planned for: what the purse promised was not there after all.
            yield self._attempt(2, plan.by_card_alone(), self.own_card)

    def _attempt(self, number: int, plan: TenderPlan, card: str) -> Attempt:
        request_id = self._id("attempt", number)
        return Attempt(number=number, plan=plan, card=card, request_id=request_id)

    def _id(self, purpose: str, *numbers: int) -> UUID:
        return drawn_id(self.seed, purpose, self.basket_id, *numbers, at=self.sold_time)


def sale_of(basket: Basket, figures: BasketFigures, *, plan: PhonePlan) -> PhoneSale | None:
    """Make the sale of a basket that is paid by phone; None when its household or its worth has no phone for it."""
    due_minor = figures.sales_minor - figures.coupon_minor
    if due_minor < CARD_MINOR_MIN or not plan.has_phone(basket.household_id):
        return None
    return PhoneSale(
        seed=plan.seed,
        basket_id=basket.basket_id,
        household_id=basket.household_id,
        sold_time=basket.sold_time,
        checkout_id=drawn_id(plan.seed, "checkout", basket.basket_id, at=basket.sold_time),
        due_minor=due_minor,
        gross=gross_by_rate(basket),
        fate=plan.fate(basket.basket_id),
        own_card=plan.habit(basket.household_id).card,
        days_until_return=plan.days_until_return(basket.basket_id),
    )
