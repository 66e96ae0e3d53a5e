"""More tickets than the service can hold: it says so at once, keeps working, and is itself again afterwards."""

import grpc
import pytest

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from services.common.runtime.config import CallerKind
from services.common.testing.postgres import TestDatabase
from tests.integration.overload import (
    CROWD,
    QUEUE_MAX,
    assert_told_to_wait,
    overflow,
    send_until_accepted,
    set_narrow_queue,
)
from tests.integration.points.conftest import Channels
from tests.integration.points.test_service import Stub, enrol, stub, ticket_request

WAVES = 3


@pytest.fixture
def narrow_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service hold only a few commands at a time; ask for it before the service starts."""
    set_narrow_queue(monkeypatch, "POINTS")


def ticket_requests(wave: int = 0) -> list[rpc.RecordTicketRequest]:
    """Give as many tickets as a crowd of tills sends at once."""
    first = 1 + wave * CROWD
    return [ticket_request(number) for number in range(first, first + CROWD)]


async def count_tickets(finance: Stub) -> int:
    """Ask how many tickets are in the books of the service."""
    totals = await finance.GetLoyaltyTotals(rpc.GetLoyaltyTotalsRequest())
    return {fact.event_type: fact.count for fact in totals.fact_counts}.get("TICKET_RECORDED", 0)


@pytest.mark.usefixtures("narrow_queue")
class TestOverload:
    async def test_is_answered_at_once_with_when_to_try_again(
        self, channels: Channels, database: TestDatabase
    ) -> None:
        """Whoever finds no room hears RESOURCE_EXHAUSTED, its reason and a pause, and left no trace."""
        till = stub(channels, CallerKind.TILL)
        await enrol(stub(channels, CallerKind.OPERATOR))

        heard = await overflow(database, till.RecordTicket, ticket_requests())

        assert_told_to_wait(heard.errors)
        for request in heard.refused:
            with pytest.raises(grpc.aio.AioRpcError) as unknown:
                await till.GetTicket(rpc.GetTicketRequest(key=request.ticket.key))
            assert unknown.value.code() is grpc.StatusCode.NOT_FOUND

    async def test_does_not_stop_the_work(self, channels: Channels, database: TestDatabase) -> None:
        """Wave upon wave, as many as there is room for are recorded, and all that were acknowledged once."""
        till = stub(channels, CallerKind.TILL)
        await enrol(stub(channels, CallerKind.OPERATOR))
        accepted = 0

        for wave in range(WAVES):
            heard = await overflow(database, till.RecordTicket, ticket_requests(wave))
            assert len(heard.accepted) >= QUEUE_MAX
            for answer in heard.answers:
                assert answer.outcome.status == pb.TICKET_STATUS_RECORDED
            accepted += len(heard.accepted)

        assert await count_tickets(stub(channels, CallerKind.FINANCE)) == accepted

    async def test_ends_with_every_ticket_recorded_once(
        self, channels: Channels, database: TestDatabase
    ) -> None:
        """Callers that wait as they are told get through, and then a lone call is served."""
        till = stub(channels, CallerKind.TILL)
        await enrol(stub(channels, CallerKind.OPERATOR))

        heard = await overflow(database, till.RecordTicket, ticket_requests())
        await send_until_accepted(till.RecordTicket, heard)
        await till.RecordTicket(ticket_request(CROWD + 1))

        assert await count_tickets(stub(channels, CallerKind.FINANCE)) == CROWD + 1
