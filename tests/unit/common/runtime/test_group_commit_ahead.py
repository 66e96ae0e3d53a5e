"""Group commit with two batches under way: the next one is begun before the first has landed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.runtime.group_commit import BatchFailed, GroupCommit


class Pipeline:
    """A commit function that notes when batches begin, and lands each when the test opens its gate."""

    def __init__(self) -> None:
        self.begun: list[list[int]] = []
        self.gates: list[asyncio.Event] = []
        self.failures: dict[int, Exception] = {}
        self.open = False

    async def commit(self, commands: Sequence[int]) -> list[str]:
        """Wait at this batch's gate, then fail if the test wants it so."""
        number = len(self.begun)
        self.begun.append(list(commands))
        self.gates.append(asyncio.Event())
        if not self.open:
            await self.gates[number].wait()
        if number in self.failures:
            raise self.failures[number]
        return [f"done {command}" for command in commands]

    def land_all(self) -> None:
        """Let everything land, from now on at once."""
        self.open = True
        for gate in self.gates:
            gate.set()


@asynccontextmanager
async def running(
    pipeline: Pipeline, *, batch_max: int = 4, ahead_min: int = 2
) -> AsyncIterator[GroupCommit[int, str]]:
    """Run an engine with two batches in flight, and drain it at the end."""
    engine = GroupCommit(
        pipeline.commit, batch_max=batch_max, queue_max=100, in_flight_max=2, ahead_min=ahead_min
    )
    runner = asyncio.create_task(engine.run())
    try:
        yield engine
    finally:
        pipeline.land_all()
        await engine.stop()
        await asyncio.gather(runner, return_exceptions=True)


async def turns(count: int = 10) -> None:
    """Let tasks go on as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


class TestAhead:
    async def test_two_are_under_way_and_no_third(self) -> None:
        """The second begins while the first is at work; the third waits until one has landed."""
        pipeline = Pipeline()
        async with running(pipeline) as engine:
            calls = [asyncio.create_task(engine.submit_many([n, n + 1])) for n in (0, 10, 20, 30)]
            await turns()
            more = asyncio.create_task(engine.submit_many([40, 41]))
            await turns()
            assert pipeline.begun == [[0, 1, 10, 11], [20, 21, 30, 31]]
            assert not any(call.done() for call in calls)

            pipeline.gates[0].set()
            await turns()
            assert pipeline.begun[2:] == [[40, 41]]
            assert [call.done() for call in calls] == [True, True, False, False]
            pipeline.land_all()
            assert await more == ["done 40", "done 41"]

    async def test_few_wait_for_the_next_batch(self) -> None:
        """Less than ``ahead_min`` is not worth a batch of its own; it is begun when the first has landed."""
        pipeline = Pipeline()
        async with running(pipeline, ahead_min=3) as engine:
            first = asyncio.create_task(engine.submit(0))
            await turns()
            few = [asyncio.create_task(engine.submit(n)) for n in (1, 2)]
            await turns()
            assert pipeline.begun == [[0]]

            pipeline.gates[0].set()
            await first
            await turns()
            assert pipeline.begun == [[0], [1, 2]]
            pipeline.land_all()
            await asyncio.gather(*few)

    async def test_the_rest_of_a_call_waits_for_its_beginning(self) -> None:
        """When the first part fails, the rest is dropped: it is never applied without what comes before it."""
        pipeline = Pipeline()
        pipeline.failures[0] = TimeoutError()
        async with running(pipeline) as engine:
            long = asyncio.create_task(engine.submit_many(range(7)))
            await turns()
            behind = asyncio.create_task(engine.submit_many([8, 9]))
            await turns()
            assert pipeline.begun == [[0, 1, 2, 3]]

            pipeline.land_all()
            with pytest.raises(BatchFailed):
                await long
            assert await behind == ["done 8", "done 9"]
        assert pipeline.begun == [[0, 1, 2, 3], [8, 9]]

    async def test_no_call_is_cut_that_fits_into_a_batch(self) -> None:
        """It begins the next batch instead, so that its parts need not wait for one another."""
        pipeline = Pipeline()
        pipeline.open = True
        async with running(pipeline) as engine:
            await asyncio.gather(*[engine.submit_many([n, n + 1, n + 2]) for n in (0, 10, 20)])

        assert pipeline.begun == [[0, 1, 2], [10, 11, 12], [20, 21, 22]]

    async def test_a_failure_of_one_is_not_the_others(self) -> None:
        """Both are under way; the first fails, the second is answered."""
        pipeline = Pipeline()
        pipeline.failures[0] = ConnectionResetError()
        async with running(pipeline) as engine:
            first = asyncio.create_task(engine.submit_many(range(4)))
            second = asyncio.create_task(engine.submit_many(range(10, 14)))
            await turns()
            assert len(pipeline.begun) == 2
            pipeline.land_all()

            with pytest.raises(BatchFailed):
                await first
            assert await second == [f"done {n}" for n in range(10, 14)]

    async def test_a_cancelled_engine_tells_the_callers_of_both(self) -> None:
        """Nobody hangs, in whichever batch or in the queue."""
        pipeline = Pipeline()
        engine = GroupCommit(
            pipeline.commit, batch_max=2, queue_max=10, in_flight_max=2, ahead_min=1
        )
        runner = asyncio.create_task(engine.run())
        calls = [asyncio.create_task(engine.submit_many([n, n])) for n in range(3)]
        await turns()
        assert len(pipeline.begun) == 2
        runner.cancel()

        answers = await asyncio.gather(*calls, return_exceptions=True)

        assert [type(answer) for answer in answers] == [BatchFailed] * 3

    @given(
        st.lists(st.lists(st.integers(0, 50), max_size=12), max_size=12),
        st.integers(min_value=1, max_value=7),
        st.integers(min_value=1, max_value=9),
    )
    def test_every_caller_gets_its_own_results(
        self, calls: list[list[int]], batch_max: int, ahead_min: int
    ) -> None:
        """However calls are cut, batches begin in the order of the queue, and results match."""

        async def scenario() -> None:
            pipeline = Pipeline()
            async with running(pipeline, batch_max=batch_max, ahead_min=ahead_min) as engine:
                pending = asyncio.gather(*(engine.submit_many(call) for call in calls))
                await turns()
                pipeline.land_all()
                answers = await pending
            assert [c for batch in pipeline.begun for c in batch] == [c for x in calls for c in x]
            assert all(0 < len(batch) <= batch_max for batch in pipeline.begun)
            assert answers == [[f"done {c}" for c in call] for call in calls]

        asyncio.run(scenario())
