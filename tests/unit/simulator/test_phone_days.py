"""Phones over the days of a replay: purses in the morning, returns when they are due, a second run after a first."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as points_rpc
from cagnotte.wallet.v1 import checkout_service_pb2 as rpc
from cagnotte.wallet.v1 import prepaid_service_pb2 as prepaid_rpc
from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.common.kernel.errors import NotFound
from services.simulator.baskets import Line
from services.simulator.calls import Identity, Patience
from services.simulator.errors import ServiceRefusedError
from services.simulator.figures import figures_of
from services.simulator.habits import Fate, PhonePlan
from services.simulator.outcomes import AnswerTally
from services.simulator.phone_days import PhoneDays
from services.simulator.purse import LOW_BALANCE_MINOR, TOP_UP_MINOR
from services.simulator.sales import PhoneSale, sale_of
from services.simulator.tickets import TicketPrinter
from services.simulator.tills import Ticket
from tests.unit.simulator.made_baskets import FOOD, NOON, basket
from tests.unit.simulator.wallet_double import WalletDouble, refusal

HOUSEHOLD = 900
DAY = NOON.date()
FIRST, SECOND = 1, 2
"""Two baskets of a household."""


class _NoCheckout(NotFound):
    reason = "CHECKOUT_NOT_FOUND"


class _NoTopUp(NotFound):
    reason = "TOP_UP_NOT_FOUND"


class _NoTicket(NotFound):
    reason = "TICKET_NOT_FOUND"


def plan_of_a_saver() -> PhonePlan:
    """Find a seed by which the household holds a prepaid balance and pays its two baskets, and keeps them."""
    for seed in range(10_000):
        plan = PhonePlan(seed=seed, percent=100, offline_percent=0)
        pays = all(plan.fate(number) is Fate.PAYS for number in (FIRST, SECOND))
        returns = [plan.days_until_return(number) for number in (FIRST, SECOND)]
        if pays and returns == [None, None] and plan.habit(HOUSEHOLD).holds_prepaid:
            return plan
    raise AssertionError("one household in five holds a prepaid balance")


def plan_of_a_returner() -> tuple[PhonePlan, int]:
    """Find a seed by which the household brings its first basket back, and after how many days."""
    for seed in range(100_000):
        plan = PhonePlan(seed=seed, percent=100, offline_percent=0)
        days = plan.days_until_return(FIRST)
        if days is not None and plan.fate(FIRST) is Fate.PAYS:
            return plan, days
    raise AssertionError("some baskets are brought back")


class BankDouble(WalletDouble):
    """A wallet that also keeps one shopper's prepaid balance."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.balance_minor = 0
        self.top_ups: dict[str, pb.TopUp] = {}
        self.provider_away = 0
        """How many of the next top-ups are never sent."""

    async def GetCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.GetCheckoutRequest, **_: Any
    ) -> rpc.GetCheckoutResponse:
        """Look."""
        if request.checkout_id not in self.checkouts:
            raise refusal(_NoCheckout("none"))
        return await super().GetCheckout(request)

    async def PayCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.PayCheckoutRequest, **_: Any
    ) -> rpc.PayCheckoutResponse:
        """Pay; the prepaid part leaves the balance."""
        prepaid = (t for t in request.tenders if t.kind == pb.TENDER_KIND_PREPAID)
        self.balance_minor -= sum(tender.amount_minor for tender in prepaid)
        assert self.balance_minor >= 0, "nobody plans what is not there"
        return await super().PayCheckout(request)

    async def RefundCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.RefundCheckoutRequest, **_: Any
    ) -> rpc.RefundCheckoutResponse:
        """Give back."""
        self.calls.append("refund")
        checkout = self.checkouts[request.checkout_id]
        checkout.state = pb.CHECKOUT_STATE_REFUNDED
        return rpc.RefundCheckoutResponse(checkout=checkout)

    async def TopUp(  # noqa: N802 -- the RPC's name
        self, request: prepaid_rpc.TopUpRequest, **_: Any
    ) -> prepaid_rpc.TopUpResponse:
        """Credit the balance, once under each id."""
        if request.request_id not in self.top_ups:
            top_up = pb.TopUp(top_up_id=request.request_id, amount_minor=request.amount_minor)
            top_up.state = pb.TOP_UP_STATE_FAILED if self.provider_away else pb.TOP_UP_STATE_SETTLED
            self.balance_minor += 0 if self.provider_away else request.amount_minor
            self.provider_away = max(0, self.provider_away - 1)
            self.top_ups[request.request_id] = top_up
        return prepaid_rpc.TopUpResponse(top_up=self.top_ups[request.request_id])

    async def GetTopUp(  # noqa: N802 -- the RPC's name
        self, request: prepaid_rpc.GetTopUpRequest, **_: Any
    ) -> prepaid_rpc.GetTopUpResponse:
        """Look."""
        self.calls.append("look for a top-up")
        if request.top_up_id not in self.top_ups:
            raise refusal(_NoTopUp("none"))
        return prepaid_rpc.GetTopUpResponse(top_up=self.top_ups[request.top_up_id])

    async def GetPrepaidBalance(  # noqa: N802 -- the RPC's name
        self, _: prepaid_rpc.GetPrepaidBalanceRequest, **__: Any
    ) -> prepaid_rpc.GetPrepaidBalanceResponse:
        """Tell the balance."""
        return prepaid_rpc.GetPrepaidBalanceResponse(
            available=money_pb2.Money(minor_units=self.balance_minor, currency_code="EUR")
        )


class PointsDouble:
    """Keeps tickets, and follows checkouts at once: each earns 3 kitty cents, and a return takes them."""

    def __init__(self) -> None:
        """Begin empty."""
        self.tickets: dict[bytes, points_pb2.Ticket] = {}

    async def RecordTicket(  # noqa: N802 -- the RPC's name
        self, request: points_rpc.RecordTicketRequest, **_: Any
    ) -> points_rpc.RecordTicketResponse:
        """Record one."""
        self.tickets[request.ticket.key.SerializeToString()] = request.ticket
        outcome = points_pb2.TicketOutcome(status=points_pb2.TICKET_STATUS_RECORDED)
        return points_rpc.RecordTicketResponse(outcome=outcome)

    async def GetTicket(  # noqa: N802 -- the RPC's name
        self, request: points_rpc.GetTicketRequest, **_: Any
    ) -> points_rpc.GetTicketResponse:
        """Look."""
        ticket = self.tickets.get(request.key.SerializeToString())
        if ticket is None:
            raise refusal(_NoTicket("none"))
        answer = points_rpc.GetTicketResponse(ticket=ticket)
        kitty = money_pb2.LOYALTY_CURRENCY_KITTY
        answer.settlement.decision.awards.add(currency=kitty, quantity=3)
        answer.reversal.amounts.add(currency=kitty, taken=3)
        return answer

    async def GetBalances(  # noqa: N802 -- the RPC's name
        self, _: points_rpc.GetBalancesRequest, **__: Any
    ) -> points_rpc.GetBalancesResponse:
        """Tell that there is nothing."""
        return points_rpc.GetBalancesResponse()


class World:
    """Services that outlive replays, and the baskets of one household."""

    def __init__(self, plan: PhonePlan, *, price_minor: int = 6_000) -> None:
        """Print the tickets of two baskets of one day."""
        self.plan, self.wallet, self.points = plan, BankDouble(), PointsDouble()
        printer = TicketPrinter()
        self.tickets = {
            number: self._ticket(printer, number, NOON, price_minor) for number in (FIRST, SECOND)
        }

    def _ticket(
        self, printer: TicketPrinter, number: int, sold: datetime, price_minor: int
    ) -> Ticket:
        bought = basket(number, lines=(Line(FOOD, 1, price_minor, 0, 0),), sold=sold)
        figures = figures_of(bought)
        sale = sale_of(bought, figures, plan=self.plan)
        assert sale is not None
        request = printer.print_ticket(bought, checkout_id=sale.checkout_id)
        return Ticket(330, 1, request, figures, sale)

    def replay(self) -> PhoneDays:
        """Begin a replay: it knows nothing of an earlier one."""
        identity = Identity("token", patience=Patience())
        stubs = SimpleNamespace(checkouts=self.wallet, methods=self.wallet, prepaid=self.wallet)
        phones = SimpleNamespace(wallet=stubs, page=self.wallet, identity=lambda _: identity)
        stack: Any = SimpleNamespace(points=self.points, till=identity, phones=phones)
        return PhoneDays.of(stack, self.plan, tally=AnswerTally(), concurrency=4)

    async def morning(self, days: PhoneDays, *, day: date = DAY, is_past: bool = False) -> None:
        """Plan the day's baskets."""
        tickets: Iterable[Ticket] = self.tickets.values() if day == DAY else ()
        await days.begin(day, tickets, is_past=is_past)

    async def sell(self, days: PhoneDays, number: int) -> None:
        """Sell a basket."""
        await days.counter.serve(self.tickets[number], self.sale(number))

    def sale(self, number: int) -> PhoneSale:
        """Give the sale of a basket."""
        sale = self.tickets[number].sale
        assert sale is not None
        return sale


class TestBegin:
    async def test_fills_a_low_balance_and_spreads_it_over_the_day(self) -> None:
        """The first basket takes what the top-up brought; the second is paid by card."""
        world = World(plan_of_a_saver())
        days = world.replay()

        await world.morning(days)

        plans = days.counter.plans
        assert plans[FIRST].prepaid_minor == TOP_UP_MINOR
        assert plans[SECOND].prepaid_minor == 0
        assert plans[SECOND].card_minor == world.sale(SECOND).due_minor
        assert days.tally.top_ups_minor == world.wallet.balance_minor == TOP_UP_MINOR
        assert "look for a top-up" not in world.wallet.calls, (
            "a fresh stack has nothing to look for"
        )

    async def test_leaves_a_balance_that_is_enough(self) -> None:
        """Nobody tops up 15.00 EUR."""
        world = World(plan_of_a_saver())
        world.wallet.balance_minor = LOW_BALANCE_MINOR
        days = world.replay()

        await world.morning(days)

        assert world.wallet.top_ups == {}
        assert days.counter.plans[FIRST].prepaid_minor == LOW_BALANCE_MINOR

    async def test_tries_again_while_the_provider_is_away(self) -> None:
        """Nothing was sent, so the shopper tries under another id; it is counted once."""
        world = World(plan_of_a_saver())
        world.wallet.provider_away = 2
        days = world.replay()
        days.away_seconds = 0.0

        await world.morning(days)

        assert len(world.wallet.top_ups) == 3
        assert days.tally.top_ups_minor == world.wallet.balance_minor == TOP_UP_MINOR


class TestSecondReplay:
    async def test_a_top_up_without_its_sale_is_neither_counted_nor_made_again(self) -> None:
        """The first replay ended between both: the money is there, and the sale is planned as it was."""
        world = World(plan_of_a_saver())
        first = world.replay()
        await world.morning(first)
        second = world.replay()

        await world.morning(second, is_past=True)

        assert second.counter.plans == first.counter.plans
        assert second.tally.top_ups_minor == 0
        assert world.wallet.balance_minor == TOP_UP_MINOR

    async def test_a_top_up_that_another_sale_has_spent_is_not_taken_for_a_new_one(self) -> None:
        """The first replay ended after the second basket was sold, before the first one was: a new top-up is made."""
        world = World(plan_of_a_saver())
        first = world.replay()
        await world.morning(first)
        first.counter.plans[SECOND] = first.counter.plans[FIRST]
        await world.sell(first, SECOND)
        assert world.wallet.balance_minor == 0
        second = world.replay()

        await world.morning(second, is_past=True)

        assert len(world.wallet.top_ups) == 2
        assert second.tally.top_ups_minor == world.wallet.balance_minor == TOP_UP_MINOR
        assert second.counter.plans[FIRST].prepaid_minor == TOP_UP_MINOR
        assert SECOND not in second.counter.plans, "it is sold"

    async def test_asks_for_the_same_phones_as_before(self) -> None:
        """A basket that was paid at the till before cannot be paid by phone now."""
        world = World(plan_of_a_saver())
        ticket = world.tickets[FIRST].request.ticket
        world.points.tickets[ticket.key.SerializeToString()] = ticket

        with pytest.raises(ServiceRefusedError, match="with the same --phones"):
            await world.morning(world.replay(), is_past=True)


class TestReturns:
    async def test_a_basket_comes_back_on_its_day(self) -> None:
        """It was settled, is given back whole on the morning it is due, and what points did is learnt."""
        plan, wait_days = plan_of_a_returner()
        world = World(plan)
        days = world.replay()
        await world.morning(days)
        await world.sell(days, FIRST)
        due = DAY + timedelta(days=wait_days)

        await world.morning(days, day=due - timedelta(days=1))
        early = list(world.wallet.calls)
        await world.morning(days, day=due)
        await days.end()

        assert "refund" not in early
        assert world.wallet.calls.count("refund") == 1
        assert days.tally.returned_minor == world.sale(FIRST).due_minor
        kitty = money_pb2.LOYALTY_CURRENCY_KITTY
        assert (days.tally.issued[kitty], days.tally.taken[kitty]) == (3, 3)
