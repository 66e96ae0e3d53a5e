"""Waiting until nothing of a workload is still under way: the next one must not pay for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter
from typing import Final

import asyncpg

from services.bench.errors import BenchError
from services.bench.stack import BenchStack

_POLL_SECONDS: Final = 0.1
_QUIET_SECONDS: Final = 0.6
_SECONDS_MAX: Final = 600.0
_BEHIND: Final = """
SELECT h.seq, h.seq - coalesce((SELECT c.seq FROM relay_cursor AS c WHERE c.shard_id = 0), 0)
  FROM shard_head AS h
 WHERE h.shard_id = 0
"""


class Settling:
    """Looks at the journals of the services, and at what of them is published."""

    def __init__(self, conns: dict[str, "asyncpg.Connection[asyncpg.Record]"]) -> None:
        """Take a connection to each service's database."""
        self._conns = conns

    async def head(self, service: str) -> int:
        """Give the number of the last fact in a service's journal."""
        row = await self._conns[service].fetchrow(_BEHIND)
        assert row is not None, "a shard exists from its migration on"
        return int(row[0])

    async def settle(self, *services: str) -> float:
        """Wait until these journals are published to their ends and grow no more; give the moment of the last movement.

        The moment is one of ``time.perf_counter``, late by at most the time between two looks.
        """
        began = quiet_since = perf_counter()
        before: list[int] = []
        while perf_counter() - quiet_since < _QUIET_SECONDS:
            rows = [await self._conns[service].fetchrow(_BEHIND) for service in services]
            heads = [int(row[0]) for row in rows if row is not None]
            behind = sum(int(row[1]) for row in rows if row is not None)
            if behind or heads != before:
                quiet_since, before = perf_counter(), heads
            if perf_counter() - began > _SECONDS_MAX:
                message = f"After {_SECONDS_MAX:.0f} s {behind} facts are still not published."
                raise BenchError(message)
            await asyncio.sleep(_POLL_SECONDS)
        return quiet_since


@asynccontextmanager
async def open_settling(stack: BenchStack) -> AsyncIterator[Settling]:
    """Connect to the services' databases, and disconnect at the end."""
    async with AsyncExitStack() as resources:
        conns = {}
        for service, url in stack.info.database_urls.items():
            conns[service] = await asyncpg.connect(url)
            resources.push_async_callback(conns[service].close)
        yield Settling(conns)
