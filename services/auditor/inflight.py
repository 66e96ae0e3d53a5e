"""Events that are still on their way from a journal to the books.

An audit of a busy system would always find the last events published and not yet booked. So it
looks for a moment at which everything has arrived, for a bounded time. The proof itself takes
nothing from here: it goes over the same snapshots, and what is missing then is missing.
"""

from typing import Final
from uuid import UUID

from services.auditor.booking import POINTS, WALLET, BookableFact, Booking
from services.auditor.parallel import Sources
from services.auditor.snapshot import Source, reading
from services.common.runtime.database import Connection, load_queries
from services.ledger.domain.chart import Chart

QUERIES: Final = load_queries(__package__, "inflight.sql")

NEWEST_FACTS: Final = 5_000
"""How far back to look: a partition keeps the order, so what is missing is among the newest."""


async def has_arrived(sources: Sources, chart: Chart) -> bool:
    """Tell whether nothing is on its way: relays at their heads, sweeps done, events booked."""
    async with reading(sources.ledger) as ledger, reading(sources.points) as points:
        return (
            await ledger.fetchval(QUERIES["relay_stands_at_head"])
            and await points.fetchval(QUERIES["relay_stands_at_head"])
            and await ledger.fetchval(QUERIES["no_transaction_hold_due"])
            and await points.fetchval(QUERIES["no_loyalty_hold_due"])
            and await _are_booked(ledger, points, Booking(chart, POINTS))
            and (sources.wallet is None or await _wallet_has_arrived(sources.wallet, ledger, chart))
        )


async def _wallet_has_arrived(source: Source, ledger: Connection, chart: Chart) -> bool:
    """Tell the same of the wallet."""
    async with reading(source) as wallet:
        return await wallet.fetchval(QUERIES["relay_stands_at_head"]) and await _are_booked(
            ledger, wallet, Booking(chart, WALLET)
        )


async def _are_booked(ledger: Connection, origin: Connection, booking: Booking) -> bool:
    """Tell whether the newest facts of a service are in the ledger."""
    for (shard_id,) in await origin.fetch(QUERIES["shards"]):
        rows = await origin.fetch(
            QUERIES["newest_facts"], shard_id, list(booking.origin.types), NEWEST_FACTS
        )
        due = set[UUID]().union(*(booking.expected_ids(BookableFact(*row)) for row in rows))
        if await ledger.fetchval(QUERIES["known_transactions"], list(due)) != len(due):
            return False
    return True
