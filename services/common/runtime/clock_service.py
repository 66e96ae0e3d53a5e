"""The servicer of ``cagnotte.common.v1.ClockService``, which every service offers."""

from typing import Any

import grpc

from cagnotte.common.v1 import clock_service_pb2, clock_service_pb2_grpc
from services.common.runtime.clock import ServiceClock
from services.common.runtime.grpc_server import Registration
from services.common.runtime.timestamps import parse_time, render_time


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
            business_time=render_time(self._clock()), simulated=self._clock.simulated
        )

    async def SetTime(  # noqa: N802 -- the RPC's name
        self,
        request: clock_service_pb2.SetTimeRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002 -- gRPC's signature
    ) -> clock_service_pb2.SetTimeResponse:
        """Move the simulated clock forwards."""
        now = await self._clock.set_time(parse_time(request.business_time, "business_time"))
        return clock_service_pb2.SetTimeResponse(business_time=render_time(now))


def clock_registration(clock: ServiceClock) -> Registration:
    """Register the clock service with a server that is being built."""
    return Registration(
        clock_service_pb2.DESCRIPTOR.services_by_name["ClockService"],
        clock_service_pb2_grpc.add_ClockServiceServicer_to_server,
        ClockServicer(clock),
    )
