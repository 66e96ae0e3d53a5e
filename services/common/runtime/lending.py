"""Connections at hand: lent and taken back without a turn of the event loop.

A pool's own way takes a task and several turns for each use, as long as a short statement itself. What is taken back
in good order stays here for the next one; the pool hears of a connection when it is opened, when something went wrong
with it, when somebody waits for one, and when it has rested.
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Proxy: TypeAlias = "PoolConnectionProxy[Any]"

REST_SECONDS_MAX: Final = 60.0
"""How long a connection may rest here; after that the pool has it, and closes it in its time."""


class Lending:
    """Lends connections of one pool."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", *, rest_seconds_max: float = REST_SECONDS_MAX
    ) -> None:
        """Take an open pool, which its maker closes after this."""
        self._pool = pool
        self._rest_seconds_max = rest_seconds_max
        self._at_hand: list[tuple[Proxy, float]] = []
        """Those that rest, the last one used at the end."""
        self._waiting = 0
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._giving_back: set[asyncio.Task[None]] = set()

    def lend(self) -> "Lent":
        """Lend a connection for the body of ``async with``."""
        return Lent(self)

    async def take(self) -> Proxy:
        """Give a connection that nobody else has until it is put back."""
        while self._at_hand:
            conn, _ = self._at_hand.pop()
            if _is_open(conn):
                return conn
            await self._pool.release(conn)
        self._waiting += 1
        try:
            return await self._pool.acquire()
        finally:
            self._waiting -= 1

    async def put_back(self, conn: Proxy, *, failed: bool) -> None:
        """Take a connection back; the pool looks after it where something went wrong."""
        if failed or self._waiting or self._closed or not _is_open(conn):
            await self._pool.release(conn)
            return
        assert not conn.is_in_transaction(), "a transaction was left open"
        now = asyncio.get_running_loop().time()
        self._at_hand.append((conn, now))
        if self._timer is None:
            self._look_later()

    async def close(self) -> None:
        """Give every connection that rests back to the pool; those in use follow when they are put back."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        resting, self._at_hand = self._at_hand, []
        for conn, _ in resting:
            await self._pool.release(conn)
        await asyncio.gather(*self._giving_back)

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._rest_seconds_max, self._give_rested_back)

    def _give_rested_back(self) -> None:
        """Leave those that have rested to the pool, which closes them in its time."""
        self._timer = None
        loop = asyncio.get_running_loop()
        before = loop.time() - self._rest_seconds_max
        while self._at_hand and self._at_hand[0][1] <= before:
            conn, _ = self._at_hand.pop(0)
            task = loop.create_task(self._pool.release(conn))
            self._giving_back.add(task)
            task.add_done_callback(self._giving_back.discard)
        if self._at_hand:
            self._look_later()


class Lent:
    """One connection for the body of ``async with``."""

    __slots__ = ("_conn", "_lending")

    def __init__(self, lending: Lending) -> None:
        """Take who lends."""
        self._lending = lending
        self._conn: Proxy | None = None

    async def __aenter__(self) -> Proxy:
        """Take it."""
        self._conn = await self._lending.take()
        return self._conn

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put it back."""
        assert self._conn is not None, "entered before"
        await self._lending.put_back(self._conn, failed=kind is not None)


def _is_open(conn: Proxy) -> bool:
    """Tell whether a connection is still the pool's, and open."""
    with suppress(asyncpg.InterfaceError):  # Raised by one that was lost while it rested.
        return not conn.is_closed()
    return False
