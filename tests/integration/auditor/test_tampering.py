"""Whatever is altered, deleted or doubled in any table, verify fails and names the check."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.auditor.stage import Stack
from tests.integration.auditor.tampering import (
    ALL_PARTS,
    LEFT_OUT,
    WATCHES,
    Owner,
    alter_first,
    columns_of,
    double_row,
    drop_checks,
    failing,
    tables_of,
    tampering,
)

SERVICES = ("ledger", "points", "wallet")
TABLES = sorted(WATCHES)


@pytest.fixture
async def owner(stack: Stack, service: str) -> AsyncIterator[Owner]:
    """Give a connection that may change anything in the service's database."""
    async with stack.of(service).open_as_owner() as conn:
        yield conn


class TestCoverage:
    """Nothing is left out silently."""

    @pytest.mark.parametrize("service", SERVICES)
    async def test_every_table_is_watched_or_left_out_with_a_reason(
        self, owner: Owner, service: str
    ) -> None:
        """A table that a migration adds must be covered by a check."""
        tables = set(await tables_of(owner))
        watched = {table for of, table in WATCHES if of == service}
        assert tables - watched - LEFT_OUT.keys() == set()
        assert watched <= tables

    async def test_an_honest_history_passes(self, stack: Stack) -> None:
        """The history that the other tests tamper with breaks no check by itself."""
        assert await failing(stack, ALL_PARTS) == set()


@pytest.mark.parametrize(("service", "table"), TABLES)
class TestTampering:
    """One table at a time; afterwards it is as it was."""

    async def test_sees_every_altered_value(
        self, stack: Stack, owner: Owner, service: str, table: str
    ) -> None:
        """One other value in any column that means something fails the table's check."""
        watch = WATCHES[service, table]
        await drop_checks(owner, table)
        unseen, altered = [], set()
        for column in await columns_of(owner, table):
            for where, how in column.alterations():
                async with tampering(owner, table):
                    if not await alter_first(owner, table, column.name, where, how):
                        continue
                    altered.add(column.name)
                    if not watch.checks & await failing(stack, [watch.body]):
                        unseen.append((column.name, how))
        assert unseen == []
        assert altered == {column.name for column in await columns_of(owner, table)}

    async def test_misses_every_deleted_row(
        self, stack: Stack, owner: Owner, service: str, table: str
    ) -> None:
        """A deleted row fails the table's check, wherever it stood."""
        watch = WATCHES[service, table]
        count = await owner.fetchval(f'SELECT count(*) FROM public."{table}"')
        unseen = []
        for place in sorted({0, count // 2, count - 1}):
            async with tampering(owner, table):
                await owner.execute(
                    f'DELETE FROM public."{table}" WHERE ctid ='
                    f' (SELECT ctid FROM public."{table}" ORDER BY ctid OFFSET {place} LIMIT 1)'
                )
                if not watch.checks & await failing(stack, [watch.body]):
                    unseen.append(place)
        assert unseen == []

    async def test_sees_a_row_that_stands_twice(
        self, stack: Stack, owner: Owner, service: str, table: str
    ) -> None:
        """A second copy of a row, under another key or without any, fails the table's check."""
        watch = WATCHES[service, table]
        unseen = []
        for column in await columns_of(owner, table):
            async with tampering(owner, table):
                if not await double_row(owner, table, column.name, column.alterations()[0][1]):
                    continue
                if not watch.checks & await failing(stack, [watch.body]):
                    unseen.append(column.name)
        assert unseen == []
