"""Commit batches: fold one upon the other ahead of their writing, write each in a transaction of its own, in order.

A batch is folded upon what the one before left, while that one is still being written: Python and PostgreSQL work at
the same time. Nothing is answered before its own commit, which implies the earlier ones'. The first statement of a
write moves the shard's head from where the fold saw it, or fails: then somebody else wrote, or a batch before was not
written, and everything that was folded upon it is thrown away and decided again from the tables, under the head's lock.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

import asyncpg

from services.common.kernel.clock import Clock
from services.common.runtime.database import Connection, Database
from services.common.runtime.journal import HeadLost, lock_head
from services.ledger.domain.batch import Needs, Result, Unit, needs_of
from services.ledger.domain.chart import Chart
from services.ledger.store import journal, transactions
from services.ledger.store.accounts import AccountDirectory
from services.ledger.store.copy_rows import JournalRows
from services.ledger.store.small_batch import write_small
from services.ledger.store.sums import write_sums
from services.ledger.store.transactions import AlreadyDecided
from services.ledger.usecases.fold_batch import fold
from services.ledger.usecases.load_book import BookLoader
from services.ledger.usecases.standing import Folded, Standing

IN_FLIGHT_MAX: Final = 3
"""Batches under way at a time: one is committed, the rows of the next are sent, and one more is folded."""

AHEAD_MIN: Final = 250
"""Commands that must wait for a batch to be folded ahead; fewer cost less in a larger batch a moment later."""

_LOOK_UPS_AFTER_REPETITION: Final = 200
"""Batches that look their ids up before they decide, after one that had to be done again."""

_LOCKS_AFTER_MEETING: Final = 50
"""Batches that lock the head before they decide, after one that met another writer."""

_STANDING_MAX: Final = 50_000
"""Accounts remembered; beyond it the writer forgets them all and reads anew what it needs."""


_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
"""What the first batch of a journal comes after."""


class _FoldedInVain(Exception):
    """A batch before was not written as this one's fold saw it."""


class CommitBatch:
    """Commits batches of one shard: the function behind the group commit.

    It may be called again before it has returned: batches are decided and written in the order of the calls.
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
        standing_max: int = _STANDING_MAX,
    ) -> None:
        self._db = db
        self._directory = directory
        self._loader = BookLoader(directory, chart, shard_id=shard_id)
        self._clock = clock
        self._shard_id = shard_id
        self._on_commit = on_commit
        self._standing_max = standing_max
        self._standing: Standing | None = None
        self._look_ups_left = 0
        self._locks_left = 0
        self._folding = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._last = asyncio.Event()
        self._last.set()

    async def __call__(self, units: Sequence[Unit]) -> list[Result]:
        """Decide units in their order in one transaction, and give one result for each."""
        needs = needs_of(units)
        landed = asyncio.Event()
        try:
            async with self._folding:
                before, self._last = self._last, landed
                standing = self._standing_for(needs)
                # Nobody folds ahead of a batch that is decided from the tables.
                if standing is None:
                    await before.wait()
                    return await self._commit_locked(units, needs, landed)
                folded = await self._fold_ahead(standing, units, needs)
            written = await self._write(folded, before)
            await before.wait()
            if written:
                return self._committed(folded, units)
            return await self._commit_locked(units, needs, landed)
        except BaseException:
            self._forget()
            raise
        finally:
            landed.set()

    def _standing_for(self, needs: Needs) -> Standing | None:
        """Give what a batch may be folded upon before the one before is written, or None.

        What the tables alone can tell needs them to be up to date: the holds and originals that commands name, and
        which ids are decided already where a repetition would leave no trace in the journal's keys.
        """
        standing = self._standing
        if self._locks_left:
            self._locks_left -= 1
            return None
        if needs.targets or needs.must_look_up or self._look_ups_left:
            return None
        if standing is not None and len(standing.accounts) > self._standing_max:
            self._forget()
            return None
        return standing

    def _forget(self) -> None:
        """Throw away what is remembered, and with it all that is folded upon it and not yet written."""
        if self._standing is not None:
            self._standing.broken.set()
            self._standing = None

    async def _fold_ahead(self, standing: Standing, units: Sequence[Unit], needs: Needs) -> Folded:
        """Fold upon what is standing. Ids are taken for new: the journal's key tells if one is not."""
        if standing.missing(needs.names):
            async with self._db.connection() as conn:
                await self._loader.remember(conn, standing, needs.names)
        book = self._loader.open_book(standing, needs)
        return await fold(standing, book, units, now=self._clock())

    async def _write(self, folded: Folded, before: asyncio.Event) -> bool:
        """Write a batch that was folded ahead, in its turn; False when that fold does not count any more."""
        try:
            if folded.empty or folded.rows is None:
                # It holds back the rows of those behind it: nobody may wait for them who is waited for here.
                async with self._sending:
                    await self._turn(folded, before)
                    await self._write_small(folded)
            else:
                await self._write_large(folded, folded.rows, before)
        except _FoldedInVain:
            return False
        except asyncpg.PostgresError:
            # What went wrong with a write that does not count does not count either.
            if folded.standing.broken.is_set():
                return False
            raise
        except HeadLost:
            self._locks_left = _LOCKS_AFTER_MEETING
        except AlreadyDecided:
            self._look_ups_left = _LOOK_UPS_AFTER_REPETITION
        else:
            return True
        await before.wait()
        self._forget()
        return False

    async def _turn(self, folded: Folded, before: asyncio.Event) -> None:
        """Wait until the batch before is written, or never will be as this one saw it: then raise _FoldedInVain."""
        broken = folded.standing.broken
        if not before.is_set() and not broken.is_set():
            waiting = [asyncio.create_task(event.wait()) for event in (before, broken)]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waiting:
                    wait.cancel()
        if broken.is_set():
            raise _FoldedInVain

    async def _write_small(self, folded: Folded) -> None:
        """Write a batch in a single statement, which needs no transaction, or nothing when it has nothing to write."""
        if not folded.empty:
            async with self._db.connection() as conn:
                await _save_small(conn, folded)

    async def _write_large(self, folded: Folded, rows: JournalRows, before: asyncio.Event) -> None:
        """Write a batch in a transaction: the journal's rows ahead of its turn, then, behind the head, all the rest.

        So PostgreSQL takes in one batch while it still sums up and commits the one before. Rows are sent in the order
        of the batches, whoever gets a connection first: who waits for another's row waits for an earlier batch. And
        whoever has sent rows never waits for an earlier batch that has failed, since that may in turn wait for these
        rows.
        """
        async with AsyncExitStack() as stack:
            async with self._sending:
                conn = await stack.enter_async_context(self._db.transaction())
                if folded.standing.broken.is_set():
                    raise _FoldedInVain
                await transactions.insert_journal(conn, rows)
            await self._turn(folded, before)
            await _save_rest(conn, folded)

    async def _commit_locked(
        self, units: Sequence[Unit], needs: Needs, landed: asyncio.Event
    ) -> list[Result]:
        """Decide from the tables, under the head's lock; all batches before have been written or have failed."""
        standing, self._standing = self._standing, None
        look_up = bool(self._look_ups_left) or needs.must_look_up
        self._look_ups_left = max(0, self._look_ups_left - 1)
        try:
            folded = await self._try_locked(standing, units, needs, look_up=look_up)
        except AlreadyDecided:
            # Repetitions come in crowds: a caller's whole queue again, a topic that is read once more.
            self._look_ups_left = _LOOK_UPS_AFTER_REPETITION
            folded = await self._try_locked(None, units, needs, look_up=True)
        # A batch behind this one that was folded too early comes here first.
        if self._last is landed:
            self._standing = folded.standing
        return self._committed(folded, units)

    async def _try_locked(
        self, standing: Standing | None, units: Sequence[Unit], needs: Needs, *, look_up: bool
    ) -> Folded:
        async with self._db.transaction() as conn:
            head = await lock_head(conn, self._shard_id)
            if standing is None or standing.broken.is_set() or standing.head != head:
                standing = Standing(head, await journal.time_of_block(conn, head) or _BEGINNING)
            now = self._clock()
            book = await self._loader.load(conn, standing, needs)
            if look_up and needs.ids:
                book.frozen.update(await transactions.frozen_outcomes(conn, needs.ids))
            folded = await fold(standing, book, units, now=now)
            if folded.rows is not None:
                await transactions.insert_journal(conn, folded.rows)
                await _save_rest(conn, folded)
            elif not folded.empty:
                await _save_small(conn, folded)
        return folded

    def _committed(self, folded: Folded, units: Sequence[Unit]) -> list[Result]:
        self._directory.remember(folded.changes.opened)
        if not folded.empty:
            self._on_commit(len(units))
        return folded.results


async def _save_small(conn: Connection, folded: Folded) -> None:
    await write_small(
        conn,
        folded.before,
        folded.after,
        folded.book,
        folded.changes,
        sums=folded.sums,
        recorded_time=folded.recorded_time,
    )


async def _save_rest(conn: Connection, folded: Folded) -> None:
    """Write what follows the journal's rows, the fence first: who was too early or too late writes nothing of it."""
    await write_sums(
        conn, folded.before, folded.after, folded.sums, recorded_time=folded.recorded_time
    )
    await transactions.insert_accounts(conn, folded.changes.opened)
    await transactions.save_holds(conn, folded.book)
