"""The log of what the provider has told us, each event once, and how far its list was read."""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from services.common.runtime.database import Connection, load_queries

PROVIDER_EVENTS: Final = load_queries(__package__, "provider_events.sql")


class EventRow(NamedTuple):
    """An event as it is kept."""

    provider_event_id: str
    event_type: str
    object_reference: str
    create_time: datetime


async def accept_events(
    conn: Connection, rows: Collection[EventRow], *, receive_time: datetime, shard_id: int
) -> set[str]:
    """Take events in, outside any transaction, and give the ids of the new ones."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    found = await conn.fetch(PROVIDER_EVENTS["accept_events"], shard_id, *columns, receive_time)
    return {row["provider_event_id"] for row in found}


async def read_cursor(conn: Connection, *, shard_id: int) -> str:
    """Give the id of the last event that was read from the provider's list; empty at first."""
    found: str | None = await conn.fetchval(PROVIDER_EVENTS["read_cursor"], shard_id)
    return found or ""


async def save_cursor(conn: Connection, *, provider_event_id: str, shard_id: int) -> None:
    """Remember the last event that was read from the provider's list."""
    await conn.execute(PROVIDER_EVENTS["save_cursor"], shard_id, provider_event_id)
