"""Frozen views of the databases: read only, repeatable, shared by all processes."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
from asyncpg import Record

from services.common.runtime.database import Connection

FETCH_ROWS: Final = 2_000
"""Rows held in memory at a time: enough to hide the round trip, few enough to stay constant."""

_SESSION: Final = {
    "application_name": "cagnotte-verify",
    "timezone": "UTC",
    # The audit sorts journals; beyond this PostgreSQL sorts on disk.
    "work_mem": "64MB",
    "jit": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
UNREACHABLE: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What a database that cannot be read raises."""

_SNAPSHOT_ID: Final = re.compile(r"[0-9A-F]+-[0-9A-F]+-[0-9]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A database frozen at one moment: any process that knows the snapshot reads the same rows."""

    dsn: str
    snapshot_id: str


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Connection]:
    """Open a connection for the audit's long reads."""
    conn: Connection = await asyncpg.connect(dsn, server_settings=_SESSION)
    try:
        yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def frozen(dsn: str) -> AsyncIterator[Source]:
    """Freeze a database for as long as the context lasts."""
    async with (
        opened(dsn) as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        snapshot_id = await conn.fetchval("SELECT pg_export_snapshot()")
        yield Source(dsn=dsn, snapshot_id=str(snapshot_id))


@asynccontextmanager
async def reading(source: Source) -> AsyncIterator[Connection]:
    """Open a connection that sees exactly the frozen rows."""
    assert _SNAPSHOT_ID.fullmatch(source.snapshot_id), source.snapshot_id
    async with (
        opened(source.dsn) as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        # The command takes a literal only; the assertion above says what it can hold.
        await conn.execute(f"SET TRANSACTION SNAPSHOT '{source.snapshot_id}'")
        yield conn


async def batches(
    conn: Connection, query: str, *args: object, rows_max: int = FETCH_ROWS
) -> AsyncIterator[list[Record]]:
    """Stream a query's rows in order, at most ``rows_max`` in memory."""
    cursor = await conn.cursor(query, *args)
    while rows := await cursor.fetch(rows_max):
        yield rows
