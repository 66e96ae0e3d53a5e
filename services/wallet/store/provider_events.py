"""The log of what the provider has told us, each event once, and how far its list was read."""

from datetime import datetime
from typing import Final

from services.common.runtime.database import Connection, load_queries

PROVIDER_EVENTS: Final = load_queries(__package__, "provider_events.sql")


async def accept_event(
    conn: Connection,
    provider_event_id: str,
    *,
    event_type: str,
    object_reference: str,
    create_time: datetime,
    receive_time: datetime,
    shard_id: int,
) -> bool:
    """Take an event in, and tell whether it is new."""
    found = await conn.fetchval(
        PROVIDER_EVENTS["accept_event"],
        shard_id,
        provider_event_id,
        event_type,
        object_reference,
        create_time,
        receive_time,
    )
    return found is not None


async def read_cursor(conn: Connection, *, shard_id: int) -> str:
    """Give the id of the last event that was read from the provider's list; empty at first."""
    found: str | None = await conn.fetchval(PROVIDER_EVENTS["read_cursor"], shard_id)
    return found or ""


async def save_cursor(conn: Connection, *, provider_event_id: str, shard_id: int) -> None:
    """Remember the last event that was read from the provider's list."""
    await conn.execute(PROVIDER_EVENTS["save_cursor"], shard_id, provider_event_id)
