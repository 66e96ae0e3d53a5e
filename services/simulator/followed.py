"""What the points service makes of a checkout: it follows by event, and a phone learns it by asking."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from services.simulator.errors import PointsBehindError, ServiceRefusedError
from services.simulator.phones import FOLLOW_SECONDS_MAX, POLL_SECONDS
from services.simulator.stack import Stack


@dataclass(frozen=True, slots=True)
class Follower:
    """Asks for tickets until points has followed; the till's identity suffices."""

    stack: Stack

    async def settlement(self, key: pb.TicketKey) -> pb.TicketSettlement:
        """Wait until the settlement of a ticket's checkout is there. Raises PointsBehindError."""
        answer = await self._ask(key, lambda answer: answer.HasField("settlement"))
        return answer.settlement

    async def reversal(self, key: pb.TicketKey) -> pb.TicketReversal:
        """Wait until the return of a ticket is there. Raises PointsBehindError."""
        answer = await self._ask(key, lambda answer: answer.HasField("reversal"))
        return answer.reversal

    async def is_recorded(self, key: pb.TicketKey) -> bool:
        """Tell whether there is a ticket under the key."""
        return (await self._look(key)).HasField("ticket")

    async def _ask(
        self, key: pb.TicketKey, done: Callable[[rpc.GetTicketResponse], bool]
    ) -> rpc.GetTicketResponse:
        began = monotonic()
        while not done(answer := await self._look(key)):
            if monotonic() - began > FOLLOW_SECONDS_MAX:
                raise PointsBehindError(
                    f"The points service has not followed ticket {key.store_id}/{key.business_date}/"
                    f"{key.till_id}/{key.sequence} after {FOLLOW_SECONDS_MAX:.0f} s."
                )
            await asyncio.sleep(POLL_SECONDS)
        return answer

    async def _look(self, key: pb.TicketKey) -> rpc.GetTicketResponse:
        try:
            return await self.stack.till.call(
                self.stack.points.GetTicket, rpc.GetTicketRequest(key=key)
            )
        except ServiceRefusedError as refusal:
            if refusal.reason != "TICKET_NOT_FOUND":
                raise
            # Neither the till's ticket nor the checkout's event has arrived.
            return rpc.GetTicketResponse()
