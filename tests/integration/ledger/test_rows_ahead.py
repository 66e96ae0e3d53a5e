"""Large batches, whose rows are sent while the batch before is still being committed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from services.common.runtime.database import Connection, Database, is_infrastructure_failure
from services.common.runtime.lending import Lent
from services.common.testing.clock import ManualClock
from services.common.testing.postgres import TestDatabase
from services.ledger.domain.batch import Result
from services.ledger.domain.chart import Chart
from services.ledger.domain.transaction import OpenAccount, TransactionCommand
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import CommitBatch
from tests.integration.ledger.commands import ALICE, BANK, SALES, command, outcomes
from tests.integration.ledger.test_fold_ahead import administrator
from tests.integration.ledger.writer import START, Ledger

SIZE = 40
_SENT = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND state = 'idle in transaction' AND query LIKE 'COPY \"posting\"%'"
)
_TAKE_NUMBER = (
    "INSERT INTO transaction SELECT $1, shard_id, $2, kind, status, effective_time, recorded_time, basis, purpose,"
    " reference, target_id, expire_time, request_hash FROM transaction LIMIT 1"
)
_WAITING = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def transfers(count: int = SIZE) -> list[TransactionCommand]:
    """Make a batch that is no small one: it takes one cent from the bank to Alice each time."""
    return [command((BANK, -1), (ALICE, 1)) for _ in range(count)]


async def opened(ledger: Ledger) -> None:
    """Open the accounts, so that the writer remembers them."""
    await ledger.decide(
        OpenAccount(ALICE, "EUR", 0, "467100"), command((BANK, -5), (ALICE, 5)), *transfers()
    )


@asynccontextmanager
async def balance_held(ledger: Ledger) -> AsyncIterator[None]:
    """Hold Alice's balance, so that a batch can send its rows and move the head, but not commit."""
    async with ledger.database.open_as_owner() as owner, owner.transaction():
        await owner.execute(
            "SELECT 1 FROM account_balance JOIN account USING (account_id) WHERE name = $1"
            " FOR UPDATE OF account_balance",
            ALICE,
        )
        yield


async def sessions(ledger: Ledger, query: str) -> list[int]:
    """Wait until some session is as a query asks for, and give those that are."""
    async with administrator(ledger) as conn, asyncio.timeout(60):
        while not (rows := await conn.fetch(query)):  # noqa: ASYNC110 -- PostgreSQL tells nobody
            await asyncio.sleep(0.01)
        return [row[0] for row in rows]


def other_writer(ledger: Ledger, chart: Chart, db: Database | None = None) -> CommitBatch:
    """Give a second writer of the shard, as another process would be."""
    return CommitBatch(
        db or ledger.db,
        AccountDirectory(shard_id=0, size_max=100),
        chart,
        ManualClock(START),
        shard_id=0,
        on_commit=lambda _units: None,
    )


def statuses(results: list[Result]) -> set[int]:
    """Give the statuses that occur."""
    return {outcome.status for outcome in outcomes(results)}


async def test_rows_wait_in_their_transaction(ledger: Ledger) -> None:
    """The second batch has sent its rows before the first is committed; then both are there, in their order."""
    await opened(ledger)
    async with balance_held(ledger):
        first, second = (asyncio.create_task(ledger.decide(*transfers())) for _ in range(2))
        await sessions(ledger, _SENT)
        assert not first.done()
        assert not second.done()

    results = await first, await second

    assert [statuses(batch) for batch in results] == [{0}, {0}]
    assert outcomes(results[0])[-1].seq < outcomes(results[1])[0].seq
    assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 5 + 3 * SIZE
    assert (await ledger.journal.verify()).ok


async def test_rows_that_were_sent_in_vain(ledger: Ledger) -> None:
    """When the first batch fails, the second takes its rows back and is decided again."""
    await opened(ledger)
    async with balance_held(ledger):
        first, second = (asyncio.create_task(ledger.decide(*transfers())) for _ in range(2))
        await sessions(ledger, _SENT)
        [session] = await sessions(ledger, _WAITING)
        async with administrator(ledger) as admin:
            await admin.execute("SELECT pg_terminate_backend($1)", session)
        with pytest.raises(Exception) as failure:  # noqa: PT011 -- any failure of the world
            await first

    assert is_infrastructure_failure(failure.value)
    assert statuses(await second) == {0}
    assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 5 + 2 * SIZE
    assert (await ledger.journal.verify()).ok


async def test_an_id_in_two_batches_at_once(ledger: Ledger) -> None:
    """A repetition of what is being written waits for it, and is answered as it was; the third follows."""
    await opened(ledger)
    batch = transfers()
    again = [*transfers(), batch[7]]

    results = await asyncio.gather(
        ledger.decide(*batch), ledger.decide(*again), ledger.decide(*transfers())
    )

    assert [statuses(one) for one in results] == [{0}, {0}, {0}]
    assert outcomes(results[1])[-1] == outcomes(results[0])[7]._replace(replayed=True)
    assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 5 + 4 * SIZE
    assert (await ledger.journal.verify()).ok


async def test_whoever_holds_the_head_is_not_waited_for(
    ledger: Ledger, ledger_database: TestDatabase
) -> None:
    """A writer that holds the head may wait for our rows: so we take them back, and write behind it."""
    await opened(ledger)
    async with ledger_database.open_as_owner() as owner:
        holding = owner.transaction()
        await holding.start()
        await owner.execute("SELECT 1 FROM shard_head WHERE shard_id = 0 FOR UPDATE")
        batch = asyncio.create_task(ledger.decide(*transfers()))
        await sessions(ledger, _WAITING)
        none_sent = await owner.fetch(_SENT)
        await holding.rollback()

    assert none_sent == []
    assert statuses(await batch) == {0}
    assert (await ledger.journal.verify()).ok


async def test_no_row_is_sent_before_those_of_a_small_batch(
    ledger: Ledger, ledger_database: TestDatabase
) -> None:
    """A small batch waits for whoever holds the head; rows behind it would be waited for in their turn."""
    await opened(ledger)
    async with ledger_database.open_as_owner() as owner, owner.transaction():
        head = await owner.fetchval("SELECT seq FROM shard_head WHERE shard_id = 0 FOR UPDATE")
        batches = [asyncio.create_task(ledger.decide(*transfers(count))) for count in (3, SIZE)]
        await sessions(ledger, _WAITING)
        await asyncio.wait(batches, timeout=0.2)

        # What another process does that holds the head and has a larger batch than our small one.
        for seq in range(head + 1, head + 6):
            await owner.execute(_TAKE_NUMBER, uuid4(), seq)
        await owner.execute("DELETE FROM transaction WHERE seq > $1", head)

    assert [statuses(await batch) for batch in batches] == [{0}, {0}]
    assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 5 + 2 * SIZE + 3
    assert (await ledger.journal.verify()).ok


class SlowConnection(Database):
    """A database of which one transaction waits for its connection, while the next ones have theirs at hand."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.is_next_slow = False
        self.asked, self.there = asyncio.Event(), asyncio.Event()

    def connection(self) -> Lent:
        """Lend one at once."""
        return self._db.connection()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Begin one, sooner or later."""
        if self.is_next_slow:
            self.is_next_slow = False
            self.asked.set()
            await self.there.wait()
        async with self._db.transaction() as conn:
            yield conn


async def test_rows_are_sent_in_the_order_of_the_batches(ledger: Ledger, chart: Chart) -> None:
    """Also when the first batch gets its connection last: who repeats a row of it waits for it, never the reverse."""
    slow = SlowConnection(ledger.db)
    writer = other_writer(ledger, chart, slow)
    await ledger.decide(OpenAccount(ALICE, "EUR", 0, "467100"), *transfers())
    await writer([command((BANK, -1), (ALICE, 1))])
    batch = transfers()
    again = [*transfers(), batch[-1]]
    slow.is_next_slow = True
    first, second = (asyncio.create_task(writer(units)) for units in (batch, again))
    await slow.asked.wait()
    await asyncio.wait([first, second], timeout=0.2)
    slow.there.set()

    assert [statuses(await first), statuses(await second)] == [{0}, {0}]
    assert outcomes(await second)[-1] == outcomes(await first)[-1]._replace(replayed=True)
    assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 3 * SIZE + 1
    assert (await ledger.journal.verify()).ok


async def test_two_writers_at_once(ledger: Ledger, chart: Chart) -> None:
    """Whoever comes too late decides again: nothing fails, nothing is lost, and the numbers have no gap."""
    await opened(ledger)
    other = other_writer(ledger, chart)
    sales = [[command((BANK, -1), (SALES, 1)) for _ in range(SIZE)] for _ in range(6)]

    results = await asyncio.gather(
        *(writer for units in sales for writer in (ledger.decide(*transfers()), other(units)))
    )

    assert [statuses(batch) for batch in results] == [{0}] * 12
    assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 5 + 7 * SIZE
    assert (await ledger.accounts.balance_now(SALES)).balances.posted == 6 * SIZE
    assert (await ledger.journal.totals()).transactions == 1 + 13 * SIZE
    assert (await ledger.journal.verify()).ok
