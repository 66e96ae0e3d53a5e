"""A till and a phone at one checkout: from the code on the till's screen to the ticket.

The till opens the checkout, shows its id and listens; the phone claims it and pays; the till acts on what its stream
says, never on what the phone was told. When the last word does not come within the till's budget, the till goes on with
its next customer and the sale goes on beside it.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import checkout_service_pb2 as rpc
from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.calls import Identity
from services.simulator.errors import ServiceRefusedError
from services.simulator.habits import Fate
from services.simulator.outcomes import AnswerTally, refuse_unrecorded
from services.simulator.phone_tally import PhoneTally
from services.simulator.phones import Phone
from services.simulator.purse import TenderPlan
from services.simulator.sales import Attempt, PhoneSale
from services.simulator.stack import Stack, WalletStubs
from services.simulator.tickets import left_at_self_checkout, paid_in_cash
from services.simulator.tills import Ticket
from services.simulator.watching import OVER, RETURNED, UNPAID, last_word, returned_checkout

TILL_SECONDS_MAX: Final = 2.5
"""How long a till waits for a phone before it serves the next customer."""

_UNPLANNED: Final = frozenset({"TENDERS_INSUFFICIENT"})
"""Refusals of an attempt after which a shopper tries another way."""

_TOO_LATE: Final = frozenset({"CHECKOUT_NOT_OPEN"})
"""Refusals that say that the checkout is over or being paid."""


class CheckoutTill:
    """A till as far as it deals with checkouts."""

    def __init__(self, wallet: WalletStubs, identity: Identity) -> None:
        """Take the wallet, and who the till is."""
        self._checkouts = wallet.checkouts
        self._identity = identity

    async def open(self, ticket: points_pb2.Ticket) -> pb.Checkout:
        """Open the checkout that a ticket names; one that is known is given as it is now."""
        request = rpc.OpenCheckoutRequest(ticket=ticket)
        return (await self._identity.call(self._checkouts.OpenCheckout, request)).checkout

    async def look(self, checkout_id: UUID) -> pb.Checkout | None:
        """Give the checkout as it is now, or None when it does not exist."""
        request = rpc.GetCheckoutRequest(checkout_id=str(checkout_id))
        try:
            return (await self._identity.call(self._checkouts.GetCheckout, request)).checkout
        except ServiceRefusedError as refusal:
            if refusal.reason != "CHECKOUT_NOT_FOUND":
                raise
            return None

    async def wait_for_last_word(self, checkout: pb.Checkout) -> pb.Checkout:
        """Listen until the checkout is over."""
        if checkout.state in OVER:
            return checkout
        return await last_word(
            self._checkouts,
            self._identity,
            checkout.checkout_id,
            after_version=checkout.version,
        )

    async def cancel(self, checkout_id: UUID) -> pb.Checkout:
        """Give the checkout up."""
        request = rpc.CancelCheckoutRequest(checkout_id=str(checkout_id))
        return (await self._identity.call(self._checkouts.CancelCheckout, request)).checkout

    async def refund(self, checkout_id: UUID, *, request_id: UUID) -> pb.Checkout:
        """Give a settled checkout back, and give it as it is when the wallet answers."""
        request = rpc.RefundCheckoutRequest(
            request_id=str(request_id), checkout_id=str(checkout_id)
        )
        return (await self._identity.call(self._checkouts.RefundCheckout, request)).checkout

    async def wait_for_refund(self, checkout: pb.Checkout) -> pb.Checkout:
        """Listen until a checkout that is being given back is refunded, or settled again since it cannot be."""
        if checkout.state in RETURNED:
            return checkout
        return await returned_checkout(
            self._checkouts,
            self._identity,
            checkout.checkout_id,
            after_version=checkout.version,
        )


@dataclass(frozen=True, slots=True)
class Paid:
    """A sale that a checkout settled: whether this replay saw that happen, and the checkout."""

    ticket: Ticket
    sale: PhoneSale
    checkout: pb.Checkout
    is_fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneCounter:
    """Sells baskets to phones. ``plans`` says how each basket is to be paid; ``paid`` collects what was."""

    stack: Stack
    till: CheckoutTill
    tally: AnswerTally
    phone_tally: PhoneTally
    plans: dict[int, TenderPlan]
    phones: dict[int, Phone]
    paid: list[Paid] = field(default_factory=list)
    under_way: dict[asyncio.Task[None], tuple[date, int]] = field(default_factory=dict)
    till_seconds_max: float = TILL_SECONDS_MAX

    async def serve(self, ticket: Ticket, sale: PhoneSale) -> None:
        """Sell, or leave the sale under way when the till's budget is over."""
        task = asyncio.create_task(self._sell(ticket, sale))
        try:
            done, _ = await asyncio.wait({task}, timeout=self.till_seconds_max)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if done:
            task.result()
        else:
            self.under_way[task] = (sale.sold_time.date(), sale.household_id)

    async def wait_for(self, *, begun_until: date, household_id: int | None = None) -> None:
        """Wait for the sales under way that began by a day, of one household or of all."""
        tasks = [
            task
            for task, (day, household) in self.under_way.items()
            if day <= begun_until and household_id in {None, household}
        ]
        for task in tasks:
            await task
            self.under_way.pop(task, None)

    def give_up(self) -> None:
        """Stop listening to what is under way; the wallet goes on by itself."""
        for task in self.under_way:
            task.cancel()

    async def _sell(self, ticket: Ticket, sale: PhoneSale) -> None:
        # Read before anything is waited for: another day may have other plans by then.
        plan = self.plans.get(sale.basket_id)
        if sale.fate is Fate.ABANDONS:
            await self._leave(ticket, sale)
        checkout = await self.till.open(ticket.request.ticket)
        is_fresh = checkout.state not in OVER
        if is_fresh:
            assert plan is not None, "a sale that is not over was planned in the morning"
            checkout = await self._pay_by_phone(sale, checkout, plan)
        if checkout.state in UNPAID:
            await self._sell_for_cash(ticket)
            self.phone_tally.cancelled += is_fresh and checkout.state == pb.CHECKOUT_STATE_CANCELLED
            return
        answer = await self.stack.till.call(self.stack.points.RecordTicket, ticket.request)
        refuse_unrecorded(answer.outcome)
        self.tally.add_paid_by_phone(ticket.figures)
        self.phone_tally.baskets += 1
        if is_fresh:
            self.phone_tally.add_paid(sale, ticket.figures, checkout)
        elif checkout.state == pb.CHECKOUT_STATE_REFUNDED:
            self.phone_tally.returned_minor += ticket.figures.sales_minor
        self.paid.append(Paid(ticket, sale, checkout, is_fresh))

    async def _pay_by_phone(
        self, sale: PhoneSale, checkout: pb.Checkout, plan: TenderPlan
    ) -> pb.Checkout:
        """Listen at the till while the shopper pays, and give what the stream said last."""
        try:
            async with asyncio.TaskGroup() as tasks:
                word = tasks.create_task(self.till.wait_for_last_word(checkout))
                tasks.create_task(self._shop(sale, checkout, plan))
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        return word.result()

    async def _sell_for_cash(self, ticket: Ticket) -> None:
        answer = await self.stack.till.attempt(
            self.stack.points.RecordTicket, paid_in_cash(ticket.request)
        )
        self.tally.add(ticket.figures, answer.response.outcome, attempts=answer.attempts)

    async def _leave(self, ticket: Ticket, sale: PhoneSale) -> None:
        left = left_at_self_checkout(
            ticket.request.ticket, basket_id=sale.basket_id, checkout_id=sale.left_checkout_id
        )
        await self.till.open(left)

    async def _shop(self, sale: PhoneSale, checkout: pb.Checkout, plan: TenderPlan) -> None:
        """Do what the shopper does until the checkout is over."""
        phone = self.phones[sale.household_id]
        if not checkout.customer_id:
            checkout = await phone.claim(sale.checkout_id)
        checkout = await phone.wait_for_rest(checkout)
        was_declined = False
        for attempt in sale.attempts(plan):
            if checkout.state in OVER:
                break
            if attempt.number > checkout.attempt:
                checkout = await self._pay(phone, sale, attempt, checkout)
                was_declined |= checkout.state == pb.CHECKOUT_STATE_OPEN and checkout.attempt > 0
        self.phone_tally.declined += was_declined
        if checkout.state in OVER:
            return
        canceller = self.till if sale.fate is Fate.TILL_CANCELS else phone
        await canceller.cancel(sale.checkout_id)

    async def _pay(
        self, phone: Phone, sale: PhoneSale, attempt: Attempt, checkout: pb.Checkout
    ) -> pb.Checkout:
        method = await phone.enrol(attempt.card, request_id=sale.enrolment_id(attempt.card))
        tenders = attempt.plan.tenders(payment_method_id=method)
        try:
            paying = await phone.pay(sale.checkout_id, tenders, request_id=attempt.request_id)
        except ServiceRefusedError as refusal:
            if refusal.reason in _UNPLANNED:
                return checkout
            if refusal.reason not in _TOO_LATE:
                raise
            return await self.till.wait_for_last_word(checkout)
        rested = await phone.wait_for_rest(paying)
        self.phone_tally.add_holds(rested)
        return rested
