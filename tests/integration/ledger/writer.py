"""What a ledger test holds in its hands."""

from dataclasses import dataclass
from datetime import UTC, datetime

from services.common.runtime.database import Database
from services.common.testing.clock import ManualClock
from services.common.testing.postgres import TestDatabase
from services.ledger.domain.batch import Result, Unit
from services.ledger.usecases.commit_batch import CommitBatch
from services.ledger.usecases.read_accounts import ReadAccounts
from services.ledger.usecases.read_journal import ReadJournal

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
