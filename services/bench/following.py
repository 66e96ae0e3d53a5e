"""Waiting until the books and the points have followed the checkouts that were paid."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter
from typing import Final, NamedTuple

import asyncpg

from services.bench.errors import BenchError
from services.bench.settling import Settling, open_settling
from services.bench.stack import BenchStack

_POLL_SECONDS: Final = 0.2
_SECONDS_MAX: Final = 300.0
_SERVICES: Final = ("wallet", "points", "ledger")
_PAID: Final = "SELECT count(*) FROM payment WHERE kind = 1 AND state = 4"
_SETTLED: Final = "SELECT count(*) FROM ticket_settlement"
_BOOKED: Final = "SELECT count(*) FROM transaction WHERE purpose = 'checkout-sale' AND status = 0"


class Counts(NamedTuple):
    """How many checkouts are paid, in the points, and in the books."""

    paid: int
    in_points: int
    in_books: int


class Following:
    """Looks into the databases of the three services."""

    def __init__(
        self, conns: "dict[str, asyncpg.Connection[asyncpg.Record]]", settling: Settling
    ) -> None:
        """Take a connection to each service's database."""
        self._conns = conns
        self._settling = settling

    async def wait(self, paid: int) -> float:
        """Wait until so many checkouts since the start are paid, in the points and in the books.

        All that the points make of them must be booked, too. Gives the moment of the last movement, as
        ``time.perf_counter`` counts.
        """
        began = perf_counter()
        while True:
            moment = await self._settling.settle(*_SERVICES)
            counts = await self._count()
            if counts == Counts(paid, paid, paid):
                return moment
            if max(counts) > paid or perf_counter() - began > _SECONDS_MAX:
                message = f"{paid} checkouts should be paid and booked, and this is found: {counts}"
                raise BenchError(message)
            await asyncio.sleep(_POLL_SECONDS)

    async def _count(self) -> Counts:
        return Counts(
            paid=await self._conns["wallet"].fetchval(_PAID),
            in_points=await self._conns["points"].fetchval(_SETTLED),
            in_books=await self._conns["ledger"].fetchval(_BOOKED),
        )


@asynccontextmanager
async def open_following(stack: BenchStack) -> AsyncIterator[Following]:
    """Connect to the services' databases, and disconnect at the end."""
    async with AsyncExitStack() as resources:
        conns = {}
        for service in _SERVICES:
            conns[service] = await asyncpg.connect(stack.info.database_urls[service])
            resources.push_async_callback(conns[service].close)
        yield Following(conns, await resources.enter_async_context(open_settling(stack)))
