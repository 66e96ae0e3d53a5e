"""Read the journal: a transaction, the trial balance, the totals, and the proof of the chain."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.common.runtime.database import Database
from services.common.runtime.journal import ChainReport, verify_chain
from services.ledger.domain.account import Account, TransactionNotFound
from services.ledger.domain.journal import Recorded
from services.ledger.store import journal, transactions
from services.ledger.store.accounts import AccountDirectory
from services.ledger.store.journal import Totals, TrialBalanceRow


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A recorded transaction with the accounts of its postings, by id."""

    recorded: Recorded
    accounts: dict[int, Account]


class ReadJournal:
    """Reads of one shard's journal, and of sums over all shards of the database."""

    def __init__(self, db: Database, directory: AccountDirectory, *, shard_id: int) -> None:
        self._db = db
        self._directory = directory
        self._shard_id = shard_id
        self._verifying = asyncio.Lock()

    async def transaction(self, transaction_id: UUID) -> TransactionView:
        """Read a transaction, accepted or refused.

        Raises:
            TransactionNotFound: nothing is recorded under this id.
        """
        async with self._db.snapshot() as conn:
            entry = await transactions.find_transaction(conn, transaction_id)
            if entry is None:
                raise TransactionNotFound(
                    "No transaction of this id is recorded.", transaction_id=transaction_id
                )
            by_seq = await transactions.postings_of(conn, entry.shard_id, [entry.seq])
            postings = by_seq.get(entry.seq, [])
            of_postings = await self._directory.by_id(conn, {p.account_id for p in postings})
        return TransactionView(Recorded(entry, postings), of_postings)

    async def trial_balance(
        self, *, effective_through: date | None, recorded_through: date | None
    ) -> Sequence[TrialBalanceRow]:
        """Sum the books up to and including two business days; None means all."""
        async with self._db.connection() as conn:
            return await journal.trial_balance(
                conn,
                effective_through=effective_through or date.max,
                recorded_through=recorded_through or date.max,
            )

    async def totals(self) -> Totals:
        """Count the journal."""
        async with self._db.connection() as conn:
            return await journal.totals(conn)

    async def verify(self) -> ChainReport:
        """Recompute the shard's hash chain from the stored journal.

        That takes long and holds a connection, so it is done once at a time: the others are the writer's.
        """
        async with self._verifying, self._db.snapshot() as conn:
            return await verify_chain(conn, self._shard_id, journal.read_fact_bytes)
