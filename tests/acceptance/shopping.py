"""A small store for acceptance tests: a till, phones, finance, and what all of them can see through the public API.

Till and phones are those of the simulator, which is a client like any other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.common.v1 import clock_service_pb2 as clock_pb
from cagnotte.ledger.v1 import ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as ledger_rpc
from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from cagnotte.wallet.v1 import wallet_pb2
from deploy.programmes import load_publish_request, read_programme
from services.common.kernel.ids import new_uuid7
from services.simulator.calls import Patience
from services.simulator.checkout_till import CheckoutTill
from services.simulator.errors import ServiceRefusedError
from services.simulator.followed import Follower
from services.simulator.phones import Phone
from services.simulator.provider_page import ProviderTotals
from services.simulator.stack import Stack as OpenStack
from services.simulator.stack import open_stack
from tests.acceptance.conftest import Stack

NOW = datetime(2017, 1, 5, 18, tzinfo=UTC)
STORE = "0330"
BOOKS_SECONDS_MAX = 60.0
"""Books and points follow by event: within a second, but a busy machine is given time."""

VISA = "pm_card_visa"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shopper:
    """Somebody with a loyalty card and a phone."""

    phone: Phone
    member_id: UUID
    card_number: str

    @property
    def customer_id(self) -> UUID:
        """Give whom the phone's token speaks for."""
        return self.phone.customer_id

    @property
    def prepaid_account(self) -> str:
        """Give the ledger's account of the prepaid balance."""
        return f"wallet/{self.customer_id}/prepaid"

    async def enrol(self, card: str) -> str:
        """Enroll a card and give its payment method."""
        return await self.phone.enrol(card, request_id=new_uuid7())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The store, open to shoppers."""

    stack: OpenStack
    till: CheckoutTill
    follower: Follower
    numbers: Iterator[int] = field(default_factory=lambda: count(int(new_uuid7()) % 10**6 * 1_000))

    async def shopper(self) -> Shopper:
        """Enroll somebody new."""
        member_id, customer_id = new_uuid7(), new_uuid7()
        card_number = f"CJ{next(self.numbers):010d}"
        member = rpc.NewMember(
            member_id=str(member_id), customer_id=str(customer_id), card_numbers=[card_number]
        )
        request = rpc.EnrolMembersRequest(members=[member])
        await self.stack.operator.call(self.stack.points.EnrolMembers, request)
        phone = Phone.of(self.stack, customer_id)
        return Shopper(phone=phone, member_id=member_id, card_number=card_number)

    def basket(self, shopper: Shopper, *lines: pb.TicketLine) -> pb.Ticket:
        """Give the ticket of a basket that a checkout is to pay."""
        ticket = pb.Ticket(
            key=pb.TicketKey(
                store_id=STORE,
                business_date="2017-01-05",
                till_id="07",
                sequence=1 + next(self.numbers),
                kind=pb.TICKET_KIND_SALE,
            ),
            occur_time=timestamp(NOW - timedelta(minutes=1)),
            card_number=shopper.card_number,
            channel=pb.CHANNEL_STORE,
            checkout_id=str(new_uuid7()),
            currency_code="EUR",
            lines=lines,
            total_minor=sum(line.sales_minor for line in lines),
        )
        coupons = sum(line.supplier_coupon_minor for line in lines)
        due = ticket.total_minor - coupons
        ticket.tenders.add(kind=pb.TENDER_KIND_CHECKOUT, amount_minor=due)
        if coupons:
            ticket.tenders.add(kind=pb.TENDER_KIND_SUPPLIER_COUPON, amount_minor=coupons)
        return ticket

    async def record(self, ticket: pb.Ticket) -> pb.TicketOutcome:
        """Send a ticket to points, as the till does after every sale."""
        request = rpc.RecordTicketRequest(request_id=str(new_uuid7()), ticket=ticket)
        return (await self.stack.till.call(self.stack.points.RecordTicket, request)).outcome

    async def give_kitty(self, shopper: Shopper, cents: int) -> None:
        """Let the shopper earn kitty with a basket paid in cash at the till, and points with it."""
        ticket = self.basket(shopper, line(1, "Private", 20 * cents))
        ticket.checkout_id = ""
        ticket.tenders[0].kind = pb.TENDER_KIND_CASH
        await self.record(ticket)
        assert (await shopper.phone.loyalty()).kitty_minor >= cents

    async def top_up(self, shopper: Shopper, cents: int) -> wallet_pb2.TopUp:
        """Let the shopper put money on the prepaid balance, and wait until it is there."""
        before = await shopper.phone.prepaid_minor()
        await shopper.enrol(VISA)
        top_up = await shopper.phone.top_up(cents, card=VISA, request_id=new_uuid7())
        assert top_up.state == wallet_pb2.TOP_UP_STATE_SETTLED
        await shopper.phone.wait_for_prepaid(before + cents)
        return top_up

    async def provider(self) -> ProviderTotals:
        """Ask the provider what it captured and refunded."""
        assert self.stack.phones is not None
        return await self.stack.phones.page.read_totals()

    async def balance(self, account: str) -> int:
        """Ask finance's question: what is on an account now? Nothing while it does not exist."""
        request = ledger_rpc.GetBalanceRequest(account=account)
        try:
            answer = await self.stack.finance.call(self.stack.ledger.GetBalance, request)
        except ServiceRefusedError as refusal:
            if refusal.reason != "ACCOUNT_NOT_FOUND":
                raise
            return 0
        return answer.balance.posted

    async def general_ledger(self) -> dict[str, int]:
        """Give the trial balance of the common books, credit positive, by code; zeros are left out."""
        answer = await self.stack.finance.call(
            self.stack.ledger.GetTrialBalance, ledger_rpc.GetTrialBalanceRequest()
        )
        balances: dict[str, int] = {}
        for row in answer.lines:
            if row.basis == ledger_pb2.BASIS_COMMON:
                balances[row.gl_code] = balances.get(row.gl_code, 0) + row.credit - row.debit
        return {code: balance for code, balance in balances.items() if balance}

    async def booked(self, checkout_before: dict[str, int]) -> dict[str, int]:
        """Give by how much the general ledger has grown since, without what has not."""
        now = await self.general_ledger()
        codes = {*now, *checkout_before}
        grown = {code: now.get(code, 0) - checkout_before.get(code, 0) for code in codes}
        return {code: amount for code, amount in sorted(grown.items()) if amount}


@asynccontextmanager
async def open_shop(stack: Stack) -> AsyncIterator[Shop]:
    """Open the store on an evening in January, with the demo's programme in force."""
    async with AsyncExitStack() as opened:
        services = await opened.enter_async_context(
            open_stack(stack.endpoints(), patience=Patience())
        )
        for clock in services.clocks:
            request = clock_pb.SetTimeRequest(business_time=timestamp(NOW))
            await services.operator.call(clock.SetTime, request)
        await services.operator.call(
            services.points.PublishProgramme, load_publish_request(read_programme("demo"))
        )
        assert services.phones is not None
        yield Shop(
            stack=services,
            till=CheckoutTill(services.phones.wallet, services.till),
            follower=Follower(services),
        )


def timestamp(instant: datetime) -> Timestamp:
    """Give the message of an instant."""
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def line(
    number: int, brand: str, sales_minor: int, *, coupon: int = 0, vat_rate_bp: int = 550
) -> pb.TicketLine:
    """Give one line."""
    return pb.TicketLine(
        line_number=number,
        product_id=f"10{number}",
        department="GROCERY",
        brand=brand,
        quantity_milli=1_000,
        sales_minor=sales_minor,
        supplier_coupon_minor=coupon,
        vat_rate_bp=vat_rate_bp,
    )


def tender(
    kind: wallet_pb2.TenderKind.ValueType, amount_minor: int = 0, *, method: str = ""
) -> wallet_pb2.TenderRequest:
    """Ask for one tender; without an amount, for as much as it has."""
    return wallet_pb2.TenderRequest(kind=kind, amount_minor=amount_minor, payment_method_id=method)


async def settled_books(stack: Stack, shop: Shop) -> dict[str, int]:
    """Give the trial balance once everything that happened before is booked: the audit waits for it, and says so."""
    report = await asyncio.to_thread(stack.verify)
    assert report["ok"], [check for check in report["checks"] if not check["ok"]]
    return await shop.general_ledger()


async def eventually(look: Callable[[], Awaitable[T]], wanted: T) -> T:
    """Look until it is as wanted, or until time is over, and give what was seen last."""
    seen = await look()
    try:
        async with asyncio.timeout(BOOKS_SECONDS_MAX):
            while seen != wanted:
                await asyncio.sleep(0.1)
                seen = await look()
    except TimeoutError:
        pass
    return seen


def groceries(shop: Shop, shopper: Shopper) -> pb.Ticket:
    """Give a basket of 51.49 EUR, of which a supplier's coupon pays 1.50: 49.99 are due."""
    return shop.basket(
        shopper,
        line(1, "Private", 2_150, coupon=150),
        line(2, "National", 2_999),
        line(3, "National", 0),
    )


async def earned(shop: Shop, ticket: pb.Ticket) -> dict[int, int]:
    """Give what the ticket of a settled checkout earned, by loyalty currency."""
    settlement = await shop.follower.settlement(ticket.key)
    return {award.currency: award.quantity for award in settlement.decision.awards}
