"""Phones over the days of a replay: in the morning returns and purses, then the day's sales, in the end the rest.

What a household can spend on a day is what it has in the morning, when all its earlier checkouts have been followed by
points and books. So a replay's amounts depend on its seed alone, not on how fast events travel.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from typing import Final, Self, TypeVar

from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.checkout_till import CheckoutTill
from services.simulator.checkouts import Paid, PhoneCounter
from services.simulator.draws import drawn_id
from services.simulator.errors import ServiceRefusedError
from services.simulator.followed import Follower
from services.simulator.habits import PhonePlan
from services.simulator.outcomes import AnswerTally
from services.simulator.phone_tally import PhoneTally
from services.simulator.phones import Phone
from services.simulator.purse import LOW_BALANCE_MINOR, TOP_UP_MINOR, Purse, spread
from services.simulator.sales import PhoneSale
from services.simulator.stack import Stack
from services.simulator.tickets import customer_id
from services.simulator.tills import Ticket
from services.simulator.watching import OVER

_PATIENT_DAYS: Final = 2
"""A sale may be under way for so many simulated days: holds of value end after seven."""

_TOP_UP_ATTEMPTS_MAX: Final = 120
AWAY_SECONDS: Final = 1.0
"""Between two attempts at a provider that is away."""

T = TypeVar("T")


class PhoneDays:
    """All phones of a replay. Make it with ``of``."""

    def __init__(
        self, stack: Stack, plan: PhonePlan, counter: PhoneCounter, *, concurrency: int
    ) -> None:
        """Take who sells to phones, and how many households are served at once."""
        self.counter = counter
        self._stack = stack
        self._plan = plan
        self._follower = Follower(stack)
        self._concurrency = concurrency
        self.away_seconds = AWAY_SECONDS
        """Between two attempts at a provider that is away."""
        self._returns: dict[date, list[Paid]] = {}
        self._unfollowed: dict[int, list[Callable[[], Awaitable[None]]]] = {}

    @classmethod
    def of(cls, stack: Stack, plan: PhonePlan, *, tally: AnswerTally, concurrency: int) -> Self:
        """Make the phones of a stack that is open to them."""
        assert stack.phones is not None, "the endpoints name what phones need"
        counter = PhoneCounter(
            stack=stack,
            till=CheckoutTill(stack.phones.wallet, stack.till),
            tally=tally,
            phone_tally=PhoneTally(),
            plans={},
            phones={},
        )
        return cls(stack, plan, counter, concurrency=concurrency)

    @property
    def tally(self) -> PhoneTally:
        """Give what phones and tills were told so far."""
        return self.counter.phone_tally

    async def begin(self, day: date, tickets: Iterable[Ticket], *, is_past: bool) -> None:
        """Do what comes before the day's first sale; ``is_past`` when the stack may have seen the day before."""
        await self.counter.wait_for(begun_until=day - timedelta(days=_PATIENT_DAYS))
        self._note_paid()
        await self._take_back(day)
        self.counter.plans.clear()
        baskets = sorted(
            ((ticket.sale, ticket) for ticket in tickets if ticket.sale is not None),
            key=lambda basket: (basket[0].household_id, basket[0].sold_time, basket[0].basket_id),
        )
        households = [
            tuple(group) for _, group in groupby(baskets, key=lambda basket: basket[0].household_id)
        ]
        await self._each(households, partial(self._prepare, day=day, is_past=is_past))

    async def end(self) -> None:
        """Wait for everything that is under way, and until points has followed."""
        await self.counter.wait_for(begun_until=date.max)
        self._note_paid()
        await self._each(list(self._unfollowed), self._catch_up)

    def _note_paid(self) -> None:
        for paid in self.counter.paid:
            days = paid.sale.days_until_return
            if days is not None and paid.checkout.state == pb.CHECKOUT_STATE_SETTLED:
                due = paid.sale.sold_time.date() + timedelta(days=days)
                self._returns.setdefault(due, []).append(paid)
            if paid.is_fresh:
                self._follow(paid.sale, partial(self._learn_earned, paid))
        self.counter.paid.clear()

    async def _take_back(self, day: date) -> None:
        due = sorted(date for date in self._returns if date <= day)
        await self._each([paid for date in due for paid in self._returns.pop(date)], self._return)

    async def _return(self, paid: Paid) -> None:
        sale = paid.sale
        checkout = await self.counter.till.refund(sale.checkout_id, request_id=sale.refund_id)
        checkout = await self.counter.till.wait_for_refund(checkout)
        if checkout.state != pb.CHECKOUT_STATE_REFUNDED:
            raise ServiceRefusedError(f"Checkout {sale.checkout_id} cannot be given back.")
        self.tally.add_returned(sale, paid.ticket.figures, checkout)
        self._follow(sale, partial(self._learn_reversed, paid))

    async def _prepare(
        self, baskets: Sequence[tuple[PhoneSale, Ticket]], *, day: date, is_past: bool
    ) -> None:
        """Plan a household's baskets of the day in their order, out of one purse."""
        household = baskets[0][0].household_id
        phone = self.counter.phones.get(household)
        if phone is None:
            phone = Phone.of(self._stack, customer_id(household))
            self.counter.phones[household] = phone
        sales = [
            sale for sale, ticket in baskets if not (is_past and await self._is_over(sale, ticket))
        ]
        if not sales:
            return
        await self.counter.wait_for(begun_until=day, household_id=household)
        self._note_paid()
        await self._catch_up(household)
        for sale in sales:
            for card in sale.cards:
                await phone.enrol(card, request_id=sale.enrolment_id(card))
        habit = self._plan.habit(household)
        purse = await self._purse(phone, sales[0], is_past=is_past)
        for sale in sales:
            plan, purse = spread(purse, loyalty=habit.loyalty, due_minor=sale.due_minor)
            self.counter.plans[sale.basket_id] = plan

    async def _purse(self, phone: Phone, sale: PhoneSale, *, is_past: bool) -> Purse:
        habit = self._plan.habit(sale.household_id)
        loyalty_minor = prepaid_minor = 0
        if habit.loyalty is not None:
            balances = await phone.loyalty()
            is_kitty = habit.loyalty == pb.TENDER_KIND_KITTY
            loyalty_minor = balances.kitty_minor if is_kitty else balances.points
        if habit.holds_prepaid:
            prepaid_minor = await phone.prepaid_minor()
            if prepaid_minor < LOW_BALANCE_MINOR:
                prepaid_minor = await self._top_up(phone, sale, prepaid_minor, is_past=is_past)
        return Purse(loyalty_minor=loyalty_minor, prepaid_minor=prepaid_minor)

    async def _top_up(
        self, phone: Phone, sale: PhoneSale, before_minor: int, *, is_past: bool
    ) -> int:
        """Fill the prepaid balance, and give it then.

        A top-up that an earlier replay made for this sale is in the balance already, and something else has spent it
        since: this one comes on top, under the next id.
        """
        for attempt in range(_TOP_UP_ATTEMPTS_MAX):
            what = "top-up" if attempt == 0 else f"top-up {attempt}"
            request_id = drawn_id(sale.seed, what, sale.basket_id, at=sale.sold_time)
            if is_past and await phone.find_top_up(request_id) is not None:
                continue
            top_up = await phone.top_up(TOP_UP_MINOR, card=sale.own_card, request_id=request_id)
            if top_up.state == pb.TOP_UP_STATE_SETTLED:
                self.tally.add_top_up(TOP_UP_MINOR)
                return await phone.wait_for_prepaid(before_minor + TOP_UP_MINOR)
            if top_up.leg.decline.code:
                raise ServiceRefusedError(f"Top-up {request_id} failed: {top_up.leg.decline.code}.")
            # Nobody was asked: the provider is away. The shopper tries once more.
            await asyncio.sleep(self.away_seconds)
        raise ServiceRefusedError(
            f"The provider stays away: top-up {request_id} was never sent. Run the same command again once "
            "the provider is back: it goes on where this one stopped."
        )

    async def _is_over(self, sale: PhoneSale, ticket: Ticket) -> bool:
        """Tell whether an earlier replay has sold the basket; raise ServiceRefusedError when it was paid otherwise."""
        checkout = await self.counter.till.look(sale.checkout_id)
        if checkout is not None:
            return checkout.state in OVER
        if await self._follower.is_recorded(ticket.request.ticket.key):
            raise ServiceRefusedError(
                f"Basket {sale.basket_id} was paid at the till before. A stack remembers who pays by phone: run the "
                "same command again as before, with the same --phones, or take a fresh stack."
            )
        return False

    def _follow(self, sale: PhoneSale, learn: Callable[[], Awaitable[None]]) -> None:
        self._unfollowed.setdefault(sale.household_id, []).append(learn)

    async def _catch_up(self, household: int) -> None:
        for learn in self._unfollowed.pop(household, ()):
            await learn()

    async def _learn_earned(self, paid: Paid) -> None:
        key = paid.ticket.request.ticket.key
        self.tally.add_earned(await self._follower.settlement(key))

    async def _learn_reversed(self, paid: Paid) -> None:
        key = paid.ticket.request.ticket.key
        self.tally.add_reversal(await self._follower.reversal(key))

    async def _each(self, items: Sequence[T], do: Callable[[T], Awaitable[None]]) -> None:
        """Do something for each item, many at once; raise the first error."""
        waiting = iter(items)

        async def work() -> None:
            for item in waiting:
                await do(item)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self._concurrency, len(items))):
                    tasks.create_task(work())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
