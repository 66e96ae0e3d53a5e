"""The inbox: which events a consumer has taken in, whatever Kafka delivers again.

For consumers whose effects do not carry the event's id; where they do, the effect's own
unique key is the inbox.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from services.common.runtime.database import Connection, load_queries

QUERIES: Final = load_queries(__package__, "inbox.sql")


async def accept(conn: Connection, source: str, event_ids: Collection[UUID]) -> set[UUID]:
    """Take in a batch of events inside the caller's transaction, and give the new ones.

    Another process that takes in one of them at the same time waits for this transaction.
    """
    rows = await conn.fetch(QUERIES["accept"], source, list(event_ids))
    return {row["event_id"] for row in rows}
