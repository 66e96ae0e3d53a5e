"""The servicer of ``cagnotte.common.v1.ClockService``, which every service offers."""

from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.common.v1 import clock_service_pb2, clock_service_pb2_grpc
from services.common.runtime.clock import ServiceClock
from services.common.runtime.grpc_server import Registration
from services.common.runtime.validation import FieldInvalid


class ClockServicer(clock_service_pb2_grpc.ClockServiceServicer):
    """Tells the business time and, on a simulated clock, moves it."""

    def __init__(self, clock: ServiceClock) -> None:
        """Take the service's clock."""
        self._clock = clock

    async def GetTime(  # noqa: N802 -- the RPC's name
        self,
        request: clock_service_pb2.GetTimeRequest,  # noqa: ARG002 -- gRPC's signature
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 -- the same
    ) -> clock_service_pb2.GetTimeResponse:
        """Tell the business time."""
        return clock_service_pb2.GetTimeResponse(
            business_time=_render(self._clock()), simulated=self._clock.simulated
        )

    async def SetTime(  # noqa: N802 -- the RPC's name
        self,
        request: clock_service_pb2.SetTimeRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 -- gRPC's signature
    ) -> clock_service_pb2.SetTimeResponse:
        """Move the simulated clock forwards."""
        now = await self._clock.set_time(_parse(request.business_time))
        return clock_service_pb2.SetTimeResponse(business_time=_render(now))


def clock_registration(clock: ServiceClock) -> Registration:
    """Register the clock service with a server that is being built."""
    return Registration(
        clock_service_pb2.DESCRIPTOR.services_by_name["ClockService"],
        clock_service_pb2_grpc.add_ClockServiceServicer_to_server,
        ClockServicer(clock),
    )


def _parse(time: Timestamp) -> datetime:
    try:
        return time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        path = "business_time"
        raise FieldInvalid(
            f"{path}: no such time", violations=[(path, "no such time")], field=path
        ) from None


def _render(instant: datetime) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(instant)
    return time
