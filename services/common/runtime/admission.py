"""The door of a server: how many calls may be inside, who waits before it, and the cheapest refusal for the others.

Refusing is what a service does most when too much comes, and gRPC for Python spends about half as much CPU on a refused
call as on an empty one that is served. So a refusal is answered before its request is read, its caller verified or a
line logged for it alone; and the door refuses no more calls a second than leave the service its work. Whoever is not
refused yet waits, and the newest goes in first: it has the most of its time left, while the oldest may have nobody who
listens any more.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import grpc
import structlog
from prometheus_client import Histogram

from services.common.kernel.errors import ResourceExhausted
from services.common.runtime.grpc_errors import to_status

Handler = grpc.RpcMethodHandler

_LOG_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 0.25
"""Nobody is refused sooner: by then most bursts are over."""

log = structlog.get_logger(__name__)


class TooManyCalls(ResourceExhausted):
    """As many calls are under way as the server may hold; slow down and try again."""

    reason = "QUEUE_FULL"


@dataclass(slots=True)
class _Waiter:
    """A call before the door; its answer is whether it may go in."""

    since: float
    answer: asyncio.Future[bool]


@dataclass(slots=True)
class Room:
    """Places for calls, and for those that wait for one."""

    places: int
    waiting_max: int = 0
    refusals_per_second: int = 0
    taken: int = 0
    refused: int = 0
    logged_refused: int = 0
    logged_seconds: float = 0.0
    _waiting: deque[_Waiter] = field(default_factory=deque)
    _pacer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """Tell whether one more call has no place."""
        return self.taken >= self.places

    @property
    def waiting(self) -> int:
        """Count those before the door, with some who gave up and are not forgotten yet."""
        return len(self._waiting)

    def enter(self) -> bool:
        """Take a place for the running task, until it ends; tell whether there was one."""
        if self.is_full:
            return False
        self.taken += 1
        _running_task().add_done_callback(self._leave)
        return True

    async def wait(self) -> bool:
        """Wait for a place and take it; tell whether there was one before the door had to refuse the call."""
        if self.waiting >= self.waiting_max:
            return False
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.time(), loop.create_future())
        self._waiting.append(waiter)
        if self._pacer is None:
            self._pacer = loop.call_later(_TICK_SECONDS, self.refuse_oldest)
        try:
            admitted = await waiter.answer
        except asyncio.CancelledError:
            if waiter.answer.done() and not waiter.answer.cancelled() and waiter.answer.result():
                self._leave()  # Called in, and gone in the same moment.
            raise
        if admitted:
            _running_task().add_done_callback(self._leave)
        return admitted

    def refusal(self) -> TooManyCalls:
        """Make the refusal."""
        return TooManyCalls("Too many calls are under way.", calls_max=self.places)

    def note_refusal(self) -> None:
        """Count a refusal; the log hears of them once a second, by their number."""
        self.refused += 1
        now = monotonic()
        if now - self.logged_seconds >= _LOG_SECONDS:
            new = self.refused - self.logged_refused
            self.logged_seconds, self.logged_refused = now, self.refused
            log.warning("grpc.calls_refused", calls_refused=new, calls_max=self.places)

    def refuse_oldest(self) -> None:
        """Refuse as many of those who waited longest as this moment's share allows; a timer calls it."""
        loop = asyncio.get_running_loop()
        share = max(1, round(self.refusals_per_second * _TICK_SECONDS))
        due = loop.time() - PATIENCE_SECONDS
        while self._waiting:
            oldest = self._waiting[0]
            if not oldest.answer.done():
                if not share or oldest.since > due:
                    break
                share -= 1
                oldest.answer.set_result(False)
            self._waiting.popleft()
        self._pacer = loop.call_later(_TICK_SECONDS, self.refuse_oldest) if self._waiting else None

    def _leave(self, _task: "asyncio.Task[Any] | None" = None) -> None:
        """Free a place, and give it to the newest of those who wait and have not given up."""
        self.taken -= 1
        while self._waiting and not self.is_full:
            answer = self._waiting.pop().answer
            if not answer.done():
                self.taken += 1
                answer.set_result(True)


def _running_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    assert task is not None, "a call runs in a task of its own"
    return task


def refusing_handler(room: Room, timer: Callable[[], Histogram]) -> "Handler[Any, Any]":
    """Give the handler of those who find no room; ``timer`` counts them among the method's calls.

    It reads no message, whatever the method, so it says that there might be many: then gRPC waits for none.
    """
    status = to_status(room.refusal())
    refused = timer()

    async def refuse(requests: Any, context: Any) -> None:
        del requests
        refused.observe(0)
        room.note_refusal()
        await context.abort_with_status(status)

    return grpc.stream_unary_rpc_method_handler(refuse)
