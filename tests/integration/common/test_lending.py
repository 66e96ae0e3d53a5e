"""Connections at hand, on a pool of PostgreSQL's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
import pytest

from services.common.runtime.lending import Lending
from services.common.testing.postgres import TestDatabase

_SIZE: Final = 2
_PID: Final = "SELECT pg_backend_pid()"


@pytest.fixture
async def pool(database: TestDatabase) -> "AsyncIterator[asyncpg.Pool[Any]]":
    """Open a pool of two connections."""
    dsn = database.runtime_dsn
    async with asyncpg.create_pool(dsn, min_size=0, max_size=_SIZE) as opened:
        yield opened


@pytest.fixture
async def lending(pool: "asyncpg.Pool[Any]") -> AsyncIterator[Lending]:
    """Lend from it."""
    lends = Lending(pool)
    yield lends
    await lends.close()


class TestLending:
    """What is lent, and to whom."""

    async def test_the_last_one_used_is_lent_again(self, lending: Lending) -> None:
        """It stays at hand, with the statements that it has prepared."""
        pids = set()
        for _ in range(3):
            async with lending.lend() as conn:
                pids.add(await conn.fetchval(_PID))

        assert len(pids) == 1

    async def test_two_at_a_time_never_have_the_same_one(self, lending: Lending) -> None:
        """However often they came before."""
        async with lending.lend() as one, lending.lend() as other:
            assert await one.fetchval(_PID) != await other.fetchval(_PID)

    async def test_who_waits_gets_the_first_that_is_put_back(self, lending: Lending) -> None:
        """As many as the pool allows are lent; all who wait come to their turn."""
        running = most = 0

        async def use() -> None:
            nonlocal running, most
            async with lending.lend() as conn:
                running += 1
                most = max(most, running)
                await conn.fetchval("SELECT pg_sleep(0.002)")
                running -= 1

        await asyncio.gather(*(use() for _ in range(50)))

        assert most == _SIZE

    async def test_one_that_was_lost_while_it_rested_is_not_lent(
        self, lending: Lending, database: TestDatabase
    ) -> None:
        """As when the server was started anew."""
        lost = asyncio.Event()
        async with lending.lend() as conn:
            pid = await conn.fetchval(_PID)
            conn.add_termination_listener(lambda _: lost.set())
        async with asyncpg.create_pool(database.runtime_dsn, min_size=1, max_size=1) as other:
            await other.execute("SELECT pg_terminate_backend($1)", pid)
        await asyncio.wait_for(lost.wait(), 60)

        async with lending.lend() as conn:
            assert await conn.fetchval(_PID) != pid

    async def test_a_body_that_is_cut_off_leaves_a_connection_that_works(
        self, lending: Lending
    ) -> None:
        """The pool waits for the end of what was cancelled."""
        begun = asyncio.Event()

        async def hang() -> None:
            async with lending.lend() as conn:
                begun.set()
                await conn.execute("SELECT pg_sleep(60)")

        task = asyncio.create_task(hang())
        await begun.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        async with lending.lend() as one, lending.lend() as other:
            assert await one.fetchval("SELECT 1") == await other.fetchval("SELECT 1") == 1


class TestRest:
    """What becomes of a connection that nobody wants."""

    async def test_the_pool_has_what_rests_too_long(self, pool: "asyncpg.Pool[Any]") -> None:
        """Which closes it in its own time."""
        lending = Lending(pool, rest_seconds_max=0.01)
        async with lending.lend():
            assert pool.get_idle_size() == 0

        async with asyncio.timeout(60):
            while not pool.get_idle_size():  # noqa: ASYNC110 -- a timer ends it
                await asyncio.sleep(0.01)

        async with lending.lend() as conn:
            assert await conn.fetchval("SELECT 1") == 1
        await lending.close()

    async def test_its_end_gives_all_back(self, pool: "asyncpg.Pool[Any]") -> None:
        """Those that rest at once, those in use when they are put back."""
        lending = Lending(pool)
        async with lending.lend():
            pass
        async with lending.lend():
            await lending.close()

        assert pool.get_idle_size() == pool.get_size() == 1
