"""A till and a phone at one checkout: from the code on the till's screen to the ticket.

The till opens the checkout, shows its id and listens; the phone claims it and pays; the till acts on what its stream
says, never on what the phone was told. When the last word does not come within the till's budget, the till goes on with
its next customer and the sale goes on beside it.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.checkout_till import CheckoutTill
from services.simulator.habits import Fate
from services.simulator.outcomes import AnswerTally, refuse_unrecorded
from services.simulator.phone_tally import PhoneTally
from services.simulator.phones import Phone
from services.simulator.purse import TenderPlan
from services.simulator.sales import PhoneSale
from services.simulator.shoppers import Shopper
from services.simulator.stack import Stack
from services.simulator.tickets import left_at_self_checkout, paid_in_cash
from services.simulator.tills import Ticket
from services.simulator.watching import OVER, UNPAID

TILL_SECONDS_MAX: Final = 2.5
"""How long a till waits for a phone before it serves the next customer."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A sale that a checkout settled: whether this replay saw that happen, and the checkout."""

    ticket: Ticket
    sale: PhoneSale
    checkout: pb.Checkout
    is_fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """A sale that its till no longer waits for; ``is_pending`` is set once it is the provider that is waited for."""

    day: date
    household_id: int
    is_pending: asyncio.Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneCounter:
    """Sells baskets to phones. ``plans`` says how each basket is to be paid; ``paid`` collects what was.

    ``left`` has the checkouts that shoppers walked off from: they expire.
    """

    stack: Stack
    till: CheckoutTill
    tally: AnswerTally
    phone_tally: PhoneTally
    plans: dict[int, TenderPlan]
    phones: dict[int, Phone]
    paid: list[Paid] = field(default_factory=list)
    left: list[pb.Checkout] = field(default_factory=list)
    under_way: dict[asyncio.Task[None], UnderWay] = field(default_factory=dict)
    till_seconds_max: float = TILL_SECONDS_MAX

    async def serve(self, ticket: Ticket, sale: PhoneSale) -> None:
        """Sell, or leave the sale under way when the till's budget is over."""
        under_way = UnderWay(
            day=sale.sold_time.date(), household_id=sale.household_id, is_pending=asyncio.Event()
        )
        task = asyncio.create_task(self._sell(ticket, sale, under_way.is_pending))
        try:
            done, _ = await asyncio.wait({task}, timeout=self.till_seconds_max)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if done:
            task.result()
        else:
            self.under_way[task] = under_way

    async def close_day(self) -> None:
        """Wait for the sales under way but for those of which the provider keeps the end: an open checkout expires."""
        for task, under_way in list(self.under_way.items()):
            pending = asyncio.create_task(under_way.is_pending.wait())
            await asyncio.wait({task, pending}, return_when=asyncio.FIRST_COMPLETED)
            pending.cancel()

    async def wait_for(self, *, begun_until: date, household_id: int | None = None) -> None:
        """Wait for the sales under way that began by a day, of one household or of all."""
        tasks = [
            task
            for task, under_way in self.under_way.items()
            if under_way.day <= begun_until and household_id in {None, under_way.household_id}
        ]
        for task in tasks:
            await task
            self.under_way.pop(task, None)

    async def wait_for_left(self, now: datetime) -> None:
        """Wait until those that shoppers walked off from are swept, as far as their time is over by now."""
        for checkout in self.left:
            if checkout.expire_time.ToDatetime(UTC) < now:
                await self.till.wait_for_last_word(checkout)
        self.left.clear()

    def give_up(self) -> None:
        """Stop listening to what is under way; the wallet goes on by itself."""
        for task in self.under_way:
            task.cancel()

    async def _sell(self, ticket: Ticket, sale: PhoneSale, is_pending: asyncio.Event) -> None:
        # Read before anything is waited for: another day may have other plans by then.
        plan = self.plans.get(sale.basket_id)
        if sale.fate is Fate.ABANDONS:
            await self._leave(ticket, sale)
        checkout = await self.till.open(ticket.request.ticket)
        is_fresh = checkout.state not in OVER
        if is_fresh:
            assert plan is not None, "a sale that is not over was planned in the morning"
            shopper = Shopper(
                sale, plan, self.phones[sale.household_id], self.till, self.phone_tally, is_pending
            )
            checkout = await self._pay_by_phone(shopper, checkout)
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

    async def _pay_by_phone(self, shopper: Shopper, checkout: pb.Checkout) -> pb.Checkout:
        """Listen at the till while the shopper pays, and give what the stream said last."""
        try:
            async with asyncio.TaskGroup() as tasks:
                word = tasks.create_task(self.till.wait_for_last_word(checkout))
                tasks.create_task(shopper.pay(checkout))
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
        self.left.append(await self.till.open(left))
