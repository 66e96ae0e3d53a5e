"""A server that vanishes without a word, as a fail-over by address or a dropped path leaves it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from services.common.runtime.config import PostgresSettings
from services.common.runtime.database import is_infrastructure_failure, open_database
from services.common.testing.postgres import TestDatabase


class Link:
    """Everything between a service and its server: connections can fall silent, and new ones be laid."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._alive = asyncio.Event()
        self._alive.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, both ways."""
        alive = self._alive
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                await alive.wait()
                sink.write(data)

        ways = [asyncio.create_task(copy(*way)) for way in ((reader, forth), (back, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            forth.transport.abort()
            writer.transport.abort()

    def fall_silent(self) -> None:
        """Carry nothing more on the connections of today; those to come are carried."""
        self._alive.clear()
        self._alive = asyncio.Event()
        self._alive.set()


@asynccontextmanager
async def linked(database: TestDatabase) -> AsyncIterator[tuple[Link, PostgresSettings]]:
    """Lay a link to a database, and give the settings of who uses it."""
    port = urlsplit(database.runtime_dsn).port
    assert port is not None, "the server of the tests listens on a port"
    link = Link(port)
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(link.carry(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    ours = server.sockets[0].getsockname()[1]
    dsn = database.runtime_dsn.replace(f":{port}/", f":{ours}/")
    try:
        yield link, PostgresSettings(dsn=SecretStr(dsn), statement_timeout_seconds=0.5)
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def test_is_given_up_and_the_next_connection_works(database: TestDatabase) -> None:
    """What was asked fails as the world does, instead of waiting for as long as TCP tries."""
    async with linked(database) as (link, settings), open_database(settings) as db:
        async with db.transaction() as conn:
            assert await conn.fetchval("SELECT 1") == 1
        link.fall_silent()

        with pytest.raises(TimeoutError) as failure:
            async with db.transaction() as conn:
                await conn.execute("SELECT 1")
        async with db.transaction() as conn:
            assert await conn.fetchval("SELECT 1") == 1

    assert is_infrastructure_failure(failure.value)
