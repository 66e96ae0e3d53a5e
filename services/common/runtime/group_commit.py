"""Group commit: many callers, one transaction.

While a batch commits, the next one gathers; there is no timer, so a lone caller pays one
commit and a crowd shares it. The queue is bounded and pushes back. What a batch does is
the ``commit`` function it is built with: lock and load, fold, write, commit, and give one
result for each command in their order. Refusals are results; they never disturb others.

A ``commit`` that keeps its own order may be called again before it has returned
(``in_flight_max``): the next batch is then prepared while the one before is written.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Final, Generic, TypeVar

import structlog
from prometheus_client import Counter, Histogram

from services.common.kernel.errors import ResourceExhausted, Unavailable
from services.common.runtime.database import is_infrastructure_failure

C = TypeVar("C")
R = TypeVar("R")

BATCH_SIZE: Final = Histogram(
    "cagnotte_group_commit_batch_size",
    "Commands in a committed batch.",
    ["engine"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
QUEUE_WAIT: Final = Histogram(
    "cagnotte_group_commit_queue_wait_seconds",
    "Time from submission to the start of the batch, per call.",
    ["engine"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
BATCH_SECONDS: Final = Histogram(
    "cagnotte_group_commit_batch_seconds",
    "Time that a batch takes from its first lock to its commit.",
    ["engine"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
BATCH_FAILURES: Final = Counter(
    "cagnotte_group_commit_batch_failures",
    "Batches that failed as a whole.",
    ["engine"],
)

log = structlog.get_logger(__name__)


class QueueFull(ResourceExhausted):
    """More is waiting than the engine can promise to do soon; slow down and retry."""

    reason = "QUEUE_FULL"


class BatchFailed(Unavailable):
    """The batch failed as a whole, maybe after its commit; a retry by id is safe."""

    reason = "BATCH_FAILED"


class Draining(Unavailable):
    """The process is about to end and takes no new work; retry, another will serve it."""

    reason = "SERVER_DRAINING"


@dataclass(slots=True, eq=False)
class _Call(Generic[C, R]):
    """One caller's commands on their way through one batch or several."""

    commands: Sequence[C]
    atomic: bool
    done: "asyncio.Future[list[R]]"
    submit_seconds: float
    taken: int = 0
    results: list[R] = field(default_factory=list)

    def reject(self, error: Exception) -> None:
        """Answer with a failure, unless the caller has gone or has its answer."""
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Part(Generic[C, R]):
    """The slice of a call's commands that one batch carries."""

    call: _Call[C, R]
    commands: Sequence[C]


class GroupCommit(Generic[C, R]):
    """Gathers commands of concurrent callers into batches and commits them one by one.

    ``batch_max`` bounds the commands of one batch, ``queue_max`` those that wait. With
    ``in_flight_max`` above one, ``commit`` is called for the next batch before the one
    before has returned, in their order, once ``ahead_min`` commands wait: fewer are better
    off in a larger batch a little later. Run ``run()`` in the service's task group.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[C]], Awaitable[Sequence[R]]],
        *,
        batch_max: int,
        queue_max: int,
        name: str = "default",
        in_flight_max: int = 1,
        ahead_min: int = 1,
    ) -> None:
        """Take the function that commits a batch; ``name`` labels the metrics."""
        assert 0 < batch_max <= queue_max, "a batch must fit the queue"
        assert in_flight_max > 0, "a batch must be able to start"
        self._commit = commit
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._in_flight_max = in_flight_max
        self._ahead_min = ahead_min
        self._name = name
        self._flights: dict[asyncio.Task[None], list[_Part[C, R]]] = {}
        self._crash: BaseException | None = None
        self._calls: deque[_Call[C, R]] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._running = False
        self._stopping = False
        self._drained = asyncio.Event()
        self._batch_size = BATCH_SIZE.labels(name)
        self._queue_wait = QUEUE_WAIT.labels(name)
        self._batch_seconds = BATCH_SECONDS.labels(name)
        self._batch_failures = BATCH_FAILURES.labels(name)

    async def submit(self, command: C) -> R:
        """Queue one command and wait for its result.

        Cancelling the caller never cancels the batch that its command is in.

        Raises:
            QueueFull: nothing was queued.
            Draining: nothing was queued.
            BatchFailed: whether the command was applied is unknown; retry by its id.
        """
        return (await self._enqueue((command,), atomic=False))[0]

    async def submit_many(self, commands: Sequence[C], *, atomic: bool = False) -> list[R]:
        """Queue commands in their order and wait for all their results.

        They may span several batches, unless ``atomic`` keeps them in one (then there may
        be at most ``batch_max``). When one of several batches fails, the call fails and
        what is still queued of it is dropped; a retry by ids finds what was applied.

        Raises:
            QueueFull: nothing was queued.
            Draining: nothing was queued.
            BatchFailed: whether the commands were applied is unknown; retry by their ids.
        """
        assert not atomic or len(commands) <= self._batch_max, "one batch must hold them"
        if not commands:
            return []
        return await self._enqueue(commands, atomic=atomic)

    def _enqueue(self, commands: Sequence[C], *, atomic: bool) -> "asyncio.Future[list[R]]":
        if self._stopping:
            raise Draining("The service is stopping.")
        if self._queued + len(commands) > self._queue_max:
            raise QueueFull("Too many commands are waiting.", queue_max=self._queue_max)
        done: asyncio.Future[list[R]] = asyncio.get_running_loop().create_future()
        self._calls.append(_Call(commands, atomic, done, perf_counter()))
        self._queued += len(commands)
        if self._has_room():
            self._wake.set()
        return done

    async def run(self) -> None:
        """Commit batch after batch until ``stop()`` has drained the queue.

        When it is cancelled instead, every waiting caller is told ``BatchFailed``.
        """
        assert not self._running, "one runner an engine"
        self._running = True
        try:
            while self._calls or self._flights or not self._stopping:
                if self._crash is not None:
                    raise self._crash
                parts = self._gather() if self._calls and self._has_room() else []
                if parts:
                    self._take_off(parts)
                elif not self._calls or self._flights:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._running = False
            waiting = [part.call for parts in self._flights.values() for part in parts]
            waiting += self._calls
            for flight in self._flights:
                flight.cancel()
            self._calls.clear()
            self._queued = 0
            for call in waiting:
                call.reject(BatchFailed("The engine was stopped."))
            self._drained.set()

    def _has_room(self) -> bool:
        """Tell whether a batch may start: none is under way, or enough waits to prepare one meanwhile."""
        return not self._flights or (
            len(self._flights) < self._in_flight_max and self._queued >= self._ahead_min
        )

    def _take_off(self, parts: "list[_Part[C, R]]") -> None:
        flight = asyncio.create_task(self._commit_parts(parts))
        self._flights[flight] = parts
        flight.add_done_callback(self._land)

    def _land(self, flight: "asyncio.Task[None]") -> None:
        self._flights.pop(flight, None)
        if (
            not flight.cancelled()
        ):  # What a batch can fail of is told to its callers; this is a bug.
            self._crash = self._crash or flight.exception()
        self._wake.set()

    async def stop(self) -> None:
        """Refuse new commands, and wait until all that were queued are answered."""
        self._stopping = True
        self._wake.set()
        if self._running:
            await self._drained.wait()

    def _gather(self) -> list[_Part[C, R]]:
        """Take the oldest calls up to a full batch, cutting the last one if it may be.

        The rest of a call that was cut waits until its first part has landed: had that failed, the rest must
        not be applied without it. So where batches overlap, only a call that is alone in its batch is cut.
        """
        parts: list[_Part[C, R]] = []
        room = self._batch_max
        now = perf_counter()
        while self._calls and room:
            call = self._calls[0]
            left = len(call.commands) - call.taken
            if call.done.done():  # Its caller has gone: what is not begun need not be.
                self._calls.popleft()
                self._queued -= left
                continue
            if left > room and (call.atomic or (parts and self._in_flight_max > 1)):
                break
            if len(call.results) < call.taken:
                break
            size = min(left, room)
            parts.append(_Part(call, self._slice(call, size)))
            if call.taken == 0:
                self._queue_wait.observe(now - call.submit_seconds)
            call.taken += size
            self._queued -= size
            room -= size
            if size == left:
                self._calls.popleft()
        return parts

    @staticmethod
    def _slice(call: _Call[C, R], size: int) -> Sequence[C]:
        if size == len(call.commands):
            return call.commands
        return call.commands[call.taken : call.taken + size]

    async def _commit_parts(self, parts: list[_Part[C, R]]) -> None:
        """Commit a batch and answer its callers.

        A failure of the world fails them all. Any other is a bug that one command laid
        bare, so the calls are tried again one by one, and only the one at fault fails.
        """
        try:
            await self._commit_batch(parts)
        except Exception as error:
            self._batch_failures.inc()
            log.warning("group_commit.batch_failed", engine=self._name, exc_info=error)
            if is_infrastructure_failure(error):
                for part in parts:
                    part.call.reject(BatchFailed("The batch was not committed."))
            elif len(parts) == 1:
                parts[0].call.reject(error)
            else:
                for part in parts:
                    await self._commit_parts([part])

    async def _commit_batch(self, parts: list[_Part[C, R]]) -> None:
        commands = _join(parts)
        started = perf_counter()
        results = await self._commit(commands)
        self._batch_seconds.observe(perf_counter() - started)
        self._batch_size.observe(len(commands))
        assert len(results) == len(commands), "one result for each command"
        remaining = iter(results)
        for part in parts:
            call = part.call
            call.results.extend(islice(remaining, len(part.commands)))
            if len(call.results) == len(call.commands) and not call.done.done():
                call.done.set_result(call.results)


def _join(parts: Sequence[_Part[C, R]]) -> Sequence[C]:
    if len(parts) == 1:
        return parts[0].commands
    return [command for part in parts for command in part.commands]
