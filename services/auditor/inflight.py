"""Events that are still on their way from a journal to the books.

An audit of a busy system would always find the last events published and not yet booked. So it
looks for a moment at which everything has arrived, for a bounded time. The proof itself takes
nothing from here: it goes over the same snapshots, and what is missing then is missing.
"""

from typing import Final

from services.auditor.booking import BOOKABLE_TYPES, BookableFact, Booking
from services.auditor.parallel import Sources
from services.auditor.snapshot import reading
from services.common.runtime.database import Connection, load_queries

QUERIES: Final = load_queries(__package__, "inflight.sql")

NEWEST_FACTS: Final = 5_000
"""How far back to look: a partition keeps the order, so what is missing is among the newest."""


async def has_arrived(sources: Sources, booking: Booking) -> bool:
    """Tell whether nothing is on its way: relays at their heads, sweeps done, events booked."""
    async with reading(sources.ledger) as ledger, reading(sources.points) as points:
        return (
            await ledger.fetchval(QUERIES["relay_stands_at_head"])
            and await points.fetchval(QUERIES["relay_stands_at_head"])
            and await ledger.fetchval(QUERIES["no_transaction_hold_due"])
            and await points.fetchval(QUERIES["no_loyalty_hold_due"])
            and await _are_booked(ledger, points, booking)
        )


async def _are_booked(ledger: Connection, points: Connection, booking: Booking) -> bool:
    """Tell whether the newest facts of points are in the ledger."""
    for (shard_id,) in await points.fetch(QUERIES["shards"]):
        rows = await points.fetch(
            QUERIES["newest_facts"], shard_id, list(BOOKABLE_TYPES), NEWEST_FACTS
        )
        booked = [row["event_id"] for row in rows if booking.is_booked(BookableFact(*row))]
        if await ledger.fetchval(QUERIES["known_transactions"], booked) != len(set(booked)):
            return False
    return True
