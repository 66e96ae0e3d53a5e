"""Moving the simulated day: forwards only, all services, then the sweep."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cagnotte.common.v1 import clock_service_pb2 as clock_pb
from cagnotte.points.v1 import points_service_pb2 as points_pb
from services.simulator.calls import Identity, Patience
from services.simulator.day import DayMover
from services.simulator.errors import ClockNotSimulatedError


class ClockDouble:
    """One service's clock; it writes what happens into a shared diary."""

    def __init__(self, diary: list[object], now: datetime, *, simulated: bool = True) -> None:
        self._diary = diary
        self._now = now
        self._simulated = simulated

    async def GetTime(  # noqa: N802 -- the RPC's name
        self, _: clock_pb.GetTimeRequest, **__: Any
    ) -> clock_pb.GetTimeResponse:
        """Tell the time."""
        response = clock_pb.GetTimeResponse(simulated=self._simulated)
        response.business_time.FromDatetime(self._now)
        return response

    async def SetTime(  # noqa: N802 -- the RPC's name
        self, request: clock_pb.SetTimeRequest, **__: Any
    ) -> clock_pb.SetTimeResponse:
        """Note the time."""
        self._diary.append(request.business_time.ToDatetime(UTC))
        return clock_pb.SetTimeResponse()

    async def ExpireValue(  # noqa: N802 -- the RPC's name
        self, _: points_pb.ExpireValueRequest, **__: Any
    ) -> points_pb.ExpireValueResponse:
        """Note the sweep."""
        self._diary.append("swept")
        return points_pb.ExpireValueResponse()


def stack_of(*clocks: ClockDouble) -> Any:
    """Make a stack with these clocks."""
    return SimpleNamespace(
        clocks=clocks, points=clocks[0], operator=Identity("token", patience=Patience())
    )


class TestDayMover:
    async def test_moves_every_clock_to_the_days_end_and_sweeps(self) -> None:
        """The last instant of a Paris day in winter is an hour before midnight in UTC."""
        diary: list[object] = []
        start = datetime(2017, 1, 1, tzinfo=UTC)
        mover = await DayMover.of(stack_of(ClockDouble(diary, start), ClockDouble(diary, start)))

        await mover.move_to_end_of(date(2017, 1, 1))

        end = datetime(2017, 1, 1, 22, 59, 59, 999_999, tzinfo=UTC)
        assert diary == [end, end, "swept"]

    async def test_never_goes_back(self) -> None:
        """A stack that has seen a later day keeps its time when an earlier one is sent again."""
        diary: list[object] = []
        later = datetime(2017, 6, 1, tzinfo=UTC)
        mover = await DayMover.of(stack_of(ClockDouble(diary, later)))

        await mover.move_to_end_of(date(2017, 1, 1))

        assert diary == [later, "swept"]

    async def test_refuses_a_stack_on_the_machines_clock(self) -> None:
        """An old year cannot be replayed into the present, and the message says what to do."""
        clock = ClockDouble([], datetime(2026, 1, 1, tzinfo=UTC), simulated=False)

        with pytest.raises(ClockNotSimulatedError, match="--clock simulated"):
            await DayMover.of(stack_of(clock))
