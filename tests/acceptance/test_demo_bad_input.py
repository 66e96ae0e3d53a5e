"""Bad input in the demo's own world: a clear answer, nothing written, and the books go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from cagnotte.common.v1 import clock_service_pb2, clock_service_pb2_grpc
from cagnotte.ledger.v1 import ledger_service_pb2, ledger_service_pb2_grpc
from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from cagnotte.points.v1 import points_service_pb2_grpc
from services.common.kernel.clock import business_date
from services.common.kernel.ids import new_uuid7
from services.common.runtime.grpc_client import parse_error
from tests.acceptance.conftest import Demo

if TYPE_CHECKING:
    from cagnotte.ledger.v1.ledger_service_pb2_grpc import LedgerServiceAsyncStub
    from cagnotte.points.v1.points_service_pb2_grpc import PointsServiceAsyncStub

TOPIC = "cagnotte.points.v1.loyalty"
BOOKS_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class World:
    """The demo's stack through the eyes of a till and of finance, and its present time."""

    till: "PointsServiceAsyncStub"
    finance: "LedgerServiceAsyncStub"
    now: datetime
    kafka: str

    def ticket(self, sequence: int, *, total_minor: int = 1_000) -> rpc.RecordTicketRequest:
        """Make a valid anonymous ticket of a store that the demo's data does not have."""
        request = rpc.RecordTicketRequest(request_id=str(new_uuid7()))
        ticket = request.ticket
        ticket.key.store_id = "9999"
        ticket.key.business_date = business_date(self.now).isoformat()
        ticket.key.till_id = "01"
        ticket.key.sequence = sequence
        ticket.key.kind = pb.TICKET_KIND_SALE
        ticket.occur_time.FromDatetime(self.now - timedelta(hours=1))
        ticket.channel = pb.CHANNEL_STORE
        ticket.currency_code = "EUR"
        ticket.lines.add(
            line_number=1,
            department="GROCERY",
            brand="National",
            quantity_milli=1_000,
            sales_minor=total_minor,
            vat_rate_bp=550,
        )
        ticket.tenders.add(kind=pb.TENDER_KIND_CASH, amount_minor=total_minor)
        ticket.total_minor = total_minor
        return request

    async def cash_booked(self) -> int:
        """Give what the books say is in the till of the tests' store; 0 before its first sale."""
        request = ledger_service_pb2.GetBalanceRequest(account="gl/530000/stores/9999")
        try:
            return -(await self.finance.GetBalance(request)).balance.posted
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return 0

    async def wait_for_cash(self, wanted: int) -> None:
        """Wait until the books say so; they follow by event."""
        async with asyncio.timeout(BOOKS_SECONDS_MAX):
            while await self.cash_booked() != wanted:  # noqa: ASYNC110 -- another process changes it
                await asyncio.sleep(0.2)


@pytest.fixture
async def world(demo: Demo) -> AsyncIterator[World]:
    """Open the channels, and read the time at which the demo ended."""
    async with AsyncExitStack() as opened:
        points = await opened.enter_async_context(demo.stack.channel("points", "till"))
        ledger = await opened.enter_async_context(demo.stack.channel("ledger", "finance"))
        clock = clock_service_pb2_grpc.ClockServiceStub(points)
        answer = await clock.GetTime(clock_service_pb2.GetTimeRequest())
        yield World(
            till=points_service_pb2_grpc.PointsServiceStub(points),
            finance=ledger_service_pb2_grpc.LedgerServiceStub(ledger),
            now=answer.business_time.ToDatetime(UTC),
            kafka=demo.stack.exports["CAGNOTTE_KAFKA"],
        )


async def refusal_of(world: World, request: rpc.RecordTicketRequest) -> tuple[Any, str, list[str]]:
    """Send a ticket that must be refused; give code, reason and the fields to blame."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.till.RecordTicket(request)
    reason, _, violations = parse_error(caught.value)
    return caught.value.code(), reason, [field for field, _ in violations]


async def is_recorded(world: World, key: pb.TicketKey) -> bool:
    """Tell whether anything is kept under the key."""
    try:
        await world.till.GetTicket(rpc.GetTicketRequest(key=key))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return False
    return True


class TestATillWithAWrongClock:
    @pytest.mark.parametrize(
        ("sequence", "off"), [(101, timedelta(days=2)), (102, timedelta(days=-60))]
    )
    async def test_is_told_so(self, world: World, sequence: int, off: timedelta) -> None:
        """A ticket from the future, or from long ago, is refused by its reason; none is kept."""
        request = world.ticket(sequence)
        wrong = world.now + off
        request.ticket.occur_time.FromDatetime(wrong)
        request.ticket.key.business_date = business_date(wrong).isoformat()

        code, reason, _ = await refusal_of(world, request)

        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert reason == "TICKET_TIME_OUT_OF_RANGE"
        assert not await is_recorded(world, request.ticket.key)


class TestATicketThatDoesNotAddUp:
    async def test_is_refused_with_the_fields_to_blame(self, world: World) -> None:
        """Lines, tenders and total must agree to the cent."""
        request = world.ticket(201)
        request.ticket.total_minor += 1

        code, reason, fields = await refusal_of(world, request)

        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert reason == "TICKET_TOTALS_DIFFER"
        assert fields
        assert not await is_recorded(world, request.ticket.key)

    async def test_disturbs_no_other_ticket_of_the_queue(self, world: World) -> None:
        """In an uploaded queue it is one refusal; its neighbours are recorded and booked."""
        cash = await world.cash_booked()
        before, wrong, after = (world.ticket(number) for number in (202, 203, 204))
        wrong.ticket.lines[0].sales_minor -= 1

        response = await world.till.RecordTickets(
            rpc.RecordTicketsRequest(tickets=[before, wrong, after])
        )

        assert [outcome.status for outcome in response.outcomes] == [
            pb.TICKET_STATUS_RECORDED,
            pb.TICKET_STATUS_REFUSED,
            pb.TICKET_STATUS_RECORDED,
        ]
        assert response.outcomes[1].refusal.reason == "TICKET_TOTALS_DIFFER"
        await world.wait_for_cash(cash + 2_000)


class TestAKeySentAgainWithOtherContent:
    async def test_is_a_conflict_that_keeps_both(self, world: World) -> None:
        """The first ticket stands and is booked once; the other is kept beside it for a person."""
        cash = await world.cash_booked()
        first, other = world.ticket(301), world.ticket(301, total_minor=7_777)

        recorded = (await world.till.RecordTicket(first)).outcome
        conflict = (await world.till.RecordTicket(other)).outcome
        kept = await world.till.GetTicket(rpc.GetTicketRequest(key=first.ticket.key))

        assert recorded.status == pb.TICKET_STATUS_RECORDED
        assert conflict.status == pb.TICKET_STATUS_CONFLICT
        assert conflict.decision == recorded.decision
        assert kept.ticket.total_minor == 1_000
        assert [each.ticket.total_minor for each in kept.conflicts] == [7_777]
        await world.wait_for_cash(cash + 1_000)


class TestAnUnreadableEvent:
    async def test_goes_to_the_dead_letters_and_the_books_go_on(self, world: World) -> None:
        """Noise on a topic is put aside with its reason; the next sale is booked as ever."""
        cash = await world.cash_booked()
        async with AIOKafkaProducer(
            bootstrap_servers=world.kafka, enable_idempotence=False
        ) as producer:
            await producer.send_and_wait(TOPIC, b"\xff not an event", key=b"noise")

        await world.till.RecordTicket(world.ticket(401))
        headers = await dead_letter_of(world.kafka)

        await world.wait_for_cash(cash + 1_000)
        assert headers["dead_reason"] == b"HEADERS_UNREADABLE"
        assert headers["dead_topic"] == TOPIC.encode()
        assert headers["dead_group"] == b"ledger"


async def dead_letter_of(kafka: str) -> dict[str, bytes]:
    """Read the topic of the dead letters from its start; give the headers of the noise."""
    async with asyncio.timeout(BOOKS_SECONDS_MAX):
        async with AIOKafkaConsumer(
            f"{TOPIC}.dead", bootstrap_servers=kafka, auto_offset_reset="earliest"
        ) as consumer:
            while True:
                record = await consumer.getone()
                if record.key == b"noise":
                    return dict(record.headers)


class TestTheProof:
    def test_still_holds(self, demo: Demo) -> None:
        """After all of this, every check of the audit passes."""
        report = demo.verify()

        assert report["ok"]
        assert all(check["ok"] for check in report["checks"])
