"""More tickets than the service can hold: it says so at once, keeps working, and is itself again afterwards."""

import asyncio
from collections.abc import Sequence

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from services.common.runtime.config import CallerKind
from services.common.runtime.grpc_client import parse_error
from tests.integration.points.conftest import Channels
from tests.integration.points.test_service import Stub, enrol, stub, ticket_request

QUEUE_MAX = 20
TICKETS = 300
WAVES = 3


@pytest.fixture
def short_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service hold only a few commands at a time; ask for it before the service starts."""
    monkeypatch.setenv("POINTS_BATCH_MAX", "10")
    monkeypatch.setenv("POINTS_QUEUE_MAX", str(QUEUE_MAX))
    monkeypatch.setenv("POINTS_LOG__LEVEL", "error")


async def send(
    till: Stub, requests: Sequence[rpc.RecordTicketRequest]
) -> tuple[list[rpc.RecordTicketRequest], list[grpc.aio.AioRpcError]]:
    """Send all at the same moment; give those that must be sent again, with why."""
    answers = await asyncio.gather(
        *(till.RecordTicket(request) for request in requests), return_exceptions=True
    )
    refused = []
    errors = []
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, grpc.aio.AioRpcError):
            refused.append(request)
            errors.append(answer)
        else:
            assert isinstance(answer, rpc.RecordTicketResponse), answer
            assert answer.outcome.status == pb.TICKET_STATUS_RECORDED
    return refused, errors


def retry_delay_ms(error: grpc.aio.AioRpcError) -> float:
    """Give how long the service asks its caller to wait; 0 when it does not say."""
    info = error_details_pb2.RetryInfo()
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # its asynchronous form fits
    assert status is not None
    found = any(detail.Unpack(info) for detail in status.details)
    return info.retry_delay.ToMilliseconds() if found else 0


@pytest.mark.usefixtures("short_queue")
class TestOverload:
    async def test_is_answered_at_once_with_when_to_try_again(self, channels: Channels) -> None:
        """Whoever finds no room hears RESOURCE_EXHAUSTED, its reason and a pause, and left no trace."""
        till = stub(channels, CallerKind.TILL)
        await enrol(stub(channels, CallerKind.OPERATOR))

        refused, errors = await send(till, [ticket_request(n) for n in range(1, TICKETS + 1)])

        assert refused
        for error in errors:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert parse_error(error)[0] == "QUEUE_FULL"
            assert retry_delay_ms(error) > 0
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await till.GetTicket(rpc.GetTicketRequest(key=refused[0].ticket.key))
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND

    async def test_does_not_stop_the_work(self, channels: Channels) -> None:
        """Wave upon wave, as many as there is room for are recorded each time."""
        till = stub(channels, CallerKind.TILL)
        await enrol(stub(channels, CallerKind.OPERATOR))

        for wave in range(WAVES):
            first = 1 + wave * TICKETS
            requests = [ticket_request(n) for n in range(first, first + TICKETS)]
            refused, _ = await send(till, requests)
            assert len(requests) - len(refused) >= QUEUE_MAX

    async def test_ends_with_every_ticket_recorded_once(self, channels: Channels) -> None:
        """Callers that wait as they are told get through, and then a lone call is served at once."""
        till = stub(channels, CallerKind.TILL)
        await enrol(stub(channels, CallerKind.OPERATOR))
        waiting = [ticket_request(n) for n in range(1, TICKETS + 1)]

        async with asyncio.timeout(60):
            while waiting:
                waiting, errors = await send(till, waiting)
                if errors:
                    await asyncio.sleep(retry_delay_ms(errors[0]) / 1000)
        await till.RecordTicket(ticket_request(TICKETS + 1))

        totals = await stub(channels, CallerKind.FINANCE).GetLoyaltyTotals(
            rpc.GetLoyaltyTotalsRequest()
        )
        counts = {fact.event_type: fact.count for fact in totals.fact_counts}
        assert counts["TICKET_RECORDED"] == TICKETS + 1
