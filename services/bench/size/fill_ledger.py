"""Filling a ledger by its own engine: transfers of four weeks, then the books of the points' tickets."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from pydantic import SecretStr

from services.bench.errors import BenchError
from services.bench.size.history import History
from services.bench.size.plan import Filled, Size
from services.bench.transfers import ACCOUNTS, account_name
from services.common.runtime.config import PostgresSettings
from services.common.runtime.database import Database, open_database
from services.common.runtime.journal import facts_after
from services.ledger.codec.chart import load_chart
from services.ledger.codec.points_events import parse_fact
from services.ledger.domain.batch import Result
from services.ledger.domain.journal import hash_command
from services.ledger.domain.posting_rules import expected_transactions
from services.ledger.domain.transaction import Basis, Kind, Leg, Outcome, TransactionCommand
from services.ledger.store.accounts import AccountDirectory
from services.ledger.store.journal import totals
from services.ledger.usecases.commit_batch import CommitBatch

Progress = Callable[[str, int, int], None]
"""Hears what is being filled, how much of it is there, and how much is to be."""

_BATCH: Final = 4_000
_FACTS: Final = 4_000
_ACCOUNTS_KEPT_MAX: Final = 400_000
_STATEMENT_SECONDS_MAX: Final = 600.0
_LAST_RECORDED: Final = "SELECT max(recorded_time) FROM block WHERE shard_id = 0"
_PURPOSE: Final = "bench"


async def fill_transfers(
    dsn: str, size: Size, *, span: tuple[datetime, datetime], progress: Progress
) -> None:
    """Post transfers among the accounts of the benchmark until the ledger has as many as it should."""
    begin, end = span
    async with open_database(filling(dsn)) as db:
        async with db.connection() as conn:
            done = (await totals(conn)).transactions
            latest = await conn.fetchval(_LAST_RECORDED)
        history = History(begin=begin, end=end, total=size.transfers, done=done, not_before=latest)
        post = _engine(db, history)
        maker = _Transfers(history)
        while done < size.transfers:
            progress("transfers", done, size.transfers)
            units = [maker.transfer() for _ in range(min(_BATCH, size.transfers - done))]
            accept(await post(units))
            done += len(units)


async def book_tickets(
    dsn: str,
    points_dsn: str,
    filled: Filled,
    *,
    save: Callable[[], None],
    progress: Progress,
) -> None:
    """Book what the points' journal has, as the ledger does when it hears of it."""
    chart = load_chart(None)
    points = await asyncpg.connect(points_dsn)
    try:
        async with open_database(filling(dsn)) as db:
            async with db.connection() as conn:
                latest = await conn.fetchval(_LAST_RECORDED)
            head: int = await points.fetchval("SELECT seq FROM shard_head WHERE shard_id = 0")
            clock = _Following(latest)
            post = _engine(db, clock)
            while filled.booked_seq < head:
                progress("books of tickets, facts", filled.booked_seq, head)
                facts = await facts_after(points, 0, filled.booked_seq, _FACTS)
                clock.follow(facts[-1].recorded_time)
                read = (parse_fact(fact.event_type, fact.payload) for fact in facts)
                events = [event for event in read if event is not None]
                units = [unit for event in events for unit in expected_transactions(event, chart)]
                if units:
                    accept(await post(units))
                filled.booked_seq = facts[-1].seq
                save()
    finally:
        await points.close()


def filling(dsn: str) -> PostgresSettings:
    """Give the settings of a database that is being filled: its statements may take their time."""
    return PostgresSettings(
        dsn=SecretStr(dsn), statement_timeout_seconds=_STATEMENT_SECONDS_MAX, pool_size_max=2
    )


def accept(results: Sequence[Result]) -> None:
    """Check that the ledger took everything; raises BenchError."""
    for result in results:
        if not isinstance(result, Outcome) or result.status:
            message = f"The ledger refused what it was to be filled with: {result}"
            raise BenchError(message)


def _engine(db: Database, clock: Callable[[], datetime]) -> CommitBatch:
    def ignore(_: int) -> None:
        """Wake no relay: there is none."""

    directory = AccountDirectory(shard_id=0, size_max=_ACCOUNTS_KEPT_MAX)
    return CommitBatch(db, directory, load_chart(None), clock, shard_id=0, on_commit=ignore)


class _Following:
    """The time of those who follow a journal: what it recorded last, never earlier than the own journal's end."""

    def __init__(self, not_before: datetime | None) -> None:
        self._now = not_before or datetime.min.replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        return self._now

    def follow(self, recorded: datetime) -> None:
        self._now = max(recorded + timedelta(milliseconds=1), self._now)


class _Transfers:
    """Makes the transfers of the benchmark as commands, each under an id of its time."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._random = random.Random(1)  # noqa: S311 -- any transfers will do
        self._names = [account_name(number) for number in range(ACCOUNTS)]

    def transfer(self) -> TransactionCommand:
        self._history.move()
        first, second = self._random.sample(self._names, 2)
        amount = self._random.randrange(1, 10_000)
        legs = Leg(first, -amount, "EUR"), Leg(second, amount, "EUR")
        content = hash_command(
            kind=Kind.POSTED,
            legs=legs,
            effective_time=None,
            basis=Basis.COMMON,
            purpose=_PURPOSE,
            reference="",
            target_id=None,
            expire_time=None,
        )
        return TransactionCommand(
            self._history.new_id(),
            Kind.POSTED,
            legs,
            None,
            Basis.COMMON,
            _PURPOSE,
            "",
            None,
            None,
            content,
        )
