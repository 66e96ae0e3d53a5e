"""Load generators, without a server."""

import asyncio
from itertools import count

import pytest

from services.bench.errors import BenchError
from services.bench.load import closed_loop, open_loop


class TestClosedLoop:
    async def test_has_no_more_calls_under_way_than_callers(self) -> None:
        """Each caller waits for its answer before it calls again."""
        running = most = 0

        async def call(_: int) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            return 2

        done = await closed_loop(call, count(), callers=3, seconds=1.0)

        assert most == 3
        assert done.units % 2 == 0
        assert done.rate <= done.units

    async def test_says_that_nothing_was_answered(self) -> None:
        """A rate of zero is no figure."""

        async def call(_: int) -> int:
            await asyncio.sleep(0.3)
            return 1

        with pytest.raises(BenchError, match="Nothing was answered"):
            await closed_loop(call, count(), callers=1, seconds=0.1)


class TestOpenLoop:
    async def test_counts_the_wait_of_calls_behind_a_stall(self) -> None:
        """Calls that were due while the server stood still tell of it, each with its own wait."""
        door = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, door.set)

        async def call(_: int) -> int:
            await door.wait()
            return 1

        seen = await open_loop(call, count(), rate=200, seconds=0.1, seed=1)

        assert 0 < seen.p50_ms <= seen.p99_ms
        assert seen.units > 10
