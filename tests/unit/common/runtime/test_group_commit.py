"""Group commit: gathering, refusals, failures, cancellation, limits, draining."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.runtime.group_commit import BatchFailed, Draining, GroupCommit, QueueFull


class Ledger:
    """A commit function that keeps its batches, and waits at a gate while it is shut."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.failures: list[Exception] = []

    async def commit(self, commands: Sequence[int]) -> list[str]:
        """Refuse negative commands, fall over the poison 666, accept the rest."""
        self.entered.set()
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        if 666 in commands:
            raise AssertionError("poison")
        self.batches.append(list(commands))
        return [f"refused {c}" if c < 0 else f"done {c}" for c in commands]


@asynccontextmanager
async def running(
    ledger: Ledger, *, batch_max: int = 10, queue_max: int = 100
) -> AsyncIterator[GroupCommit[int, str]]:
    """Run an engine over the ledger, and drain it at the end."""
    engine = GroupCommit(ledger.commit, batch_max=batch_max, queue_max=queue_max)
    runner = asyncio.create_task(engine.run())
    try:
        yield engine
    finally:
        ledger.gate.set()
        await engine.stop()
        await asyncio.gather(runner, return_exceptions=True)


async def shut_in(ledger: Ledger, engine: GroupCommit[int, str]) -> "asyncio.Task[str]":
    """Have one batch of the command 0 wait at the gate."""
    ledger.gate.clear()
    first = asyncio.create_task(engine.submit(0))
    await ledger.entered.wait()
    return first


async def queued(*tasks: "asyncio.Task[str]") -> None:
    """Let tasks run up to their first wait."""
    assert tasks
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class TestGathering:
    """While one batch commits, the next one gathers."""

    async def test_callers_share_the_next_batch(self) -> None:
        """What arrives during a commit is committed together, in order of arrival."""
        ledger = Ledger()
        async with running(ledger) as engine:
            first = await shut_in(ledger, engine)
            rest = [asyncio.create_task(engine.submit(n)) for n in range(1, 6)]
            await queued(*rest)
            ledger.gate.set()

            assert await first == "done 0"
            assert await asyncio.gather(*rest) == [f"done {n}" for n in range(1, 6)]
            assert ledger.batches == [[0], [1, 2, 3, 4, 5]]

    async def test_many_may_span_batches(self) -> None:
        """A long list fills batch after batch, and its results come in its order."""
        ledger = Ledger()
        async with running(ledger, batch_max=4) as engine:
            results = await engine.submit_many(range(10))

        assert results == [f"done {n}" for n in range(10)]
        assert ledger.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

    async def test_atomic_commands_stay_in_one_batch(self) -> None:
        """They wait for the next batch rather than be cut."""
        ledger = Ledger()
        async with running(ledger, batch_max=4) as engine:
            first = await shut_in(ledger, engine)
            loose = asyncio.create_task(engine.submit_many([1, 2]))
            linked = asyncio.create_task(engine.submit_many([3, 4, 5], atomic=True))
            await queued(first)
            ledger.gate.set()
            await asyncio.gather(first, loose, linked)

        assert ledger.batches == [[0], [1, 2], [3, 4, 5]]

    async def test_nothing_is_an_empty_answer(self) -> None:
        """No commands need no batch."""
        ledger = Ledger()
        async with running(ledger) as engine:
            assert await engine.submit_many([]) == []
        assert ledger.batches == []

    @given(
        st.lists(st.lists(st.integers(-5, 50), max_size=12), max_size=12),
        st.integers(min_value=1, max_value=7),
    )
    def test_every_caller_gets_its_own_results(
        self, calls: list[list[int]], batch_max: int
    ) -> None:
        """However calls are cut into batches, results match commands one by one."""

        async def scenario() -> None:
            ledger = Ledger()
            async with running(ledger, batch_max=batch_max, queue_max=1000) as engine:
                answers = await asyncio.gather(*(engine.submit_many(call) for call in calls))
            flat = [command for call in calls for command in call]
            assert [command for batch in ledger.batches for command in batch] == flat
            assert all(0 < len(batch) <= batch_max for batch in ledger.batches)
            for call, answer in zip(calls, answers, strict=True):
                assert answer == [f"refused {c}" if c < 0 else f"done {c}" for c in call]

        asyncio.run(scenario())


class TestRefusalsAndFailures:
    """What disturbs whom."""

    async def test_a_refusal_is_one_callers_result(self) -> None:
        """The rest of its batch goes through."""
        ledger = Ledger()
        async with running(ledger) as engine:
            first = await shut_in(ledger, engine)
            tasks = [asyncio.create_task(engine.submit(n)) for n in (1, -2, 3)]
            await queued(*tasks)
            ledger.gate.set()
            await first

            assert await asyncio.gather(*tasks) == ["done 1", "refused -2", "done 3"]
        assert ledger.batches == [[0], [1, -2, 3]]

    async def test_an_infrastructure_failure_fails_the_whole_batch(self) -> None:
        """Every caller may retry by its id; the next batch is not touched."""
        ledger = Ledger()
        async with running(ledger) as engine:
            first = await shut_in(ledger, engine)
            tasks = [asyncio.create_task(engine.submit(n)) for n in (1, 2)]
            await queued(*tasks)
            ledger.failures = [ConnectionResetError()]
            ledger.gate.set()
            with pytest.raises(BatchFailed):
                await first

            assert await asyncio.gather(*tasks) == ["done 1", "done 2"]

    async def test_a_failed_batch_drops_the_rest_of_a_call(self) -> None:
        """A call that spans batches fails with the first that fails."""
        ledger = Ledger()
        ledger.failures = [TimeoutError()]
        async with running(ledger, batch_max=2) as engine:
            with pytest.raises(BatchFailed):
                await engine.submit_many([1, 2, 3, 4, 5])
            assert await engine.submit(6) == "done 6"
        assert ledger.batches == [[6]]

    async def test_a_poisonous_command_fails_alone(self) -> None:
        """A bug that one command lays bare does not take its neighbours with it."""
        ledger = Ledger()
        async with running(ledger) as engine:
            first = await shut_in(ledger, engine)
            tasks = [asyncio.create_task(engine.submit(n)) for n in (1, 666, 2)]
            await queued(*tasks)
            ledger.gate.set()
            await first
            answers = await asyncio.gather(*tasks, return_exceptions=True)

            assert answers[0] == "done 1"
            assert isinstance(answers[1], AssertionError)
            assert answers[2] == "done 2"


class TestCancellation:
    """Callers come and go."""

    async def test_a_caller_that_goes_does_not_cancel_its_batch(self) -> None:
        """What is in a batch is committed, and its neighbours are answered."""
        ledger = Ledger()
        async with running(ledger) as engine:
            first = await shut_in(ledger, engine)
            neighbour = asyncio.create_task(engine.submit(1))
            await queued(neighbour)
            first.cancel()
            ledger.gate.set()

            assert await neighbour == "done 1"
        assert ledger.batches == [[0], [1]]

    async def test_work_not_begun_is_dropped_with_its_caller(self) -> None:
        """Nobody waits for it, nothing was promised."""
        ledger = Ledger()
        async with running(ledger) as engine:
            first = await shut_in(ledger, engine)
            gone = asyncio.create_task(engine.submit(1))
            stays = asyncio.create_task(engine.submit(2))
            await queued(gone, stays)
            gone.cancel()
            await queued(stays)
            ledger.gate.set()

            await first
            assert await stays == "done 2"
        assert ledger.batches == [[0], [2]]


class TestLimits:
    """The queue pushes back."""

    async def test_a_full_queue_refuses(self) -> None:
        """Nothing of a refused call is queued; there is room again after a batch."""
        ledger = Ledger()
        async with running(ledger, batch_max=2, queue_max=3) as engine:
            first = await shut_in(ledger, engine)
            waiting = asyncio.create_task(engine.submit_many([1, 2]))
            await asyncio.sleep(0)
            with pytest.raises(QueueFull) as refusal:
                await engine.submit_many([3, 4])
            assert refusal.value.metadata == {"queue_max": "3"}
            ledger.gate.set()
            await asyncio.gather(first, waiting)

            assert await engine.submit_many([3, 4]) == ["done 3", "done 4"]


class TestStopping:
    """The end of a process."""

    async def test_drains_what_was_queued(self) -> None:
        """Everything accepted is answered, and nothing new is accepted."""
        ledger = Ledger()
        async with running(ledger, batch_max=2) as engine:
            first = await shut_in(ledger, engine)
            rest = asyncio.create_task(engine.submit_many([1, 2, 3]))
            await asyncio.sleep(0)
            stopping = asyncio.create_task(engine.stop())
            await asyncio.sleep(0)
            with pytest.raises(Draining):
                await engine.submit(9)
            ledger.gate.set()
            await stopping

            assert await first == "done 0"
            assert await rest == ["done 1", "done 2", "done 3"]

    async def test_a_cancelled_engine_tells_every_caller(self) -> None:
        """Nobody hangs, whether in the batch or in the queue."""
        ledger = Ledger()
        engine = GroupCommit(ledger.commit, batch_max=2, queue_max=10)
        runner = asyncio.create_task(engine.run())
        first = await shut_in(ledger, engine)
        rest = asyncio.create_task(engine.submit(1))
        await asyncio.sleep(0)
        runner.cancel()

        answers = await asyncio.gather(first, rest, runner, return_exceptions=True)

        assert [type(answer) for answer in answers] == [
            BatchFailed,
            BatchFailed,
            asyncio.CancelledError,
        ]
