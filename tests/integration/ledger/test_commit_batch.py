"""Batches on a real database: what is written, what is refused, what stays what it was."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from services.common.kernel.clock import system_clock
from services.common.runtime.group_commit import GroupCommit
from services.common.testing.postgres import TestDatabase
from services.ledger.domain.account import AccountNotFound
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.chart import Chart
from services.ledger.domain.decide import AccountOpened
from services.ledger.domain.transaction import (
    Kind,
    LinkedGroup,
    OpenAccount,
    Refusal,
    TransactionCommand,
)
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import CommitBatch
from services.ledger.usecases.expire_holds import expire_holds
from tests.integration.ledger.commands import ALICE, BANK, SALES, command, outcomes
from tests.integration.ledger.writer import START, Ledger


class TestBatches:
    async def test_writes_what_the_fold_decided(self, ledger: Ledger) -> None:
        """Balances, statement, trial balance and totals all tell of the one batch."""
        await ledger.decide(
            OpenAccount(ALICE, "EUR", 0, "467100"),
            command((BANK, -500), (ALICE, 500)),
            command((ALICE, -900), (SALES, 900)),
        )

        alice = await ledger.accounts.balance_now(ALICE)
        page = await ledger.accounts.statement(ALICE, before=(2**62, 0), limit=10)
        books = await ledger.journal.trial_balance(effective_through=None, recorded_through=None)
        assert (alice.balances.posted, alice.available) == (500, 500)
        assert [row.amount for row in page.rows] == [500]
        assert [(b.gl_code, b.debit, b.credit) for b in books] == [
            ("467100", 0, 500),
            ("512100", 500, 0),
        ]
        assert await ledger.journal.totals() == (4, 2, 1, 1, 2)

    async def test_the_chain_proves_the_journal(self, ledger: Ledger) -> None:
        """The verifier recomputes every block from the stored rows."""
        for _ in range(3):
            await ledger.decide(command((BANK, -5), (SALES, 5)), command((BANK, -5), ("no", 5)))

        report = await ledger.journal.verify()

        assert (report.ok, report.blocks, report.facts) == (True, 3, 8)

    async def test_a_retry_in_a_later_batch(self, ledger: Ledger) -> None:
        """The frozen outcome comes back; other content is refused and leaves nothing."""
        first = command((BANK, -5), (SALES, 5))
        [before] = outcomes(await ledger.decide(first))
        other = first._replace(request_hash=bytes(16))

        again, reused = outcomes(await ledger.decide(first, other))

        assert again == before._replace(replayed=True)
        assert (reused.refusal, reused.seq) == (Refusal.REQUEST_ID_REUSED, 0)
        assert (await ledger.journal.totals()).transactions == 1

    async def test_a_repetition_among_new_commands(self, ledger: Ledger) -> None:
        """The batch is done again with a look at the journal: nobody else notices, nothing is written twice."""
        first = command((BANK, -5), (SALES, 5))
        [before] = outcomes(await ledger.decide(first))
        new = [command((BANK, -1), (SALES, 1)) for _ in range(2)]

        answers = outcomes(await ledger.decide(new[0], first, new[1]))
        again = outcomes(await ledger.decide(*new, first))

        assert [answer.replayed for answer in answers] == [False, True, False]
        assert answers[1] == before._replace(replayed=True)
        assert [answer.seq for answer in again] == [answers[0].seq, answers[2].seq, before.seq]
        assert (await ledger.journal.totals()).transactions == 3
        assert (await ledger.journal.verify()).ok

    async def test_a_refusal_is_frozen(self, ledger: Ledger) -> None:
        """What was refused for want of money stays refused when money has come."""
        spend = command((ALICE, -5), (SALES, 5))
        await ledger.decide(OpenAccount(ALICE, "EUR", 0, "467100"), spend)
        await ledger.decide(command((BANK, -50), (ALICE, 50)))

        [again] = outcomes(await ledger.decide(spend))

        assert (again.refusal, again.replayed) == (Refusal.INSUFFICIENT_FUNDS, True)

    async def test_a_linked_group(self, ledger: Ledger) -> None:
        """A group that fails leaves its refusals and nothing else."""
        group = LinkedGroup(
            (command((BANK, -5), (SALES, 5)), command((BANK, -5), ("nobody/knows", 5)))
        )

        [members] = await ledger.decide(group)

        assert isinstance(members, list)
        assert [member.refusal for member in members] == [
            Refusal.LINK_GROUP_FAILED,
            Refusal.ACCOUNT_NOT_FOUND,
        ]
        with pytest.raises(AccountNotFound):
            await ledger.accounts.account(BANK)

    async def test_opening_again(self, ledger: Ledger) -> None:
        """The name is the key, also across batches."""
        wanted = OpenAccount(ALICE, "EUR", 0, "467100")
        [first] = await ledger.decide(wanted)
        assert isinstance(first, AccountOpened)

        results = await ledger.decide(wanted, replace(wanted, asset="USD"))

        assert results == [(first.account, True), Refusal.ACCOUNT_DIFFERS]


class TestHolds:
    async def test_hold_then_post_a_part(self, ledger: Ledger) -> None:
        """A hold of one batch is posted in part by a later one; the rest is free."""
        hold = command(
            (ALICE, -80), (SALES, 80), kind=Kind.HOLD, expire_time=START + timedelta(hours=1)
        )
        await ledger.decide(
            OpenAccount(ALICE, "EUR", 0, "467100"), command((BANK, -100), (ALICE, 100)), hold
        )
        held = await ledger.accounts.balance_now(ALICE)

        part = command(
            (ALICE, -30), (SALES, 30), kind=Kind.HOLD_POSTED, target_id=hold.transaction_id
        )
        void = command(kind=Kind.HOLD_VOIDED, target_id=hold.transaction_id)
        posted, voided = outcomes(await ledger.decide(part, void))

        assert held.balances == (100, 80, 0)
        assert held.available == 20
        assert (posted.status, voided.refusal) == (0, Refusal.HOLD_CLOSED)
        assert (await ledger.accounts.balance_now(ALICE)).balances == (70, 0, 0)
        assert (await ledger.accounts.balance_now(SALES)).balances == (30, 0, 0)

    async def test_the_sweep_goes_through_the_queue(self, ledger: Ledger) -> None:
        """Expired holds are released by the writer; sweeping again finds nothing."""
        hold = command(
            (BANK, -80), (SALES, 80), kind=Kind.HOLD, expire_time=START + timedelta(hours=1)
        )
        await ledger.decide(hold)
        engine = GroupCommit[Unit, Result](ledger.commit, batch_max=10, queue_max=10)
        ledger.clock.advance(seconds=3600)

        running = asyncio.create_task(engine.run())
        first = await expire_holds(ledger.db, engine, ledger.clock, shard_id=0)
        second = await expire_holds(ledger.db, engine, ledger.clock, shard_id=0)
        await engine.stop()
        await running

        assert (first, second) == (1, 0)
        assert (await ledger.accounts.balance_now(BANK)).balances == (0, 0, 0)
        assert (await ledger.journal.verify()).ok

    async def test_reverse_in_parts_across_batches(self, ledger: Ledger) -> None:
        """Parts of an old transaction are taken back on swapped sides, one after the other, and never too much."""
        sale = command((BANK, -80), (SALES, 80))
        await ledger.decide(sale)

        def take_back(*legs: tuple[str, int]) -> TransactionCommand:
            return command(*legs, kind=Kind.REVERSAL, target_id=sale.transaction_id)

        part = take_back((BANK, -30), (SALES, 30))
        balances = []
        refusals = []
        for reversal in (part, take_back((BANK, -51), (SALES, 51)), part, take_back(), take_back()):
            [outcome] = outcomes(await ledger.decide(reversal))
            refusals.append(outcome.refusal)
            balances.append((await ledger.accounts.balance_now(SALES)).balances.posted)

        assert balances == [50, 50, 50, 0, 0]
        assert refusals == [
            None,
            Refusal.PART_EXCEEDS_WHOLE,
            None,
            None,
            Refusal.ALREADY_REVERSED,
        ]


@dataclass(slots=True)
class StepClock:
    """A clock that can be set back."""

    seconds: int = 0

    def __call__(self) -> datetime:
        """Give what it was set to."""
        return START + timedelta(seconds=self.seconds)


class TestAsOf:
    async def test_recorded_time(self, ledger: Ledger) -> None:
        """The balance as of a time is what had been recorded by then, holds included."""
        await ledger.decide(command((BANK, -80), (SALES, 80)))
        ledger.clock.advance(seconds=60)
        await ledger.decide(
            command((SALES, -9), (BANK, 9), kind=Kind.HOLD, expire_time=START + timedelta(days=1)),
            command((BANK, -20), (SALES, 20)),
        )

        before = await ledger.accounts.balance_as_of_recorded(SALES, START - timedelta(seconds=1))
        then = await ledger.accounts.balance_as_of_recorded(SALES, START + timedelta(seconds=59))
        now = await ledger.accounts.balance_as_of_recorded(SALES, START + timedelta(seconds=60))

        assert before.balances == (0, 0, 0)
        assert then.balances == (80, 0, 0)
        assert now.balances == (100, 9, 0)

    @pytest.mark.parametrize("late", [0, -60])
    async def test_a_clock_that_is_behind(
        self, ledger: Ledger, ledger_database: TestDatabase, chart: Chart, late: int
    ) -> None:
        """Times of recording never go back, neither when a clock is set back nor when another's is behind it."""
        clock = StepClock()
        async with ledger_database.open() as db:
            other = CommitBatch(
                db,
                AccountDirectory(shard_id=0, size_max=10),
                chart,
                clock,
                shard_id=0,
                on_commit=lambda _units: None,
            )
            ours = ledger.commit
            for decide, clock.seconds in (
                (other, 0),
                (other, 60),
                (other, late),
                (ours, late),
                (ours, late),
                (other, late),
            ):
                await decide([command((BANK, -20), (SALES, 20))])

        page = await ledger.accounts.statement(SALES, before=(2**62, 0), limit=9)
        last = await ledger.accounts.balance_as_of_recorded(SALES, START + timedelta(seconds=60))

        assert [(row.recorded_time - START).seconds for row in page.rows] == [60] * 5 + [0]
        assert (last.balances.posted, last.seq) == (120, page.rows[0].seq)
        assert (await ledger.journal.verify()).ok

    async def test_effective_time_whatever_the_order_of_recording(self, ledger: Ledger) -> None:
        """A transaction recorded late counts from its own time on, to the microsecond."""
        day = datetime(2017, 2, 10, 12, 0, tzinfo=UTC)
        for offset, amount in ((2, 100), (0, 1), (1, 10), (30, 1000)):
            effective_time = day + timedelta(hours=offset)
            await ledger.decide(
                command((BANK, -amount), (SALES, amount), effective_time=effective_time)
            )

        async def posted(time: datetime) -> int:
            view = await ledger.accounts.balance_as_of_effective(SALES, time)
            return view.balances.posted

        assert await posted(day - timedelta(microseconds=1)) == 0
        assert await posted(day) == 1
        assert await posted(day + timedelta(hours=1)) == 11
        assert await posted(day + timedelta(hours=29)) == 111
        assert await posted(day + timedelta(days=300)) == 1111

    async def test_trial_balance_by_both_days(self, ledger: Ledger) -> None:
        """A late transaction counts for its own day, but only once it is recorded."""
        await ledger.decide(command((BANK, -1), (SALES, 1)))
        ledger.clock.advance(seconds=86_400)
        await ledger.decide(command((BANK, -10), (SALES, 10), effective_time=START))

        async def sales(
            *, effective_through: date | None = None, recorded_through: date | None = None
        ) -> int:
            rows = await ledger.journal.trial_balance(
                effective_through=effective_through, recorded_through=recorded_through
            )
            return sum(row.credit for row in rows if row.gl_code == "707100")

        first_day = START.date()
        assert await sales(effective_through=first_day) == 11
        assert await sales(recorded_through=first_day) == 1
        assert await sales(effective_through=first_day - timedelta(days=1)) == 0


class TestStatement:
    async def test_pages_meet_without_gap_or_overlap(self, ledger: Ledger) -> None:
        """Walking the pages gives every posting once, newest first."""
        await ledger.decide(*[command((BANK, -n), (SALES, n)) for n in range(1, 8)])
        place: tuple[int, int] | None = (2**62, 0)
        amounts: list[int] = []

        while place is not None:
            page = await ledger.accounts.statement(SALES, before=place, limit=3)
            amounts += [row.amount for row in page.rows]
            place = page.next_place

        assert amounts == [7, 6, 5, 4, 3, 2, 1]


class TestRights:
    @pytest.mark.parametrize("table", ["account", "transaction", "posting", "reversal", "block"])
    @pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET shard_id = 0"])
    async def test_the_journal_can_only_grow(self, ledger: Ledger, table: str, change: str) -> None:
        """The service's role may neither change nor remove a row of the journal."""
        async with ledger.db.connection() as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(change.format(table))

    async def test_the_database_refuses_what_a_wrong_fold_would_write(self, ledger: Ledger) -> None:
        """A balance below its floor does not get in, whoever writes it."""
        await ledger.decide(OpenAccount(ALICE, "EUR", 0, "467100"))
        async with ledger.db.connection() as conn:
            with pytest.raises(asyncpg.CheckViolationError):
                await conn.execute("UPDATE account_balance SET posted = -1")


class TestTampering:
    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE posting SET balance_after = balance_after + 1 WHERE seq = 3 AND amount > 0",
            "UPDATE transaction SET reference = 'x' WHERE seq = 3",
            "UPDATE account SET gl_code = '512900' WHERE open_seq = 1",
            "DELETE FROM posting WHERE seq = 3 AND amount > 0",
            "DELETE FROM transaction WHERE seq = 3",
            "UPDATE block SET recorded_time = recorded_time + interval '1 microsecond'",
        ],
    )
    async def test_the_chain_shows_it(self, ledger: Ledger, change: str) -> None:
        """Whoever owns the database can alter a row, but not without breaking the chain."""
        await ledger.decide(command((BANK, -5), (SALES, 5)))

        async with ledger.database.open_as_owner() as owner:
            assert await owner.execute(change) != "UPDATE 0"

        assert not (await ledger.journal.verify()).ok


class TestDirectory:
    async def test_forgets_what_was_not_used_for_longest(self, ledger: Ledger) -> None:
        """The directory is bounded; what it forgot is read again, what is unknown is left out."""
        names = [f"gl/530000/stores/{n:04}" for n in range(8)]
        await ledger.decide(*[command((BANK, -1), (name, 1)) for name in names])
        directory = AccountDirectory(shard_id=0, size_max=4)

        async with ledger.db.connection() as conn:
            first = await directory.by_name(conn, [*names, "no/such"])
            ids = {account.account_id for account in first.values()}
            by_id = await directory.by_id(conn, ids)
            again = await directory.by_name(conn, names)

        assert sorted(first) == names
        assert first == again == {account.name: account for account in by_id.values()}
        assert len(directory) == 4


class TestWriters:
    async def test_two_processes_share_a_shard(
        self, ledger: Ledger, ledger_database: TestDatabase, chart: Chart
    ) -> None:
        """The head's lock orders their batches; nothing is lost, the chain holds."""
        async with ledger_database.open() as db:
            other = CommitBatch(
                db,
                AccountDirectory(shard_id=0, size_max=10),
                chart,
                system_clock,
                shard_id=0,
                on_commit=lambda _units: None,
            )
            await asyncio.gather(
                *[
                    writer([command((BANK, -1), (SALES, 1)) for _ in range(5)])
                    for _ in range(10)
                    for writer in (ledger.commit, other)
                ]
            )

        assert (await ledger.accounts.balance_now(SALES)).balances.posted == 100
        assert (await ledger.journal.verify()).ok
