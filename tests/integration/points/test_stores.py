"""A till whose identity names its store records tickets of no other."""

import grpc
import pytest

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from cagnotte.points.v1 import points_service_pb2_grpc
from services.common.runtime.config import CallerKind
from services.common.runtime.grpc_client import parse_error
from tests.integration.points.conftest import Channels
from tests.integration.points.test_service import ticket_request


class TestStores:
    async def test_a_till_records_for_its_own_store(self, channels: Channels) -> None:
        """Alone, a ticket of another store fails the call; in a queue, it is refused and holds up nothing."""
        till = points_service_pb2_grpc.PointsServiceStub(
            channels(CallerKind.TILL, "0330/07", ["0330"])
        )
        own, foreign = ticket_request(1), ticket_request(2)
        foreign.ticket.key.store_id = "0331"

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await till.RecordTicket(foreign)
        queue = await till.RecordTickets(rpc.RecordTicketsRequest(tickets=[foreign, own]))

        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert parse_error(refused.value).reason == "CALLER_NOT_ALLOWED"
        first, second = queue.outcomes
        assert (first.status, first.refusal.reason) == (
            pb.TICKET_STATUS_REFUSED,
            "CALLER_NOT_ALLOWED",
        )
        assert second.status == pb.TICKET_STATUS_RECORDED

    async def test_a_till_that_names_no_store_is_not_limited(self, channels: Channels) -> None:
        """Nothing changes for a till without the claim."""
        till = points_service_pb2_grpc.PointsServiceStub(channels(CallerKind.TILL, "0331/07"))

        answer = await till.RecordTicket(ticket_request(1))

        assert answer.outcome.status == pb.TICKET_STATUS_RECORDED
