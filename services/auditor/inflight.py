"""Waiting for events that are still on their way from a journal to the books.

An audit of a busy system would always find the last events published and not yet booked. So it
waits, for a bounded time, until a moment comes at which everything has arrived; the proof itself
is done on the snapshots afterwards and takes nothing from here.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Final

from services.auditor.booking import BOOKABLE_TYPES, BookableFact, Booking
from services.auditor.snapshot import opened
from services.common.runtime.database import Connection, load_queries

QUERIES: Final = load_queries(__package__, "inflight.sql")

POLL_SECONDS: Final = 0.2

NEWEST_FACTS: Final = 5_000
"""How far back to look: a partition keeps the order, so what is missing is among the newest."""


async def wait_for_books(
    ledger_dsn: str, points_dsn: str, *, booking: Booking, seconds: float
) -> bool:
    """Wait until the newest events are published and booked; tell whether they are in the end."""
    deadline = time.monotonic() + seconds
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(opened(ledger_dsn))
        points = await stack.enter_async_context(opened(points_dsn))
        while not (arrived := await _arrived(ledger, points, booking)):
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        return arrived


async def _arrived(ledger: Connection, points: Connection, booking: Booking) -> bool:
    """Tell whether both relays stand at their heads and the newest facts are booked."""
    for conn in (points, ledger):
        if not await conn.fetchval(QUERIES["relay_stands_at_head"]):
            return False
    for (shard_id,) in await points.fetch(QUERIES["shards"]):
        rows = await points.fetch(
            QUERIES["newest_facts"], shard_id, list(BOOKABLE_TYPES), NEWEST_FACTS
        )
        booked = [row["event_id"] for row in rows if booking.is_booked(BookableFact(*row))]
        if await ledger.fetchval(QUERIES["known_transactions"], booked) != len(booked):
            return False
    return True
