"""Events that are still on their way from a journal to those who follow it.

An audit of a busy system would always find the last events published and not yet booked. So it
looks for a moment at which everything has arrived, for a bounded time. The proof itself takes
nothing from here: it goes over the same snapshots, and what is missing then is missing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from google.protobuf.message import DecodeError

from cagnotte.points.v1 import events_pb2 as points_pb
from cagnotte.wallet.v1 import events_pb2 as wallet_pb
from services.auditor.booking import POINTS, WALLET, BookableFact, Booking
from services.auditor.parallel import Sources
from services.auditor.snapshot import opened, reading
from services.common.runtime.database import Connection, load_queries
from services.ledger.domain.chart import Chart

QUERIES: Final = load_queries(__package__, "inflight.sql")

NEWEST_FACTS: Final = 5_000
"""How far back to look: a partition keeps the order, so what is missing is among the newest."""

FOLLOWED_FACTS: Final = 1_000
"""How many of the newest settlements points must have followed; it follows nothing else by these facts."""

_CAUSES: Final[Mapping[int, Callable[[bytes], Any]]] = {
    wallet_pb.EVENT_TYPE_CHECKOUT_SETTLED: wallet_pb.CheckoutSettled.FromString,
    wallet_pb.EVENT_TYPE_CHECKOUT_REFUNDED: wallet_pb.CheckoutRefunded.FromString,
}
_EFFECTS: Final[Mapping[int, Callable[[bytes], Any]]] = {
    points_pb.EVENT_TYPE_TICKET_SETTLED: points_pb.TicketSettled.FromString,
    points_pb.EVENT_TYPE_VALUE_REVERSED: points_pb.ValueReversed.FromString,
}


async def journal_ends(dsn: str) -> list[tuple[int, int]]:
    """Read where a journal ends now, by shard."""
    async with opened(dsn) as conn:
        return await _ends(conn)


async def has_arrived(
    sources: Sources, chart: Chart, *, wallet_ends: list[tuple[int, int]]
) -> bool:
    """Tell whether nothing is on its way: relays at their heads, sweeps done, events followed.

    ``wallet_ends`` is where the wallet's journal ended before anything was frozen: it calls the others while it
    works, so they are seen as of one moment only when it did nothing meanwhile.
    """
    async with reading(sources.ledger) as ledger, reading(sources.points) as points:
        if not (
            await ledger.fetchval(QUERIES["relay_stands_at_head"])
            and await points.fetchval(QUERIES["relay_stands_at_head"])
            and await ledger.fetchval(QUERIES["no_transaction_hold_due"])
            and await points.fetchval(QUERIES["no_loyalty_hold_due"])
            and await _are_booked(ledger, points, Booking(chart, POINTS))
        ):
            return False
        if sources.wallet is None:
            return True
        async with reading(sources.wallet) as wallet:
            return (
                await _ends(wallet) == wallet_ends
                and await wallet.fetchval(QUERIES["relay_stands_at_head"])
                and await wallet.fetchval(QUERIES["nobody_is_being_asked"])
                and await _are_booked(ledger, wallet, Booking(chart, WALLET))
                and await _are_followed(points, wallet)
            )


async def _ends(conn: Connection) -> list[tuple[int, int]]:
    return [tuple(row) for row in await conn.fetch(QUERIES["ends"])]


async def _are_booked(ledger: Connection, origin: Connection, booking: Booking) -> bool:
    """Tell whether the newest facts of a service are in the ledger."""
    types = list(booking.origin.types)
    for (shard_id,) in await origin.fetch(QUERIES["shards"]):
        rows = await origin.fetch(QUERIES["newest_facts"], shard_id, types, NEWEST_FACTS)
        due = set[UUID]().union(*(booking.expected_ids(BookableFact(*row)) for row in rows))
        if await ledger.fetchval(QUERIES["known_transactions"], list(due)) != len(due):
            return False
    return True


async def _are_followed(points: Connection, wallet: Connection) -> bool:
    """Tell whether points has followed the newest settlements and refunds."""
    for cause, effect in zip(_CAUSES, _EFFECTS, strict=True):
        causes = await _newest_checkouts(wallet, cause, _CAUSES[cause], FOLLOWED_FACTS)
        effects = await _newest_checkouts(points, effect, _EFFECTS[effect], NEWEST_FACTS)
        if not causes <= effects:
            return False
    return True


async def _newest_checkouts(
    conn: Connection, event_type: int, parse: Callable[[bytes], Any], limit: int
) -> set[str]:
    """Give the checkouts of the newest facts of a type; those that cannot be read are not waited for."""
    found = set()
    for (shard_id,) in await conn.fetch(QUERIES["shards"]):
        for row in await conn.fetch(QUERIES["newest_facts"], shard_id, [event_type], limit):
            try:
                found.add(str(parse(row["payload"]).checkout_id))
            except DecodeError:
                continue
    return found
