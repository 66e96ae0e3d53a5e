"""The connection pool, transactions, leases and named queries.

Wraps asyncpg so that everybody gets the same session: UTC, timeouts, no JIT, prepared
statements cached per connection.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final, TypeAlias
from zlib import crc32

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from services.common.kernel.errors import Unavailable
from services.common.runtime.config import PostgresSettings
from services.common.runtime.lending import Lending, Lent

# A string, since asyncpg's classes are generic in their stubs only.
Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
"""What store functions take; they neither commit nor catch."""

_QUERY_HEADER: Final = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)
_LEASE_NAMESPACE: Final = 0x43414730
_LEASE_POLL_SECONDS: Final = 1.0
_CONNECT_TIMEOUT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 5.0
"""How much longer than the longest statement an answer may take; after that nobody is there who would give it."""

_INFRASTRUCTURE_FAILURES: Final[tuple[type[BaseException], ...]] = (
    OSError,
    TimeoutError,
    Unavailable,
    asyncpg.InterfaceError,
    # The server has ended the session, and asyncpg has read why but not yet that the connection is closed.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    # A fail-over left us on a replica; the next connection finds the new primary.
    asyncpg.ReadOnlySQLTransactionError,
)


def is_infrastructure_failure(error: BaseException) -> bool:
    """Tell a failure of the world, which passes, from one of the command or the code."""
    return isinstance(error, _INFRASTRUCTURE_FAILURES)


def load_queries(package: str, file: str) -> Mapping[str, str]:
    """Read a package's SQL file into its statements by name.

    A statement follows a line ``-- its_name --``, may begin with a comment that says why,
    and ends with a semicolon. A file that breaks this form is a bug.
    """
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    headers = list(_QUERY_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    queries: dict[str, str] = {}
    for header, end in zip(headers, ends, strict=True):
        name, statement = header["name"], text[header.end() : end].strip()
        assert name not in queries, f"{file} names {name} twice"
        assert statement.endswith(";"), f"{name} in {file} has no end"
        queries[name] = statement.removesuffix(";")
    assert queries, f"{file} holds no named statement"
    return queries


class Database:
    """One PostgreSQL database through a pool of connections."""

    def __init__(self, pool: "asyncpg.Pool[Any]", *, connect_arguments: Mapping[str, Any]) -> None:
        """Take an open pool, and what opens one more connection like its own."""
        self._pool = pool
        self._lending = Lending(pool)
        self._connect_arguments = connect_arguments

    def connection(self) -> Lent:
        """Lend a connection without a transaction, for statements that are each by themselves."""
        return self._lending.lend()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Run the body in one READ COMMITTED transaction; an exception rolls it back."""
        async with self._lending.lend() as conn, conn.transaction():
            yield conn

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Run the body read-only on one unchanging view of the data, for verification."""
        async with (
            self._lending.lend() as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield conn

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[Connection]:
        """Wait for, then hold, the one lease of this name in this database.

        The lease lives on a connection of its own and ends with it, so the body should do
        its writes on the connection it is given: they fail once the lease is lost. It is
        polled for; a blocking wait would be cut by the statement timeout. Needs session
        pooling where a pooler stands between.
        """
        conn = await asyncpg.connect(**self._connect_arguments)
        key = crc32(name.encode()) - 2**31
        try:
            await _poll_for_lock(conn, key)
            yield conn
        finally:
            conn.terminate()  # Ends the session, and with it the lease, without waiting.

    async def close(self) -> None:
        """Close every connection, waiting for those in use."""
        await self._lending.close()
        await self._pool.close()


@asynccontextmanager
async def open_database(settings: PostgresSettings) -> AsyncIterator[Database]:
    """Open the pool, failing at once when the database cannot be reached."""
    arguments = connect_arguments(settings)
    pool = await asyncpg.create_pool(
        **arguments, min_size=1, max_size=settings.pool_size_max, reset=_keep_session
    )
    database = Database(pool, connect_arguments=arguments)
    try:
        yield database
    finally:
        await database.close()


def connect_arguments(settings: PostgresSettings) -> dict[str, Any]:
    """Give what every connection of a service is opened with."""
    return {
        "dsn": settings.dsn.get_secret_value(),
        "timeout": _CONNECT_TIMEOUT_SECONDS,
        # A server that vanished ends no statement: TCP alone would try on for a quarter of an hour.
        "command_timeout": settings.statement_timeout_seconds + _ANSWER_SECONDS,
        "server_settings": {
            "application_name": settings.application_name,
            "TimeZone": "UTC",
            "statement_timeout": _milliseconds(settings.statement_timeout_seconds),
            "lock_timeout": _milliseconds(settings.lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(
                settings.statement_timeout_seconds
            ),
            # Compiling costs more than our short statements run.
            "jit": "off",
        },
    }


async def _poll_for_lock(conn: "asyncpg.Connection[Any]", key: int) -> None:
    query = "SELECT pg_try_advisory_lock($1, $2)"
    while not await conn.fetchval(query, _LEASE_NAMESPACE, key):  # noqa: ASYNC110 -- another process ends it
        await asyncio.sleep(_LEASE_POLL_SECONDS)


async def _keep_session(conn: "asyncpg.Connection[Any]") -> None:
    """Save the round trip that resets a session on release: ours change nothing in it.

    Leases, the only session state, live on connections outside the pool.
    """
    assert not conn.is_in_transaction(), "a transaction was left open"


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
