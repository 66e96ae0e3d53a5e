"""Load: as fast as answers come (for rates), or at a fixed rate whatever comes back (for latencies)."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Final, TypeVar

from services.bench.errors import BenchError

_WARM_UP_SECONDS_MAX: Final = 1.0
_MILLISECONDS: Final = 1000.0
_RESERVE: Final = 1.2

Request = TypeVar("Request")


@dataclass(frozen=True, slots=True)
class Throughput:
    """What a closed loop did: units within the measured time, and all of them, warm-up included."""

    rate: float
    units: int


@dataclass(frozen=True, slots=True)
class Latencies:
    """What an open loop saw, in milliseconds from the moment at which each call was due."""

    p50_ms: float
    p99_ms: float
    units: int


def warm_up_seconds(seconds: float) -> float:
    """Give the time that goes before the measured one."""
    return min(_WARM_UP_SECONDS_MAX, seconds / 2)


def requests_within(seconds: float, *, rate: float) -> int:
    """Give how many requests a run takes at a rate, its warm-up and a reserve included.

    Made before the clock runs: what is made on the way costs the time that is measured.
    """
    return math.ceil(rate * (seconds + warm_up_seconds(seconds)) * _RESERVE)


async def closed_loop(
    call: Callable[[Request], Awaitable[int]],
    requests: Iterator[Request],
    *,
    callers: int,
    seconds: float,
) -> Throughput:
    """Have callers call one after the other; ``call`` gives how many units an answer is worth."""
    begin = perf_counter() + warm_up_seconds(seconds)
    end = begin + seconds
    counted = total = 0

    async def work() -> None:
        nonlocal counted, total
        for request in requests:
            if perf_counter() >= end:
                return
            units = await call(request)
            total += units
            if begin <= perf_counter() < end:
                counted += units

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(work())
    if not counted:
        message = f"Nothing was answered within {seconds:.0f} s: give it more --seconds."
        raise BenchError(message)
    return Throughput(counted / seconds, total)


async def open_loop(
    call: Callable[[Request], Awaitable[int]],
    requests: Iterator[Request],
    *,
    rate: float,
    seconds: float,
    seed: int,
) -> Latencies:
    """Call at random moments that do not wait for answers: a slow answer delays no later call.

    A latency counts from when its call was due, so that a stalled service cannot hide the calls that it kept waiting.
    """
    gaps = random.Random(seed)  # noqa: S311 -- the same moments in every run
    begin = perf_counter()
    measured_from = begin + warm_up_seconds(seconds)
    latencies: list[float] = []
    total = 0

    async def one(request: Request, due: float) -> None:
        nonlocal total
        units = await call(request)
        total += units
        if due >= measured_from:
            latencies.append(perf_counter() - due)

    async with asyncio.TaskGroup() as group:
        due = begin
        while due < measured_from + seconds:
            pause = due - perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            group.create_task(one(next(requests), due))
            due += gaps.expovariate(rate)
    latencies.sort()
    if not latencies:
        message = f"No call was due within {seconds:.0f} s at {rate:.0f} a second."
        raise BenchError(message)
    return Latencies(quantile_ms(latencies, 50), quantile_ms(latencies, 99), total)


def quantile_ms(ascending: list[float], percent: int) -> float:
    """Give a quantile of ascending seconds, in milliseconds."""
    place = min(len(ascending) - 1, len(ascending) * percent // 100)
    return ascending[place] * _MILLISECONDS
