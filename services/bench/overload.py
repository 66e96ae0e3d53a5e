"""``cagnotte bench overload``: each service at three times its capacity, and how it is itself again afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any, Final

import psutil
from rich.console import Console

from services.bench.calls import CallRefused
from services.bench.errors import BenchError
from services.bench.figures import BenchReport, Figures, Ratio
from services.bench.flood import Flood, flood, retry_delay_ms
from services.bench.flooded import Call, Flooded, open_sales, open_tickets, open_transfers
from services.bench.load import closed_loop, warm_up_seconds
from services.bench.pace import Pace
from services.bench.rounds import run_rounds
from services.bench.stack import BenchStack
from services.bench.transfers import Supply

TIMES: Final = 3
"""How much more than its capacity a service is offered."""

_AHEAD: Final = -10
_LONE_CALLS: Final = 40
_SAMPLE_SECONDS: Final = 0.1
_RECOVERY_SECONDS_MAX: Final = 60.0
_MIB: Final = 1024 * 1024
_MILLISECONDS: Final = 1000.0
_SPARE: Final = 1.1

Open = Callable[[BenchStack], AbstractAsyncContextManager[Flooded]]
SERVICES: Final[tuple[Open, ...]] = (open_tickets, open_transfers, open_sales)


def key_of(service: str, connections: int) -> str:
    """Name a service's figures; those of many connections stand beside those of one."""
    return f"overload.{service}" if connections == 1 else f"overload.{service}_{connections}"


RATIOS: Final = tuple(
    Ratio(f"{title}: throughput kept", f"{key}.accepted", f"{key}.capacity")
    for title, key in (
        ("points, 1 connection", key_of("points", 1)),
        ("points, 64 connections", key_of("points", 64)),
        ("ledger, 1 connection", key_of("ledger", 1)),
        ("ledger, 64 connections", key_of("ledger", 64)),
        ("wallet", key_of("wallet", 1)),
    )
)


@dataclass(slots=True)
class Memory:
    """How large a process became, in MiB."""

    before: float
    most: float


class Overload:
    """Capacity, flood, recovery, and the count of what is in the books."""

    def __init__(self, flooded: Flooded, *, connections: int, pid: int, console: Console) -> None:
        """Take the service, over how many connections it is called, and its process to watch."""
        self.title = f"{flooded.service} at {TIMES} times its capacity: {flooded.title}, connections: {connections}"
        self._flooded = flooded
        self._connections = connections
        self._key = key_of(flooded.service, connections)
        self._pid = pid
        self._console = console
        self._first = flooded.callers
        self._seed = 0

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure once; raise BenchError when what was acknowledged is not what is in the books."""
        async with self._flooded.open_calls(self._connections) as call:
            await self._run(call, figures, seconds=seconds)

    async def _run(self, call: Call, figures: Figures, *, seconds: float) -> None:
        flooded = self._flooded
        self._seed += 1
        before = await flooded.count()
        head = await self._head()
        acknowledged, capacity = await self._capacity(call, seconds)
        await flooded.count()
        facts_per_unit = (await self._head() - head) / acknowledged
        normal_seconds = await self._lone_calls()
        rate = TIMES * capacity
        requests = self._requests(int(rate * (seconds + warm_up_seconds(seconds)) * _SPARE))
        async with self._watch_memory() as memory:
            began, used = perf_counter(), process_time()
            growth = asyncio.create_task(self._measure_growth(seconds))
            seen = await self._flood(call, requests, rate=rate, seconds=seconds)
            busy = (process_time() - used) / (perf_counter() - began)
            lone, recovery_seconds = await self._recover(seen.ended, normal_seconds)
        acknowledged += _LONE_CALLS + seen.flood.acknowledged + lone
        self._check_books(acknowledged, await flooded.count() - before, seen.flood)
        self._note(figures, capacity, seen.flood)
        if flooded.head is not None:
            self._put(figures, {"accepted": await growth / facts_per_unit})
        else:
            self._put(figures, {"accepted": seen.flood.accepted_rate})
        self._note_rest(figures, memory, recovery_seconds, normal_seconds)
        self._put(figures, {"cores_of_generator": busy})

    async def _capacity(self, call: Call, seconds: float) -> tuple[int, float]:
        supply = Supply(self._flooded.make, first=self._first)
        supply.refill()
        done = await closed_loop(call, iter(supply), callers=self._flooded.callers, seconds=seconds)
        self._first = done.units  # The next round finds its requests made.
        return done.units, done.rate

    async def _lone_calls(self) -> float:
        """Give the time that the slowest of some calls takes that have the service for themselves."""
        slowest = 0.0
        for _ in range(_LONE_CALLS):
            request = self._flooded.make()
            began = perf_counter()
            await self._flooded.call(request)
            slowest = max(slowest, perf_counter() - began)
        return slowest

    def _requests(self, count: int) -> Iterator[Any]:
        supply = Supply(self._flooded.make, first=count)
        supply.refill()
        return iter(supply)

    async def _flood(
        self, call: Call, requests: Iterator[Any], *, rate: float, seconds: float
    ) -> "_Seen":
        began = perf_counter()
        found = await flood(call, requests, rate=rate, seconds=seconds, seed=self._seed)
        return _Seen(found, began + warm_up_seconds(seconds) + seconds)

    async def _head(self) -> int:
        return await self._flooded.head() if self._flooded.head is not None else 0

    async def _measure_growth(self, seconds: float) -> float:
        """Give the facts a second by which the journal grows in the measured time."""
        await asyncio.sleep(warm_up_seconds(seconds))
        first, began = await self._head(), perf_counter()
        await asyncio.sleep(seconds)
        return (await self._head() - first) / (perf_counter() - began)

    async def _recover(self, ended: float, normal_seconds: float) -> tuple[int, float]:
        """Call alone until an answer takes no longer than before; give the calls, and the time since the flood's end.

        That time includes what the flood's own last calls took.
        """
        answered = 0
        while True:
            request = self._flooded.make()
            began = perf_counter()
            try:
                answered += await self._flooded.call(request)
            except CallRefused as refusal:
                await asyncio.sleep(retry_delay_ms(refusal.error) / _MILLISECONDS)
            else:
                now = perf_counter()
                if now - began <= normal_seconds:
                    return answered, now - ended
            if perf_counter() - ended > _RECOVERY_SECONDS_MAX:
                raise BenchError(f"{self._flooded.service} did not recover.")

    @asynccontextmanager
    async def _watch_memory(self) -> AsyncIterator[Memory]:
        process = psutil.Process(self._pid)

        def size() -> float:
            return float(process.memory_info().rss / _MIB)

        memory = Memory(size(), size())

        async def watch() -> None:
            while True:
                memory.most = max(memory.most, size())
                await asyncio.sleep(_SAMPLE_SECONDS)

        task = asyncio.create_task(watch())
        try:
            yield memory
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _check_books(self, acknowledged: int, in_books: int, seen: Flood) -> None:
        unknown = seen.failed.total()
        if not acknowledged <= in_books <= acknowledged + unknown:
            message = (
                f"{self._flooded.service} acknowledged {acknowledged}, {unknown} more are unknown,"
                f" and {in_books} are in its books."
            )
            raise BenchError(message)
        self._console.print(
            f"  {acknowledged:,} acknowledged, {in_books:,} in the books;"
            f" {seen.refused:,} refused, {seen.untold} of them not told when to come again;"
            f" failures: {dict(seen.failed) or 'none'};"
            f" generator late by {seen.late_seconds * _MILLISECONDS:.0f} ms at most",
            highlight=False,
            soft_wrap=True,
        )

    def _note(self, figures: Figures, capacity: float, seen: Flood) -> None:
        values = {
            "capacity": capacity,
            "offered": seen.offered_rate,
            "refused_share": seen.refused_share,
            "refusals_without_retry_info": float(seen.untold),
            "dropped_share": seen.failed["CANCELLED"] / max(1, seen.offered),
            "late_ms": seen.late_seconds * _MILLISECONDS,
            "failures": float(seen.failed.total() - seen.failed["CANCELLED"]),
            **seen.latencies_ms(),
        }
        self._put(figures, values)

    def _note_rest(
        self, figures: Figures, memory: Memory, recovery_seconds: float, normal_seconds: float
    ) -> None:
        values = {
            "memory_before_mib": memory.before,
            "memory_most_mib": memory.most,
            "lone_call_ms": normal_seconds * _MILLISECONDS,
            "recovery_ms": recovery_seconds * _MILLISECONDS,
        }
        self._put(figures, values)

    def _put(self, figures: Figures, values: dict[str, float]) -> None:
        figures.note({f"{self._key}.{name}": value for name, value in values.items()})


@dataclass(frozen=True, slots=True)
class _Seen:
    flood: Flood
    ended: float
    """When its last call was due."""


async def bench_overload(stack: BenchStack, *, pace: Pace, console: Console) -> BenchReport:
    """Flood one service after the other and give the report."""
    figures = Figures()
    with suppress(
        PermissionError
    ):  # Callers elsewhere would not wait for the cores of the service.
        os.nice(_AHEAD)
    for open_flooded in SERVICES:
        async with open_flooded(stack) as flooded:
            workloads = [
                Overload(
                    flooded, connections=count, pid=stack.pids[flooded.service], console=console
                )
                for count in flooded.connections
            ]
            await run_rounds(workloads, figures, pace=pace, console=console)
    return BenchReport(figures, RATIOS, pace)
