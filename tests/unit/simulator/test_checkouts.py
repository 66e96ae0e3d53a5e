"""A till and a phone at one checkout: what the till does follows from its stream, whatever happens to the card."""

import asyncio
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as points_rpc
from cagnotte.wallet.v1 import checkout_service_pb2 as rpc
from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.common.kernel.errors import FailedPrecondition
from services.simulator.calls import Identity, Patience
from services.simulator.checkout_till import CheckoutTill
from services.simulator.checkouts import PhoneCounter
from services.simulator.figures import figures_of
from services.simulator.habits import Fate, PhonePlan
from services.simulator.outcomes import AnswerTally
from services.simulator.phone_tally import PhoneTally
from services.simulator.phones import Phone
from services.simulator.purse import Purse, spread
from services.simulator.sales import sale_of
from services.simulator.tickets import TicketPrinter
from services.simulator.tills import Ticket
from tests.unit.simulator.made_baskets import basket
from tests.unit.simulator.wallet_double import WalletDouble, refusal

EVERYBODY = PhonePlan(seed=1, percent=100, offline_percent=0)


def basket_id_of(fate: Fate) -> int:
    """Find a basket to which something happens."""
    return next(number for number in range(100_000) if EVERYBODY.fate(number) is fate)


class PointsDouble:
    """Keeps the tickets that it is sent."""

    def __init__(self) -> None:
        """Begin empty."""
        self.tickets: list[points_pb2.Ticket] = []

    async def RecordTicket(  # noqa: N802 -- the RPC's name
        self, request: points_rpc.RecordTicketRequest, **_: Any
    ) -> points_rpc.RecordTicketResponse:
        """Record one."""
        self.tickets.append(request.ticket)
        outcome = points_pb2.TicketOutcome(status=points_pb2.TICKET_STATUS_RECORDED)
        return points_rpc.RecordTicketResponse(outcome=outcome)


class CheckoutNotOpen(FailedPrecondition):
    """What the wallet says of a checkout whose time is over."""

    reason = "CHECKOUT_NOT_OPEN"


class WalletBeforeItsSweep(WalletDouble):
    """A wallet that refuses a checkout whose time is over, and still shows it as open for a while."""

    def __init__(self, *, looks: int) -> None:
        """Sweep after so many looks."""
        super().__init__()
        self._looks = looks

    async def PayCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.PayCheckoutRequest, **_: Any
    ) -> rpc.PayCheckoutResponse:
        """Refuse."""
        self.calls.append(f"pay {request.checkout_id}")
        raise refusal(CheckoutNotOpen("The checkout is not open.", state="EXPIRED"))

    async def GetCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.GetCheckoutRequest, **_: Any
    ) -> rpc.GetCheckoutResponse:
        """Look, and be swept."""
        self._looks -= 1
        if self._looks == 0:
            checkout = self.checkouts[request.checkout_id]
            await self._change(checkout, pb.CHECKOUT_STATE_EXPIRED)
        return await super().GetCheckout(request)


class World:
    """One till, one phone, and doubles of both services."""

    def __init__(
        self,
        fate: Fate,
        *,
        broken_streams: int = 0,
        till_seconds_max: float = 60.0,
        wallet: WalletDouble | None = None,
    ) -> None:
        """Print the ticket of a basket with a fate."""
        self.wallet = wallet or WalletDouble(broken_streams=broken_streams)
        self.points = PointsDouble()
        bought = basket(basket_id_of(fate))
        figures = figures_of(bought)
        sale = sale_of(bought, figures, plan=EVERYBODY)
        assert sale is not None
        request = TicketPrinter().print_ticket(bought, checkout_id=sale.checkout_id)
        self.sale, self.ticket = sale, Ticket(330, 1, request, figures, sale)
        identity = Identity("token", patience=Patience())
        stubs: Any = SimpleNamespace(checkouts=self.wallet, methods=self.wallet)
        phones: Any = SimpleNamespace(wallet=stubs, page=self.wallet, identity=lambda _: identity)
        points: Any = self.points
        plan, _ = spread(Purse(), loyalty=None, due_minor=sale.due_minor)
        self.counter = PhoneCounter(
            stack=SimpleNamespace(points=self.points, till=identity),  # type: ignore[arg-type]  # only these are used
            till=CheckoutTill(stubs, identity),
            tally=AnswerTally(),
            phone_tally=PhoneTally(),
            plans={sale.basket_id: plan},
            phones={sale.household_id: Phone(phones, points, UUID(int=7))},
            till_seconds_max=till_seconds_max,
        )

    async def sell(self) -> None:
        """Sell the basket."""
        await self.counter.serve(self.ticket, self.sale)

    @property
    def tender(self) -> str:
        """Give what paid the ticket that points has got, which is one."""
        [ticket] = self.points.tickets
        return points_pb2.TenderKind.Name(ticket.tenders[0].kind)


class TestServe:
    async def test_records_the_ticket_that_the_checkout_paid(self) -> None:
        """The phone pays, the till hears it, and sends the same ticket to points."""
        world = World(Fate.PAYS)

        await world.sell()

        assert world.wallet.calls[0] == "open"
        assert [call for call in world.wallet.calls if call.startswith("pay")] == [
            f"pay with {world.sale.own_card}"
        ]
        assert world.tender == "TENDER_KIND_CHECKOUT"
        assert world.points.tickets[0] == world.ticket.request.ticket
        assert world.counter.phone_tally.baskets == world.counter.phone_tally.paid.baskets == 1
        assert world.counter.tally.sent.baskets == 1
        assert world.counter.tally.fresh.baskets == 0

    async def test_tries_another_card_after_a_decline(self) -> None:
        """The second attempt pays, and the decline is counted."""
        world = World(Fate.SECOND_CARD)

        await world.sell()

        paid = [call for call in world.wallet.calls if call.startswith("pay")]
        assert paid == ["pay with pm_card_chargeDeclined", f"pay with {world.sale.own_card}"]
        assert world.tender == "TENDER_KIND_CHECKOUT"
        assert world.counter.phone_tally.declined == 1

    @pytest.mark.parametrize("fate", [Fate.NO_FUNDS, Fate.CHANGES_MIND, Fate.TILL_CANCELS])
    async def test_takes_cash_for_what_no_phone_pays(self, fate: Fate) -> None:
        """The checkout is cancelled first; then the same ticket number is paid in cash, without a checkout."""
        world = World(fate)

        await world.sell()

        assert world.wallet.calls[-1] == "cancel"
        assert world.tender == "TENDER_KIND_CASH"
        assert world.points.tickets[0].key == world.ticket.request.ticket.key
        assert not world.points.tickets[0].checkout_id
        assert world.counter.phone_tally.cancelled == 1
        assert world.counter.tally.fresh.baskets == 1

    async def test_takes_cash_for_a_checkout_that_expired_before_it_was_swept(self) -> None:
        """The refusal of a payment that came too late is an answer, also while the checkout looks open."""
        world = World(Fate.PAYS, wallet=WalletBeforeItsSweep(looks=3))

        await world.sell()

        assert world.tender == "TENDER_KIND_CASH"

    async def test_leaves_one_checkout_unpaid_where_the_shopper_walks_off(self) -> None:
        """The self-checkout's ticket has another key and is never sent; the staffed till's is paid."""
        world = World(Fate.ABANDONS)

        await world.sell()

        states = {one.checkout_id: one.attempt for one in world.wallet.checkouts.values()}
        assert states == {str(world.sale.checkout_id): 1, str(world.sale.left_checkout_id): 0}
        assert world.tender == "TENDER_KIND_CHECKOUT"

    async def test_waits_for_the_sweep_of_what_was_left_and_is_over(self) -> None:
        """How many checkouts have expired does not depend on when somebody asks; what has time is not waited for."""
        world = World(Fate.ABANDONS)
        await world.sell()
        left = world.wallet.checkouts[str(world.sale.left_checkout_id)]
        world.counter.left[0].expire_time.FromDatetime(datetime(2017, 1, 5, tzinfo=UTC))
        later = pb.Checkout()
        later.expire_time.FromDatetime(datetime(2017, 1, 7, tzinfo=UTC))
        world.counter.left.append(later)

        waiting = asyncio.create_task(world.counter.wait_for_left(datetime(2017, 1, 6, tzinfo=UTC)))
        await asyncio.sleep(0)
        assert not waiting.done()
        await world.wallet._change(left, pb.CHECKOUT_STATE_EXPIRED)
        await waiting

    async def test_goes_on_from_the_version_last_seen(self) -> None:
        """A till whose streams break hears the end all the same."""
        world = World(Fate.PAYS, broken_streams=1)

        await world.sell()

        assert world.tender == "TENDER_KIND_CHECKOUT"

    async def test_serves_the_next_customer_while_a_provider_hangs(self) -> None:
        """The sale goes on beside the till, even over the day's end, and is waited for later."""
        world = World(Fate.HANGS, till_seconds_max=0.01)

        await world.sell()
        before = list(world.points.tickets)
        await world.counter.close_day()
        await world.counter.wait_for(begun_until=date(2017, 2, 28))
        world.wallet.hanging.set()
        await world.counter.wait_for(begun_until=date(2017, 3, 1), household_id=900)

        assert before == []
        assert world.tender == "TENDER_KIND_CHECKOUT"
        assert not world.counter.under_way

    async def test_recognizes_what_an_earlier_replay_has_sold(self) -> None:
        """The checkout is over: nobody pays again, the ticket is sent again, and nothing is new."""
        world = World(Fate.PAYS)
        await world.sell()
        first = len(world.wallet.calls)

        await world.sell()

        assert world.wallet.calls[first:] == ["open"]
        assert world.counter.phone_tally.baskets == 2
        assert world.counter.phone_tally.paid.baskets == 1
        assert [paid.is_fresh for paid in world.counter.paid] == [True, False]


class TestCloseDay:
    async def test_waits_for_shoppers_who_are_still_at_the_till(self) -> None:
        """A checkout that nobody is paying yet would expire with the day."""
        world = World(Fate.SECOND_CARD, till_seconds_max=0.0)
        await world.sell()
        assert world.counter.under_way

        await world.counter.close_day()

        assert world.tender == "TENDER_KIND_CHECKOUT"


class TestGiveUp:
    async def test_stops_listening(self) -> None:
        """A replay that fails leaves no task behind; the wallet goes on by itself."""
        world = World(Fate.HANGS, till_seconds_max=0.01)
        await world.sell()

        world.counter.give_up()
        await asyncio.gather(*world.counter.under_way, return_exceptions=True)

        assert all(task.cancelled() for task in world.counter.under_way)
