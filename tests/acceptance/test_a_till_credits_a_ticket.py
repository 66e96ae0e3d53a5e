"""Journey 1: a till sends a ticket, the member is credited and told why, the books follow."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.common.v1 import clock_service_pb2, clock_service_pb2_grpc, money_pb2
from cagnotte.ledger.v1 import ledger_service_pb2, ledger_service_pb2_grpc
from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from cagnotte.points.v1 import points_service_pb2_grpc
from deploy.programmes import load_publish_request, read_programme
from services.common.kernel.ids import new_uuid7
from tests.acceptance.conftest import Stack

if TYPE_CHECKING:
    from cagnotte.ledger.v1.ledger_service_pb2_grpc import LedgerServiceAsyncStub
    from cagnotte.points.v1.points_service_pb2_grpc import PointsServiceAsyncStub

NOW = datetime(2017, 1, 5, 18, tzinfo=UTC)
CARD = "2990000001234"
STORE = "0330"
BOOKS_SECONDS_MAX = 60
"""The books follow by event: within a second, but a busy machine is given time."""


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who takes part, each with what the API lets them do."""

    till: "PointsServiceAsyncStub"
    shopper: "PointsServiceAsyncStub"
    service: "PointsServiceAsyncStub"
    operator: "PointsServiceAsyncStub"
    finance: "LedgerServiceAsyncStub"
    customer_id: str


@pytest.fixture
async def people(stack: Stack) -> AsyncIterator[People]:
    """Open everybody's channel, and set the clocks to an evening in January."""
    async with AsyncExitStack() as opened:
        channels = {
            kind: await opened.enter_async_context(stack.channel("points", kind))
            for kind in ("till", "shopper", "service", "operator")
        }
        points = {
            kind: points_service_pb2_grpc.PointsServiceStub(channel)
            for kind, channel in channels.items()
        }
        ledger = await opened.enter_async_context(stack.channel("ledger", "finance"))
        for service in ("ledger", "points"):
            channel = await opened.enter_async_context(stack.channel(service, "operator"))
            clock = clock_service_pb2_grpc.ClockServiceStub(channel)
            await clock.SetTime(clock_service_pb2.SetTimeRequest(business_time=timestamp(NOW)))
        yield People(
            **points,
            finance=ledger_service_pb2_grpc.LedgerServiceStub(ledger),
            customer_id=subject_of(stack.token("shopper")),
        )


def timestamp(instant: datetime) -> Timestamp:
    """Give the message of an instant."""
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def subject_of(token: str) -> str:
    """Read whom a token speaks for, as any client may."""
    payload = token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"])


def line(number: int, brand: str, sales_minor: int, *, coupon: int = 0) -> pb.TicketLine:
    """Give one grocery line."""
    return pb.TicketLine(
        line_number=number,
        product_id=f"10{number}",
        department="GROCERY",
        brand=brand,
        quantity_milli=1000,
        sales_minor=sales_minor,
        supplier_coupon_minor=coupon,
        vat_rate_bp=550,
    )


def basket(sequence: int) -> rpc.RecordTicketRequest:
    """Give a basket of 51.49 EUR, of which a supplier's coupon pays 1.50."""
    return rpc.RecordTicketRequest(
        request_id=str(new_uuid7()),
        ticket=pb.Ticket(
            key=pb.TicketKey(
                store_id=STORE,
                business_date="2017-01-05",
                till_id="07",
                sequence=sequence,
                kind=pb.TICKET_KIND_SALE,
            ),
            occur_time=timestamp(NOW - timedelta(minutes=1)),
            card_number=CARD,
            channel=pb.CHANNEL_STORE,
            currency_code="EUR",
            lines=[
                line(1, "Private", 2_150, coupon=150),
                line(2, "National", 2_999),
                line(3, "National", 0),
            ],
            tenders=[
                pb.Tender(kind=pb.TENDER_KIND_CARD, amount_minor=4_999),
                pb.Tender(kind=pb.TENDER_KIND_SUPPLIER_COUPON, amount_minor=150),
            ],
            total_minor=5_149,
        ),
    )


async def balance_of(people: People, account: str) -> int:
    """Ask finance's question: what is on an account now? Nothing while it does not exist."""
    totals = await people.finance.GetJournalTotals(ledger_service_pb2.GetJournalTotalsRequest())
    if not totals.transactions:
        return 0
    request = ledger_service_pb2.GetBalanceRequest(account=account)
    return (await people.finance.GetBalance(request)).balance.posted


async def eventually(look: Callable[[], Awaitable[int]], wanted: int) -> int:
    """Look until the books have followed, and give what was seen last."""
    async with asyncio.timeout(BOOKS_SECONDS_MAX):
        while (seen := await look()) != wanted:  # noqa: ASYNC110 -- another process changes it
            await asyncio.sleep(0.1)
    return seen


class TestATillCreditsATicket:
    async def test_and_the_shopper_and_the_books_know(self, people: People) -> None:
        """The till hears how much and why, the shopper sees it, the ledger's quantities follow."""
        await people.operator.PublishProgramme(load_publish_request(read_programme("demo")))
        member_id = str(new_uuid7())
        member = rpc.NewMember(
            member_id=member_id, customer_id=people.customer_id, card_numbers=[CARD]
        )
        await people.service.EnrolMembers(rpc.EnrolMembersRequest(members=[member]))
        request = basket(1)

        outcome = (await people.till.RecordTicket(request)).outcome
        again = (await people.till.RecordTicket(request)).outcome
        balances = await people.shopper.GetBalances(
            rpc.GetBalancesRequest(customer_id=people.customer_id)
        )

        # 51.49 - 1.50 = 49.99: 49 whole euros; 5 % of 21.50 - 1.50 = 1.00.
        assert outcome.status == pb.TICKET_STATUS_RECORDED
        assert [award.quantity for award in outcome.decision.awards] == [49, 100]
        points_reason, kitty_reason = outcome.reasons
        assert points_reason == (
            "49 points on 49.99 EUR by rule points of demo, version 1; usable until 2017-07-31."
        )
        assert kitty_reason.startswith("1.00 EUR of kitty on 20.00 EUR by rule kitty of demo")
        assert kitty_reason.endswith("usable until 2018-03-31.")
        for award in outcome.decision.awards:
            assert sum(share.quantity for share in award.shares) == award.quantity
        assert again.replayed
        assert again.decision == outcome.decision
        assert {item.currency: item.available for item in balances.balances} == {
            money_pb2.LOYALTY_CURRENCY_POINTS: 49,
            money_pb2.LOYALTY_CURRENCY_KITTY: 100,
        }
        for currency, quantity in (("points", 49), ("kitty", 100)):
            account = f"loyalty/{currency}/members/{member_id}"

            async def look(account: str = account) -> int:
                return await balance_of(people, account)

            assert await eventually(look, quantity) == quantity
        sale = await balance_of(people, f"gl/511500/stores/{STORE}")
        assert abs(sale) == 4_999, "the card payment is booked once, however often it is sent"
