"""A migrated ledger database for each test, and a writer on it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.runtime.database import Database
from services.common.testing.clock import ManualClock
from services.common.testing.postgres import Postgres, TestDatabase
from services.ledger.codec.chart import parse_chart
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.chart import Chart
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import CommitBatch
from services.ledger.usecases.read_accounts import ReadAccounts
from services.ledger.usecases.read_journal import ReadJournal

ROOT = Path(__file__).resolve().parents[3]
START = datetime(2017, 3, 1, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ledger:
    """One shard's writer and reads on a database of its own."""

    database: TestDatabase
    db: Database
    clock: ManualClock
    commit: CommitBatch
    accounts: ReadAccounts
    journal: ReadJournal

    async def decide(self, *units: Unit) -> list[Result]:
        """Commit one batch."""
        return await self.commit(units)


@pytest.fixture(scope="session")
def chart() -> Chart:
    """Give the chart that is delivered."""
    return parse_chart((ROOT / "deploy" / "charts" / "pcg.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def ledger_template(postgres: Postgres) -> TestDatabase:
    """Migrate one database; every test gets a copy."""
    return asyncio.run(
        postgres.create_template(
            "ledger", package="services.ledger.store.migrations", journal="own"
        )
    )


@pytest.fixture
async def ledger_database(
    postgres: Postgres, ledger_template: TestDatabase
) -> AsyncIterator[TestDatabase]:
    """Give an empty ledger database."""
    async with postgres.clone(ledger_template) as database:
        yield database


@pytest.fixture
async def ledger(ledger_database: TestDatabase, chart: Chart) -> AsyncIterator[Ledger]:
    """Give a writer with a clock that the test moves."""
    async with ledger_database.open() as db:
        clock = ManualClock(START)
        directory = AccountDirectory(shard_id=0, size_max=1000)
        commit = CommitBatch(db, directory, chart, clock, shard_id=0, on_commit=lambda: None)
        yield Ledger(
            ledger_database,
            db,
            clock,
            commit,
            ReadAccounts(db, directory),
            ReadJournal(db, directory, shard_id=0),
        )
