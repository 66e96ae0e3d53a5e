"""A migrated ledger database for each test, and a writer on it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.testing.clock import ManualClock
from services.common.testing.postgres import Postgres, TestDatabase
from services.ledger.codec.chart import load_chart
from services.ledger.domain.chart import Chart
from services.ledger.store.accounts import AccountDirectory
from services.ledger.usecases.commit_batch import CommitBatch
from services.ledger.usecases.read_accounts import ReadAccounts
from services.ledger.usecases.read_journal import ReadJournal
from tests.integration.ledger.process import Service, run_ledger
from tests.integration.ledger.writer import START, Ledger


@pytest.fixture(scope="session")
def chart() -> Chart:
    """Give the chart that is delivered."""
    return load_chart(None)


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
        commit = CommitBatch(db, directory, chart, clock, shard_id=0, on_commit=lambda _units: None)
        yield Ledger(
            ledger_database,
            db,
            clock,
            commit,
            ReadAccounts(db, directory),
            ReadJournal(db, directory, shard_id=0),
        )


@pytest.fixture
async def service(ledger_database: TestDatabase, tmp_path: Path) -> AsyncIterator[Service]:
    """Run the ledger as a process beside a broker of its own."""
    async with run_ledger(ledger_database, tmp_path) as running:
        yield running
