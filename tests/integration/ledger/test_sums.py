"""What a batch changes beside the journal: it is what the postings add up to, or the batch is not written."""

import random
from datetime import datetime, timedelta

import asyncpg
import pytest

from services.auditor.ledger_state import QUERIES as AUDIT
from services.common.kernel.clock import Clock, business_date
from services.common.testing.clock import ManualClock
from services.ledger.domain.chart import Chart
from services.ledger.domain.transaction import Kind, OpenAccount, TransactionCommand
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import CommitBatch
from tests.integration.ledger.commands import ALICE, BANK, SALES, command, outcomes
from tests.integration.ledger.writer import START, Ledger

SMALL, LARGE = 3, 40
"""Transactions of a batch that is one statement, and of one that is written table by table."""

_DAYS = "SELECT count(*) FROM account_day WHERE account_id = (SELECT account_id FROM account WHERE name = $1)"
_CARRIED = "SELECT day FROM account_balance JOIN account USING (account_id) WHERE name = $1"


def sales(count: int) -> list[TransactionCommand]:
    """Make so many sales of a cent."""
    return [command((BANK, -1), (SALES, 1)) for _ in range(count)]


async def offenders(ledger: Ledger) -> list[str]:
    """Give what the auditor's statements find wrong with the sums."""
    async with ledger.database.open_as_owner() as owner:
        return [
            row["offender"]
            for check in ("account_balances", "account_days", "gl_days", "totals")
            for row in await owner.fetch(AUDIT[check])
        ]


async def ask(ledger: Ledger, query: str, *arguments: object) -> object:
    """Give the one value of a query."""
    async with ledger.database.open_as_owner() as owner:
        return await owner.fetchval(query, *arguments)


def other_writer(ledger: Ledger, chart: Chart, clock: Clock) -> CommitBatch:
    """Open a second writer on the same shard."""

    def ignore(_: int) -> None:
        """Wake no relay."""

    directory = AccountDirectory(shard_id=0, size_max=100)
    return CommitBatch(ledger.db, directory, chart, clock, shard_id=0, on_commit=ignore)


class TestDays:
    @pytest.mark.parametrize("seed", range(4))
    async def test_add_up_whatever_comes_late(self, ledger: Ledger, seed: int) -> None:
        """Over days, in small and large batches, the sums of all days are those of the postings."""
        choices = random.Random(seed)
        names = [BANK, SALES, *(f"gl/530000/stores/{n:04}" for n in range(6))]
        moved: dict[str, list[tuple[datetime, int]]] = {name: [] for name in names}
        for _ in range(12):
            batch = []
            for _ in range(choices.choice([1, SMALL, LARGE])):
                source, target = choices.sample(names, 2)
                late = choices.choice([0, 0, 0, 1, 2, 30])
                time = ledger.clock() - timedelta(days=late) if late else None
                batch.append(command((source, -late - 1), (target, late + 1), effective_time=time))
                moved[source].append((time or ledger.clock(), -late - 1))
                moved[target].append((time or ledger.clock(), late + 1))
            await ledger.decide(*batch)
            ledger.clock.advance(seconds=choices.choice([1, 3_600, 86_400]))

        assert await offenders(ledger) == []
        for name in names:
            for days in (0, 1, 3, 40):
                time = ledger.clock() - timedelta(days=days)
                view = await ledger.accounts.balance_as_of_effective(name, time)
                expected = sum(amount for then, amount in moved[name] if then <= time)
                assert view.balances.posted == expected

    @pytest.mark.parametrize("count", [SMALL, LARGE])
    async def test_the_current_one_lies_beside_the_balance(
        self, ledger: Ledger, count: int
    ) -> None:
        """A day is a row of its own only when another has begun, by a posting of that account."""
        await ledger.decide(*sales(count))
        await ledger.decide(*sales(count))
        assert (await ask(ledger, _DAYS, SALES), await ask(ledger, _CARRIED, SALES)) == (
            0,
            business_date(START),
        )

        ledger.clock.advance(seconds=86_400)
        await ledger.decide(*sales(count))

        assert (await ask(ledger, _DAYS, SALES), await ask(ledger, _CARRIED, SALES)) == (
            1,
            business_date(START + timedelta(days=1)),
        )
        assert await offenders(ledger) == []

    @pytest.mark.parametrize("count", [SMALL, LARGE])
    async def test_another_writer_began_the_next(
        self, ledger: Ledger, chart: Chart, count: int
    ) -> None:
        """What a writer remembers of the rows ends when somebody else writes: no day's sums are lost."""
        ahead = ManualClock(START + timedelta(days=1))
        other = other_writer(ledger, chart, ahead)
        for _ in range(2):
            await ledger.decide(*sales(count))
            await ledger.decide(*sales(count))
            await other(sales(count))

        assert await offenders(ledger) == []

    @pytest.mark.parametrize("count", [SMALL, LARGE])
    async def test_from_before_the_balance_carried_any(
        self, ledger: Ledger, chart: Chart, count: int
    ) -> None:
        """A day that account_day has already, as every earlier release left it, goes on beside the balance."""
        await ledger.decide(*sales(count))
        async with ledger.database.open_as_owner() as owner:
            await owner.execute(
                "INSERT INTO account_day SELECT account_id, day, day_debit, day_credit,"
                " day_first_seq, day_last_seq FROM account_balance"
            )
            await owner.execute(
                "UPDATE account_balance SET day = NULL, day_debit = 0, day_credit = 0,"
                " day_first_seq = 0, day_last_seq = 0"
            )
        newer = other_writer(ledger, chart, ledger.clock)

        await newer(sales(count))
        assert await offenders(ledger) == []
        ledger.clock.advance(seconds=86_400)
        await newer(sales(count))

        assert await offenders(ledger) == []


class TestMismatch:
    """The database was changed behind the writer's back: it writes nothing, rather than half of a batch."""

    async def refused(self, ledger: Ledger, *batch: TransactionCommand, change: str) -> None:
        """Change the tables, and see that a batch is not written."""
        async with ledger.database.open_as_owner() as owner:
            assert await owner.execute(change) not in {"UPDATE 0", "DELETE 0"}
        before = await ask(ledger, "SELECT (seq, head_hash)::text FROM shard_head")

        with pytest.raises((AssertionError, asyncpg.InvalidTextRepresentationError)):
            await ledger.decide(*batch)

        assert await ask(ledger, "SELECT (seq, head_hash)::text FROM shard_head") == before
        ids = [one.transaction_id for one in batch]
        written = "SELECT count(*) FROM transaction WHERE transaction_id = ANY($1)"
        assert await ask(ledger, written, ids) == 0
        assert (await ledger.journal.verify()).ok

    @pytest.mark.parametrize("count", [SMALL, LARGE])
    async def test_a_balance_that_is_not_there(self, ledger: Ledger, count: int) -> None:
        """Every account that a batch changes has a balance."""
        await ledger.decide(*sales(count))

        await self.refused(ledger, *sales(count), change="DELETE FROM account_balance")

    async def test_a_balance_that_is_not_there_when_it_is_held(self, ledger: Ledger) -> None:
        """Nor is anything held of an account that has none."""
        await ledger.decide(*sales(SMALL))
        hold = command(
            (BANK, -100),
            (SALES, 100),
            kind=Kind.HOLD,
            expire_time=ledger.clock() + timedelta(hours=1),
        )

        await self.refused(ledger, hold, change="DELETE FROM account_balance")

    @pytest.mark.parametrize("count", [SMALL, LARGE])
    async def test_a_row_that_carries_another_day(self, ledger: Ledger, count: int) -> None:
        """Sums that the writer does not know of are never overwritten."""
        await ledger.decide(*sales(count))

        await self.refused(ledger, *sales(count), change="UPDATE account_balance SET day = day - 1")

    @pytest.mark.parametrize("count", [1, LARGE])
    async def test_a_hold_that_ended_already(self, ledger: Ledger, count: int) -> None:
        """A hold is ended only while it is open."""
        await ledger.decide(
            OpenAccount(ALICE, "EUR", 0, "467100"), command((BANK, -90), (ALICE, 90))
        )
        held = [
            command((ALICE, -1), (SALES, 1), kind=Kind.HOLD, expire_time=START + timedelta(days=1))
            for _ in range(count)
        ]
        assert all(not outcome.refusal for outcome in outcomes(await ledger.decide(*held)))
        ended = [command(kind=Kind.HOLD_VOIDED, target_id=hold.transaction_id) for hold in held]
        async with ledger.database.open_as_owner() as owner:
            await owner.execute(
                # Seen by who reads the hold, but not by who ends it.
                "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
                "CREATE TRIGGER gone BEFORE UPDATE ON hold FOR EACH ROW EXECUTE FUNCTION gone();"
            )

        await self.refused(ledger, *ended, change="UPDATE journal_total SET accounts = accounts")

    @pytest.mark.parametrize("count", [SMALL, LARGE])
    async def test_totals_that_are_not_there(self, ledger: Ledger, count: int) -> None:
        """The shard's counts are one row."""
        await ledger.decide(*sales(count))

        await self.refused(ledger, *sales(count), change="DELETE FROM journal_total")
