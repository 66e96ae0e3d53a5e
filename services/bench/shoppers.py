"""Shoppers who pay by phone: members with kitty to spend, an enrolled card, and a prepaid balance."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as pb
from services.bench.errors import BenchError
from services.bench.stack import BenchStack
from services.common.kernel.clock import business_date
from services.common.kernel.ids import new_uuid7
from services.replaying import endpoints_of
from services.simulator.calls import Patience
from services.simulator.phones import Phone
from services.simulator.stack import Stack, open_stack

SHOPPERS: Final = 200

CARD: Final = "pm_card_visa"

_TOP_UP_MINOR: Final = 50_000
_KITTY_BASE_MINOR: Final = 1_000_000
"""What each shopper has bought of the own brand; it earns 500.00 EUR of kitty."""

_AT_A_TIME: Final = 16
_SHOPPERS: Final = uuid5(NAMESPACE_URL, "https://cagnotte.example/bench/shoppers")


def customer_id(number: int) -> UUID:
    """Give the customer id of a shopper by number."""
    return uuid5(_SHOPPERS, f"customer {number}")


def member_id(number: int) -> UUID:
    """Give the member id of a shopper by number."""
    return uuid5(_SHOPPERS, f"member {number}")


async def make_shoppers(stack: BenchStack) -> None:
    """Enroll everybody with everything over the public API; return when all of it can be spent."""
    async with AsyncExitStack() as resources:
        opened = await resources.enter_async_context(
            open_stack(endpoints_of(stack.paths), patience=Patience())
        )
        await opened.operator.call(opened.points.EnrolMembers, _enrolment())
        answer = await opened.till.call(opened.points.RecordTickets, _purchases())
        if any(outcome.status != points_pb2.TICKET_STATUS_RECORDED for outcome in answer.outcomes):
            raise BenchError("The shoppers' first tickets were not recorded.")
        shoppers = iter(range(SHOPPERS))
        await asyncio.gather(*(_equip(opened, shoppers) for _ in range(_AT_A_TIME)))


async def _equip(stack: Stack, shoppers: Iterator[int]) -> None:
    for number in shoppers:
        phone = Phone.of(stack, customer_id(number))
        await phone.enrol(CARD, request_id=new_uuid7())
        await phone.top_up(_TOP_UP_MINOR, card=CARD, request_id=new_uuid7())
        await phone.wait_for_prepaid(_TOP_UP_MINOR)


def _enrolment() -> pb.EnrolMembersRequest:
    return pb.EnrolMembersRequest(
        members=[
            pb.NewMember(
                member_id=str(member_id(number)),
                customer_id=str(customer_id(number)),
                card_numbers=[f"CP{number:08d}"],
            )
            for number in range(SHOPPERS)
        ]
    )


def _purchases() -> pb.RecordTicketsRequest:
    """Make the tickets whose kitty is spent later."""
    sold = datetime.now(UTC) - timedelta(hours=2)
    return pb.RecordTicketsRequest(tickets=[_purchase(number, sold) for number in range(SHOPPERS)])


def _purchase(number: int, sold: datetime) -> pb.RecordTicketRequest:
    request = pb.RecordTicketRequest(request_id=str(new_uuid7()))
    ticket = request.ticket
    ticket.key.store_id = "0001"
    ticket.key.business_date = business_date(sold).isoformat()
    ticket.key.till_id = "99"
    ticket.key.sequence = number + 1
    ticket.key.kind = points_pb2.TICKET_KIND_SALE
    ticket.occur_time.FromDatetime(sold)
    ticket.member_id = str(member_id(number))
    ticket.channel = points_pb2.CHANNEL_STORE
    ticket.currency_code = "EUR"
    ticket.lines.add(
        line_number=1,
        department="GROCERY",
        brand="Private",
        quantity_milli=1_000,
        sales_minor=_KITTY_BASE_MINOR,
        vat_rate_bp=550,
    )
    ticket.tenders.add(kind=points_pb2.TENDER_KIND_CARD, amount_minor=_KITTY_BASE_MINOR)
    ticket.total_minor = _KITTY_BASE_MINOR
    return request
