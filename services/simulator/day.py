"""The simulated day: all services' clocks move to its end, and what is over expires."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from cagnotte.common.v1 import clock_service_pb2 as clock_pb
from cagnotte.points.v1 import points_service_pb2 as points_pb
from services.common.kernel.clock import end_of_business_day
from services.simulator.errors import ClockNotSimulatedError
from services.simulator.stack import Stack


@dataclass(slots=True)
class DayMover:
    """Moves business time forwards; a day that a stack has left behind stays left behind."""

    _stack: Stack
    _now: datetime

    @classmethod
    async def of(cls, stack: Stack) -> Self:
        """Read the clocks; raise ClockNotSimulatedError when one of them cannot be moved."""
        answers = await asyncio.gather(
            *(
                stack.operator.call(clock.GetTime, clock_pb.GetTimeRequest())
                for clock in stack.clocks
            )
        )
        if not all(answer.simulated for answer in answers):
            message = (
                "A replay moves the business time from day to day, and this stack's is the machine's: start another "
                "one with `cagnotte up --clock simulated --dir FOLDER`, and replay into that."
            )
            raise ClockNotSimulatedError(message)
        times = (answer.business_time.ToDatetime(UTC) for answer in answers)
        return cls(stack, max(times))

    @property
    def now(self) -> datetime:
        """Give where the clocks stand."""
        return self._now

    def has_seen(self, day: date) -> bool:
        """Tell whether the clocks stand at the day's end or later: an earlier replay may have sent its tickets."""
        return self._now >= end_of_business_day(day)

    async def move_to_end_of(self, day: date) -> None:
        """Move every clock to the last instant of the day in Paris, then sweep expired value."""
        self._now = max(self._now, end_of_business_day(day))
        request = clock_pb.SetTimeRequest()
        request.business_time.FromDatetime(self._now)
        operator = self._stack.operator
        await asyncio.gather(
            *(operator.call(clock.SetTime, request) for clock in self._stack.clocks)
        )
        await operator.call(self._stack.points.ExpireValue, points_pb.ExpireValueRequest())
