"""A small world for the properties of the wallet: its journal in memory, and makers of what it decides on."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final
from uuid import UUID

from services.common.kernel.clock import business_date
from services.common.kernel.errors import DomainError
from services.wallet.domain.basket import Basket, BasketLine, TicketKey, TicketKind
from services.wallet.domain.batch import Batch, subjects_of
from services.wallet.domain.checkout import DEAD, Checkout, CheckoutState
from services.wallet.domain.command import (
    ClaimCheckout,
    Command,
    ExpireCheckouts,
    OpenCheckout,
    StartPayment,
)
from services.wallet.domain.decide import Verdict, decide_all
from services.wallet.domain.event import Event
from services.wallet.domain.opening import PaymentOutcome
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import CardMeans, PlannedTender, TenderKind

START: Final = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOLD_FOR: Final = timedelta(days=7)
SETTLE_FOR: Final = timedelta(days=30)
OPEN_FOR: Final = timedelta(minutes=15)
SHOPPER: Final = UUID(int=0x0193 << 112 | 7 << 76 | 2 << 62 | 0xC0FFEE << 8)
CARD: Final = CardMeans(
    payment_method_id=UUID(int=0xCA5D), provider_customer="cus_1", provider_method="pm_1"
)
ATTEMPTS_MAX: Final = 10
NO_HASH: Final = b"\0" * 32

_NUMBERS = count(1)


def new_id(number: int | None = None) -> UUID:
    """Give an id like a caller's; without a number, one that nobody else gets."""
    low = (next(_NUMBERS) << 24 if number is None else number << 8) & ((1 << 62) - 1)
    return UUID(int=0x0193 << 112 | 7 << 76 | 2 << 62 | low)


def a_basket(*due_minor: int, coupon_minor: int = 0, sequence: int = 1) -> Basket:
    """Give a basket of lines; the coupon is the first line's, on top of what is due of it."""
    lines = tuple(
        BasketLine(
            line_number=number,
            sales_minor=due + (coupon_minor if number == 1 else 0),
            supplier_coupon_minor=coupon_minor if number == 1 else 0,
            vat_rate_bp=(550, 2000)[number % 2],
        )
        for number, due in enumerate(due_minor, start=1)
    )
    total = sum(due_minor) + coupon_minor
    return Basket(
        ticket_key=TicketKey("0330", business_date(START), "07", sequence, TicketKind.SALE),
        occur_time=START,
        currency_code="EUR",
        lines=lines,
        total_minor=total,
        coupon_minor=coupon_minor,
        content=repr((lines, sequence)).encode(),
    )


def tender(kind: TenderKind, amount_minor: int) -> PlannedTender:
    """Give what a plan takes from one means."""
    return PlannedTender(
        kind=kind,
        amount_minor=amount_minor,
        quantity=amount_minor if kind.is_loyalty else 0,
        available_minor=0 if kind is TenderKind.CARD else amount_minor,
        card=CARD if kind is TenderKind.CARD else None,
    )


def opening(checkout_id: UUID, basket: Basket, *, now: datetime = START) -> OpenCheckout:
    """Give the command that opens a checkout."""
    return OpenCheckout(
        event_id=new_id(),
        trace_parent="",
        checkout_id=checkout_id,
        basket=basket,
        expire_time=now + OPEN_FOR,
    )


def claiming(checkout_id: UUID, customer_id: UUID = SHOPPER) -> ClaimCheckout:
    """Give the command that claims a checkout."""
    return ClaimCheckout(
        event_id=new_id(), trace_parent="", checkout_id=checkout_id, customer_id=customer_id
    )


def paying(
    checkout_id: UUID,
    *tenders: PlannedTender,
    request_id: UUID | None = None,
    request_hash: bytes = NO_HASH,
    now: datetime = START,
) -> StartPayment:
    """Give the command that pays a checkout."""
    return StartPayment(
        event_id=new_id(),
        trace_parent="",
        checkout_id=checkout_id,
        customer_id=SHOPPER,
        request_id=request_id or new_id(),
        request_hash=request_hash,
        tenders=tenders,
        hold_expire_time=now + HOLD_FOR + SETTLE_FOR,
        give_up_time=now + HOLD_FOR,
        attempts_max=ATTEMPTS_MAX,
    )


@dataclass
class World:
    """A wallet service without a database: nothing but facts outlives a command."""

    now: datetime = START
    journal: list[Event] = field(default_factory=list)
    by_subject: dict[UUID, list[Event]] = field(default_factory=lambda: defaultdict(list))

    def load(self, *subjects: UUID) -> Batch:
        """Fold the facts of subjects, and find what the projections would tell."""
        batch = Batch()
        for subject in subjects:
            for fact in self.by_subject[subject]:
                batch.take(fact)
        return batch

    def submit(self, command: Command) -> Verdict:
        """Decide one command in a batch of its own."""
        return self.submit_all(command)[0]

    def submit_all(self, *commands: Command) -> list[Verdict]:
        """Decide commands in one batch and keep its facts; check what holds of every batch."""
        due = self._due() if any(isinstance(c, ExpireCheckouts) for c in commands) else []
        subjects = {subject for command in commands for subject in subjects_of(command)}
        batch = self.load(*subjects.union(due))
        batch.due_checkouts = due
        batch.live_tickets = self._live_tickets()
        verdicts = decide_all(batch, commands, now=self.now)
        assert len({e.stamp.event_id for e in batch.events}) == len(batch.events)
        for event in batch.events:
            self.journal.append(event)
            self.by_subject[event.subject].append(event)
        again = self.load(*subjects.union(due))
        assert again.payments == batch.payments, "the journal folds to what was decided"
        assert again.shoppers == batch.shoppers
        return verdicts

    def settle(self, command: Command) -> Payment:
        """Decide a command that is not refused, and give the payment then."""
        verdict = self.submit(command)
        assert isinstance(verdict, PaymentOutcome), verdict
        return verdict.payment

    def refusal(self, command: Command) -> DomainError:
        """Decide a command that is refused, and give the refusal; it leaves no trace."""
        before = len(self.journal)
        verdict = self.submit(command)
        assert isinstance(verdict, DomainError), verdict
        assert len(self.journal) == before
        return verdict

    def payment(self, payment_id: UUID) -> Payment:
        """Fold a payment."""
        return self.load(payment_id).payments[payment_id]

    def checkout(self, checkout_id: UUID) -> Checkout:
        """Fold a checkout."""
        checkout = self.payment(checkout_id)
        assert isinstance(checkout, Checkout)
        return checkout

    def payments(self) -> list[Payment]:
        """Fold every payment."""
        batch = self.load(*self.by_subject)
        return list(batch.payments.values())

    def _checkouts(self) -> list[Checkout]:
        return [payment for payment in self.payments() if isinstance(payment, Checkout)]

    def _due(self) -> list[UUID]:
        due = (
            checkout
            for checkout in self._checkouts()
            if checkout.state is CheckoutState.OPEN and checkout.expire_time <= self.now
        )
        return [c.checkout_id for c in sorted(due, key=lambda c: c.expire_time)]

    def _live_tickets(self) -> dict[TicketKey, UUID]:
        return {
            checkout.basket.ticket_key: checkout.checkout_id
            for checkout in self._checkouts()
            if checkout.state not in DEAD
        }
