"""More calls than a service can take in, at a rate that nothing slows down, and the count of all that comes back."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter
from typing import Final, TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2

from services.bench.calls import CallRefused
from services.bench.load import quantile_ms, warm_up_seconds

_CATCH_UP_MAX: Final = 50
"""Calls begun in a row before answers are read again, when the generator is behind."""

_MILLISECONDS: Final = 1000.0
_DETAILS_KEY: Final = "grpc-status-details-bin"

Request = TypeVar("Request")


@dataclass(slots=True)
class Flood:
    """What a flood brought: counts of the whole, rates and latencies of the measured time only."""

    seconds: float
    offered: int = 0
    """Calls that were due within the measured time."""
    finished: int = 0
    """Units whose acknowledgment came within the measured time."""
    acknowledged: int = 0
    """Units acknowledged at any time."""
    refused: int = 0
    """Calls due within the measured time that were refused for want of room."""
    untold: int = 0
    """Refusals that do not say when to come again."""
    failed: Counter[str] = field(default_factory=Counter)
    """Everything else that is no answer, by gRPC's code: whether it happened is unknown to the caller."""
    accepted_seconds: list[float] = field(default_factory=list)
    refusal_seconds: list[float] = field(default_factory=list)
    late_seconds: float = 0.0
    """How far behind its own plan the generator ever was."""

    @property
    def offered_rate(self) -> float:
        """Give the calls a second that were due."""
        return self.offered / self.seconds

    @property
    def accepted_rate(self) -> float:
        """Give the units a second that were acknowledged."""
        return self.finished / self.seconds

    @property
    def refused_share(self) -> float:
        """Give the share of the calls that were refused."""
        return self.refused / max(1, self.offered)

    def count_refusal(self, error: grpc.aio.AioRpcError, *, due: float, measured: bool) -> None:
        """Count a call that brought no acknowledgment."""
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            self.failed[error.code().name] += 1
            return
        self.untold += not retry_delay_ms(error)
        if measured:
            self.refused += 1
            self.refusal_seconds.append(perf_counter() - due)

    def latencies_ms(self) -> dict[str, float]:
        """Give the latencies of acknowledgments and of refusals; only of what there was."""
        found = {}
        for name, seconds in (
            ("accepted", self.accepted_seconds),
            ("refusal", self.refusal_seconds),
        ):
            if seconds:
                seconds.sort()
                found[f"{name}_p50_ms"] = quantile_ms(seconds, 50)
                found[f"{name}_p99_ms"] = quantile_ms(seconds, 99)
        return found


async def flood(
    call: Callable[[Request], Awaitable[int]],
    requests: Iterator[Request],
    *,
    rate: float,
    seconds: float,
    seed: int,
) -> Flood:
    """Call at random moments for the warm-up and the measured time, then wait until all is answered.

    ``call`` gives how many units its answer is worth, or raises ``CallRefused``. Latencies count from when it was due.
    """
    begin = perf_counter()
    measured_from = begin + warm_up_seconds(seconds)
    end = measured_from + seconds
    seen = Flood(seconds)

    async def one(request: Request, due: float) -> None:
        try:
            units = await call(request)
        except CallRefused as refusal:
            seen.count_refusal(refusal.error, due=due, measured=due >= measured_from)
            return
        seen.acknowledged += units
        now = perf_counter()
        if measured_from <= now < end:
            seen.finished += units
        if due >= measured_from:
            seen.accepted_seconds.append(now - due)

    async with asyncio.TaskGroup() as group:
        for number, due in enumerate(_due_times(begin, end, rate=rate, seed=seed), 1):
            pause = due - perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            elif number % _CATCH_UP_MAX == 0:
                seen.late_seconds = max(seen.late_seconds, -pause)
                await asyncio.sleep(0)
            seen.offered += due >= measured_from
            group.create_task(one(next(requests), due))
    return seen


def _due_times(begin: float, end: float, *, rate: float, seed: int) -> Iterator[float]:
    gaps = random.Random(seed)  # noqa: S311 -- the same moments in every run
    due = begin
    while due < end:
        yield due
        due += gaps.expovariate(rate)


def retry_delay_ms(error: grpc.aio.AioRpcError) -> float:
    """Give how long a refused caller is asked to wait; 0 when it is not told."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return _retry_delay_ms(value)
    return 0.0


@lru_cache
def _retry_delay_ms(details: bytes) -> float:
    """Read the details of a status; a refusal's are mostly those of the one before."""
    info = error_details_pb2.RetryInfo()
    found = any(detail.Unpack(info) for detail in status_pb2.Status.FromString(details).details)
    return float(info.retry_delay.ToTimedelta().total_seconds() * _MILLISECONDS) if found else 0.0
