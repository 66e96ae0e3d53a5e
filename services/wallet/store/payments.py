"""Payments, looked for by something else than an id."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.common.runtime.database import Connection, load_queries
from services.wallet.domain.basket import TicketKey, TicketKind

PAYMENTS: Final = load_queries(__package__, "payments.sql")


async def find_live_tickets(
    conn: Connection, keys: Collection[TicketKey], *, shard_id: int
) -> dict[TicketKey, UUID]:
    """Give the checkouts that have these tickets, unless they ended unpaid."""
    if not keys:
        return {}
    columns = zip(*keys, strict=True)
    rows = await conn.fetch(PAYMENTS["find_ticket_keys"], shard_id, *map(list, columns))
    found = {}
    for store_id, business_date, till_id, sequence, kind, payment_id in rows:
        key = TicketKey(store_id, business_date, till_id, sequence, TicketKind(kind))
        found[key] = payment_id
    return found


async def due_checkouts(
    conn: Connection, *, now: datetime, limit: int, shard_id: int
) -> list[UUID]:
    """Give open checkouts whose time is over, the oldest first."""
    rows = await conn.fetch(PAYMENTS["due_checkouts"], shard_id, now, limit)
    return [row["payment_id"] for row in rows]


async def in_flight_payments(
    conn: Connection, *, after: UUID, limit: int, shard_id: int
) -> list[tuple[UUID, int]]:
    """Give (id, version) of payments that somebody has to drive on, ascending by id."""
    rows = await conn.fetch(PAYMENTS["in_flight_payments"], shard_id, after, limit)
    return [(row["payment_id"], row["version"]) for row in rows]


async def find_versions(
    conn: Connection, payment_ids: Sequence[UUID], *, shard_id: int
) -> dict[UUID, int]:
    """Give the versions of payments; those that do not exist are left out."""
    rows = await conn.fetch(PAYMENTS["find_versions"], shard_id, list(payment_ids))
    return {row["payment_id"]: row["version"] for row in rows}


async def find_reference(
    conn: Connection, provider_reference: str, *, shard_id: int
) -> UUID | None:
    """Give the payment that the provider knows under a name."""
    found: UUID | None = await conn.fetchval(
        PAYMENTS["find_reference"], shard_id, provider_reference
    )
    return found
