"""Commit a batch: lock the head, load what the commands touch, fold, write all of it set-based, commit."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from services.common.kernel.clock import Clock
from services.common.runtime.database import Connection, Database
from services.common.runtime.journal import Head, append_block, lock_head
from services.ledger.domain.account import Account
from services.ledger.domain.batch import (
    Changes,
    Needs,
    Result,
    Unit,
    changes_of,
    decide_all,
    needs_of,
)
from services.ledger.domain.book import Book, Hold, HoldState, Original
from services.ledger.domain.chart import Chart
from services.ledger.domain.journal import Posting
from services.ledger.domain.transaction import Layer
from services.ledger.store import accounts, transactions
from services.ledger.store.accounts import AccountDirectory
from services.ledger.store.transactions import AlreadyDecided, Target

_LOOK_UPS_AFTER_REPETITION: Final = 200
"""Batches that look their ids up before they decide, after one that had to be done again."""


class CommitBatch:
    """Commits batches of one shard: the function behind the group commit.

    ``on_commit`` is called with the size of each batch that recorded something (it wakes the relay).
    """

    def __init__(
        self,
        db: Database,
        directory: AccountDirectory,
        chart: Chart,
        clock: Clock,
        *,
        shard_id: int,
        on_commit: Callable[[int], None],
    ) -> None:
        self._db = db
        self._directory = directory
        self._chart = chart
        self._clock = clock
        self._shard_id = shard_id
        self._on_commit = on_commit
        self._look_ups_left = 0

    async def __call__(self, units: Sequence[Unit]) -> list[Result]:
        """Decide units in their order in one transaction, and give one result for each.

        The time is read after the head is locked, so recorded times follow the journal's numbers.
        """
        needs = needs_of(units)
        if self._look_ups_left or needs.must_look_up:
            self._look_ups_left = max(0, self._look_ups_left - 1)
            return await self._commit(units, needs, look_up=True)
        try:
            return await self._commit(units, needs, look_up=False)
        except AlreadyDecided:
            # Repetitions come in crowds: a caller's whole queue again, a topic that is read once more.
            self._look_ups_left = _LOOK_UPS_AFTER_REPETITION
            return await self._commit(units, needs, look_up=True)

    async def _commit(self, units: Sequence[Unit], needs: Needs, *, look_up: bool) -> list[Result]:
        """Commit a batch. Without ``look_up`` its ids are taken for new, and the journal's key tells if one is not.

        Raises:
            AlreadyDecided: one was not new, and nothing was written.
        """
        async with self._db.transaction() as conn:
            head = await lock_head(conn, self._shard_id)
            now = self._clock()
            book = await self._load(conn, head, needs)
            if look_up and needs.ids:
                book.frozen = await transactions.frozen_outcomes(conn, needs.ids)
            results = decide_all(book, units, now=now)
            changes = changes_of(book)
            if book.seq > head.seq:
                await _save(conn, head, book, changes, now=now)
        self._directory.remember(changes.opened)
        if book.seq > head.seq:
            self._on_commit(len(units))
        return results

    async def _load(self, conn: Connection, head: Head, needs: Needs) -> Book:
        """Fill a book. The order of the locks is the head, then balances by id."""
        book = Book(shard_id=self._shard_id, seq=head.seq, chart=self._chart, targets=needs.targets)
        targets: list[tuple[Target, list[Posting]]] = []
        if needs.targets:
            targets = await transactions.load_targets(conn, self._shard_id, needs.targets)
        open_accounts = await self._directory.by_name(conn, needs.names)
        by_id = {account.account_id: account for account in open_accounts.values()}
        of_targets = {posting.account_id for _, postings in targets for posting in postings}
        if of_targets:
            by_id.update(await self._directory.by_id(conn, of_targets))
        if by_id:
            await _load_balances(conn, book, by_id)
        for target, postings in targets:
            _load_target(book, target, postings, by_id)
        return book


async def _load_balances(conn: Connection, book: Book, by_id: dict[int, Account]) -> None:
    balances = await accounts.lock_balances(conn, sorted(by_id))
    for account_id, account in by_id.items():
        posted, pending_out, pending_in = balances[account_id]
        book.load_account(account, posted=posted, pending_out=pending_out, pending_in=pending_in)


def _load_target(
    book: Book, target: Target, postings: Sequence[Posting], by_id: dict[int, Account]
) -> None:
    """Add a hold or an original, from what its own postings say."""

    def legs(*, settled: bool) -> tuple[tuple[str, int], ...]:
        return tuple(
            (by_id[posting.account_id].name, posting.amount)
            for posting in postings
            if (posting.layer == Layer.SETTLED) is settled
        )

    if target.state is not None:
        assert target.expire_time is not None, "every hold has its time"
        book.holds[target.transaction_id] = Hold(
            target.transaction_id,
            legs(settled=False),
            target.expire_time,
            HoldState(target.state),
            target.resolve_seq,
        )
    book.originals[target.transaction_id] = Original(
        target.kind, target.basis, legs(settled=True), target.reversal_seq
    )


async def _save(
    conn: Connection, head: Head, book: Book, changes: Changes, *, now: datetime
) -> None:
    await transactions.insert_journal(conn, changes)
    await transactions.save_holds(conn, book)
    await transactions.save_sums(conn, book, changes)
    await append_block(conn, head, seq_to=book.seq, facts=changes.fact_bytes, recorded_time=now)
