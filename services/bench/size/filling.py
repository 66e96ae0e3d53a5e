"""Filling a stack to its size: two services' engines at work, the proof of what they wrote, and tidy tables."""

import asyncio
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final

from deploy.local.paths import StackPaths, stack_paths
from services.bench.size.databases import Databases, databases_alone
from services.bench.size.fill_ledger import book_tickets, fill_transfers
from services.bench.size.fill_points import fill_points
from services.bench.size.plan import Filled, Size, filled_so_far
from services.bench.size.proof import prove

_PAST_DAYS: Final = 28
"""A ticket may be thirty days old when a till sends it."""

_SAY_SECONDS: Final = 10.0
_PUBLISHED: Final = (
    # As after weeks in which the relay kept pace: all is published, and the broker has long dropped it.
    """
    INSERT INTO relay_cursor (shard_id, seq)
    SELECT shard_id, seq FROM shard_head
        ON CONFLICT (shard_id) DO UPDATE SET seq = excluded.seq
    """,
    "DELETE FROM relay_offset",
)
_SERVICES: Final = ("ledger", "points")

Report = Callable[[str], None]


async def fill(folder: Path, size: Size, *, report: Report) -> None:
    """Make a folder's stack as large as it should be, go on where an earlier run stopped, and prove it.

    Raises BenchError, StackError.
    """
    paths = stack_paths(folder)
    filled = filled_so_far(paths.root, size)
    paths.make()
    async with databases_alone(paths, report=report) as databases:
        if not filled.proven:
            filled.save(paths.root)
            report(f"{size.name}: filling, {size.rows:,} rows and {size.members:,} members")
            await _fill(databases, paths, size, filled)
            await _publish(databases)
            report(f"{size.name}: proving what was filled")
            report(f"{size.name}: {await prove(databases)}")
            filled.proven = True
            filled.save(paths.root)
        await _publish(databases)
        for service in _SERVICES:
            # What autovacuum would have come round to by now.
            await databases.execute(service, "VACUUM (ANALYZE)")


async def _fill(databases: Databases, paths: StackPaths, size: Size, filled: Filled) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    old, begin = now - timedelta(days=2 * _PAST_DAYS), now - timedelta(days=_PAST_DAYS)
    loop = asyncio.get_running_loop()
    with _two_processes() as pool:
        points = loop.run_in_executor(
            pool, _points, databases.runtime["points"], size, (begin, now)
        )
        if not filled.booked_seq:
            await loop.run_in_executor(
                pool, _transfers, databases.runtime["ledger"], size, (old, begin)
            )
        await points
    await book_tickets(
        databases.runtime["ledger"],
        databases.runtime["points"],
        filled,
        save=lambda: filled.save(paths.root),
        progress=Teller(size.name),
    )


@contextmanager
def _two_processes() -> Iterator[ProcessPoolExecutor]:
    """Lend two processes; they end with the body, however it ends. What they have not committed is filled next time."""
    context = multiprocessing.get_context("spawn")
    # Ctrl-C reaches them too: it is for this process to end them.
    pool = ProcessPoolExecutor(max_workers=2, mp_context=context, initializer=_ignore_ctrl_c)
    try:
        yield pool
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _points(dsn: str, size: Size, span: tuple[datetime, datetime]) -> None:
    """Fill the points: the life of a process of its own."""
    asyncio.run(fill_points(dsn, size, span=span, progress=Teller(size.name)))


def _transfers(dsn: str, size: Size, span: tuple[datetime, datetime]) -> None:
    """Fill the ledger: the life of a process of its own."""
    asyncio.run(fill_transfers(dsn, size, span=span, progress=Teller(size.name)))


async def _publish(databases: Databases) -> None:
    for service in _SERVICES:
        await databases.execute(service, *_PUBLISHED)


class Teller:
    """Tells a person now and then how far it is."""

    def __init__(self, name: str) -> None:
        """Take the name of what is filled."""
        self._name = name
        self._said = monotonic()

    def __call__(self, what: str, done: int, wanted: int) -> None:
        """Hear how far it is."""
        if monotonic() - self._said > _SAY_SECONDS:
            self._said = monotonic()
            print(f"{self._name}: {what} {done:,} of {wanted:,}", file=sys.stderr, flush=True)  # noqa: T201 -- from another process
