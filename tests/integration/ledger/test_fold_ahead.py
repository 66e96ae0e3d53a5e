"""Batches that are folded upon one another while the first is still being written."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.common.runtime.database import is_infrastructure_failure
from services.common.testing.clock import ManualClock
from services.common.testing.postgres import ADMIN, OWNER_ROLE, Postgres, TestDatabase
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.chart import Chart
from services.ledger.domain.transaction import (
    Kind,
    LinkedGroup,
    OpenAccount,
    Outcome,
    Refusal,
    TransactionCommand,
)
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import CommitBatch
from tests.integration.ledger.commands import ALICE, BANK, SALES, command, outcomes
from tests.integration.ledger.writer import START, Ledger

_LOCK_HEAD = "SELECT seq FROM shard_head WHERE shard_id = 0 FOR UPDATE"
_WAITING = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@asynccontextmanager
async def head_held(ledger: Ledger) -> AsyncIterator[None]:
    """Hold the shard's head, so that whoever writes waits for it."""
    async with ledger.database.open_as_owner() as owner, owner.transaction():
        await owner.execute(_LOCK_HEAD)
        yield


@asynccontextmanager
async def administrator(ledger: Ledger) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Connect as who sees what other sessions wait for, and may end them."""
    conn = await asyncpg.connect(ledger.database.owner_dsn.replace(OWNER_ROLE, ADMIN))
    try:
        yield conn
    finally:
        await conn.close()


async def waiting_writers(ledger: Ledger) -> list[int]:
    """Wait until somebody waits for the head, and give the sessions that do."""
    async with administrator(ledger) as conn, asyncio.timeout(60):
        while not (rows := await conn.fetch(_WAITING)):  # noqa: ASYNC110 -- PostgreSQL tells nobody
            await asyncio.sleep(0.01)
        return [row[0] for row in rows]


async def fund(ledger: Ledger, amount: int) -> None:
    """Open Alice's account with money on it; the writer remembers it from now on."""
    await ledger.decide(
        OpenAccount(ALICE, "EUR", 0, "467100"), command((BANK, -amount), (ALICE, amount))
    )


def begin(ledger: Ledger, *batches: Sequence[Unit]) -> "list[asyncio.Task[list[Result]]]":
    """Start batches in their order, without waiting for any."""
    return [asyncio.create_task(ledger.decide(*units)) for units in batches]


class TestFoldingAhead:
    async def test_is_answered_after_its_own_commit(self, ledger: Ledger) -> None:
        """While the first batch cannot be written neither is answered; then both are, in their order."""
        await fund(ledger, 100)
        async with head_held(ledger):
            tasks = begin(
                ledger, [command((BANK, -1), (ALICE, 1))], [command((ALICE, -101), (SALES, 101))]
            )
            assert len(await waiting_writers(ledger)) == 1
            done, _ = await asyncio.wait(tasks, timeout=0.05)
            assert not done

        [first], [second] = [outcomes(results) for results in await asyncio.gather(*tasks)]

        assert (first.status, second.status, second.seq) == (0, 0, first.seq + 2)
        assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 0
        assert (await ledger.journal.verify()).ok

    async def test_sees_accounts_and_money_of_the_batch_before(self, ledger: Ledger) -> None:
        """What the first opens and pays in is there for the second."""
        await fund(ledger, 5)
        bob = "wallet/bob/prepaid"

        opened, paid, spent, over = await asyncio.gather(
            *begin(
                ledger,
                [OpenAccount(bob, "EUR", 0, "467100")],
                [command((ALICE, -5), (bob, 5))],
                [command((bob, -5), (SALES, 5))],
                [command((bob, -1), (SALES, 1))],
            )
        )

        assert len(opened) == 1
        assert [outcomes(r)[0].status for r in (paid, spent)] == [0, 0]
        assert outcomes(over)[0].refusal is Refusal.INSUFFICIENT_FUNDS
        assert (await ledger.journal.verify()).ok

    async def test_a_hold_and_its_posting(self, ledger: Ledger) -> None:
        """Batches that name a hold wait for the one that makes it, and those behind them wait too."""
        await fund(ledger, 100)
        until = START + timedelta(hours=1)
        hold = command((ALICE, -80), (SALES, 80), kind=Kind.HOLD, expire_time=until)
        post = command(
            (ALICE, -30), (SALES, 30), kind=Kind.HOLD_POSTED, target_id=hold.transaction_id
        )
        void = command(kind=Kind.HOLD_VOIDED, target_id=hold.transaction_id)
        spend = command((ALICE, -70), (SALES, 70))

        answers = [
            outcomes(results)[0]
            for results in await asyncio.gather(*begin(ledger, [hold], [post], [void], [spend]))
        ]

        assert [answer.status for answer in answers] == [0, 0, Refusal.HOLD_CLOSED, 0]
        assert (await ledger.accounts.balance_now(ALICE)).balances == (0, 0, 0)
        assert (await ledger.journal.verify()).ok

    async def test_a_repetition_of_what_is_being_written(self, ledger: Ledger) -> None:
        """The second batch gives the first's outcome again, and the third, folded upon it, is decided again."""
        await fund(ledger, 10)
        once = command((ALICE, -10), (SALES, 10))
        other = once._replace(request_hash=bytes(16))
        later = command((BANK, -7), (ALICE, 7))

        first, again, reused, last = [
            outcomes(results)[0]
            for results in await asyncio.gather(*begin(ledger, [once], [once], [other], [later]))
        ]

        assert (first.status, first.replayed) == (0, False)
        assert again == first._replace(replayed=True)
        assert (reused.refusal, reused.seq) == (Refusal.REQUEST_ID_REUSED, 0)
        assert last.seq == first.seq + 1
        assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 7
        assert (await ledger.journal.verify()).ok

    async def test_forgets_when_it_remembers_too_much(self, ledger: Ledger, chart: Chart) -> None:
        """With room for two accounts every balance is still right."""
        directory = AccountDirectory(shard_id=0, size_max=100)
        small = CommitBatch(
            ledger.db,
            directory,
            chart,
            ledger.clock,
            shard_id=0,
            on_commit=lambda _units: None,
            standing_max=2,
        )
        names = [f"gl/530000/stores/{n:04}" for n in range(6)]

        await asyncio.gather(
            *[small([command((BANK, -1), (name, 1))]) for _ in range(3) for name in names]
        )

        assert (await ledger.accounts.balance_now(BANK)).balances.posted == -18
        assert (await ledger.accounts.balance_now(names[3])).balances.posted == 3
        assert (await ledger.journal.verify()).ok


class TestWhatFails:
    async def test_a_batch_whose_write_fails(self, ledger: Ledger) -> None:
        """The batch folded upon it is decided again without it: money that never came cannot be spent."""
        await fund(ledger, 5)
        deposit, spend = command((BANK, -90), (ALICE, 90)), command((ALICE, -95), (SALES, 95))
        async with head_held(ledger):
            tasks = begin(ledger, [deposit], [spend])
            [session] = await waiting_writers(ledger)
            async with administrator(ledger) as conn:
                await conn.execute("SELECT pg_terminate_backend($1)", session)
            with pytest.raises(Exception) as failure:  # noqa: PT011 -- any failure of the world
                await tasks[0]
            assert is_infrastructure_failure(failure.value)

        [spent] = outcomes(await tasks[1])
        [late] = outcomes(await ledger.decide(deposit))

        assert (spent.refusal, late.status) == (Refusal.INSUFFICIENT_FUNDS, 0)
        assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 95
        assert (await ledger.journal.verify()).ok

    async def test_a_fold_that_fails(self, ledger: Ledger) -> None:
        """A bug that one batch lays bare takes neither the batch before nor the one behind with it."""
        await fund(ledger, 5)
        unbalanced = command((ALICE, 3), (SALES, -1))

        first, poison, last = await asyncio.gather(
            *begin(
                ledger,
                [command((ALICE, -1), (SALES, 1))],
                [unbalanced],
                [command((ALICE, -4), (SALES, 4))],
            ),
            return_exceptions=True,
        )

        assert isinstance(poison, AssertionError)
        assert isinstance(first, list)
        assert isinstance(last, list)
        assert [o.status for o in outcomes(first) + outcomes(last)] == [0, 0]
        assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 0
        assert (await ledger.journal.verify()).ok

    async def test_a_caller_that_is_cancelled(self, ledger: Ledger) -> None:
        """What was folded upon a batch that was cut off in its write is decided again."""
        await fund(ledger, 5)
        async with head_held(ledger):
            first, second = begin(
                ledger, [command((BANK, -90), (ALICE, 90))], [command((ALICE, -95), (SALES, 95))]
            )
            await waiting_writers(ledger)
            first.cancel()
            await asyncio.wait([first])

        [spent] = outcomes(await second)

        assert first.cancelled()
        assert spent.refusal is Refusal.INSUFFICIENT_FUNDS
        assert (await ledger.journal.verify()).ok


class TestAnotherWriter:
    async def test_what_is_remembered_is_worth_nothing_then(
        self, ledger: Ledger, ledger_database: TestDatabase, chart: Chart
    ) -> None:
        """Another process has spent the money: batches folded upon the old balance are decided again."""
        await fund(ledger, 100)
        async with ledger_database.open() as db:
            other = CommitBatch(
                db,
                AccountDirectory(shard_id=0, size_max=10),
                chart,
                ManualClock(START),
                shard_id=0,
                on_commit=lambda _units: None,
            )
            await other([command((ALICE, -60), (SALES, 60))])

            answers = await asyncio.gather(
                *begin(
                    ledger,
                    [command((ALICE, -60), (SALES, 60))],
                    [command((ALICE, -40), (SALES, 40))],
                    [command((ALICE, -1), (SALES, 1))],
                )
            )
            [taken_over] = outcomes(await other([command((BANK, -9), (ALICE, 9))]))

        assert [outcomes(results)[0].status for results in answers] == [
            Refusal.INSUFFICIENT_FUNDS,
            0,
            Refusal.INSUFFICIENT_FUNDS,
        ]
        assert taken_over.status == 0
        assert (await ledger.accounts.balance_now(ALICE)).balances.posted == 9
        assert (await ledger.journal.verify()).ok


NAMES = (ALICE, "wallet/bob/prepaid", "wallet/carol/prepaid", BANK, SALES, "no/such")


def some_batches(seed: int) -> list[list[Unit]]:
    """Make batches full of repetitions, holds, reversals, groups, openings and refusals."""
    chance = random.Random(seed)
    made: list[TransactionCommand] = []

    def some_command() -> TransactionCommand:
        first, second = chance.sample(NAMES, 2)
        amount = chance.randrange(1, 60)
        legs = ((first, -amount), (second, amount))
        target: UUID | None = chance.choice(made).transaction_id if made else None
        match chance.randrange(10):
            case 0 if made:
                again = chance.choice(made)
                return again._replace(request_hash=bytes(16)) if chance.random() < 0.3 else again
            case 1 | 2:
                until = START + timedelta(hours=1)
                new = command(*legs, kind=Kind.HOLD, expire_time=until)
            case 3 if target:
                new = command(kind=Kind.HOLD_POSTED, target_id=target)
            case 4 if target:
                new = command(kind=Kind.HOLD_VOIDED, target_id=target)
            case 5 if target:
                new = command(kind=Kind.REVERSAL, target_id=target)
            case _:
                new = command(*legs)
        made.append(new)
        return new

    def some_unit() -> Unit:
        match chance.randrange(12):
            case 0:
                return OpenAccount(chance.choice(NAMES[:3]), "EUR", 0, "467100")
            case 1:
                return LinkedGroup(tuple(some_command() for _ in range(3)))
            case 2 | 3:
                return command((BANK, -50), (chance.choice(NAMES[:3]), 50))
            case _:
                return some_command()

    return [[some_unit() for _ in range(chance.randrange(1, 9))] for _ in range(12)]


class TestTheSame:
    @pytest.mark.parametrize("seed", range(8))
    async def test_as_one_batch_after_the_other(
        self, postgres: Postgres, ledger_template: TestDatabase, chart: Chart, seed: int
    ) -> None:
        """Overlapping batches give the outcomes, and the head's hash, that they give one by one."""
        batches = some_batches(seed)
        seen: list[tuple[list[list[Result]], object]] = []
        for overlap in (False, True):
            async with postgres.clone(ledger_template) as database, database.open() as db:
                commit = CommitBatch(
                    db,
                    AccountDirectory(shard_id=0, size_max=100),
                    chart,
                    ManualClock(START),
                    shard_id=0,
                    on_commit=lambda _units: None,
                )
                if overlap:
                    results = await asyncio.gather(*[commit(units) for units in batches])
                else:
                    results = [await commit(units) for units in batches]
                async with db.connection() as conn:
                    head = await conn.fetchrow("SELECT seq, head_hash FROM shard_head")
                seen.append((results, head))

        assert seen[0] == seen[1]
        statuses = {o.status for r in seen[0][0] for o in r if isinstance(o, Outcome)}
        assert len(statuses) > 2, "some are accepted, and some are refused for different reasons"
