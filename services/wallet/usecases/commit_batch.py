"""Commit a batch: load, fold, write facts and rows in one statement, tell who waits.

As long as this process is the only one that writes, it knows where the journal ends, and the one statement that
writes there is the whole commit. Whoever finds another writer's facts locks the head first, and loads again.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.common.kernel.clock import Clock
from services.common.runtime.database import Connection, Database
from services.common.runtime.journal import Fact, Head, HeadLost, lock_head, read_head
from services.wallet.codec.event import render_event
from services.wallet.domain.batch import Batch, subjects_of
from services.wallet.domain.command import Command, ExpireCheckouts, OpenCheckout
from services.wallet.domain.decide import Verdict, decide_all
from services.wallet.domain.event import Event
from services.wallet.domain.payment import Payment
from services.wallet.store.batch import TicketHeld, write_batch
from services.wallet.store.outbox import is_public
from services.wallet.store.payments import due_checkouts, find_live_tickets
from services.wallet.store.projection import payment_row, reference_row
from services.wallet.store.shelf import Shelf


class CommitBatch:
    """Commits batches of one shard: the function behind the group commit.

    ``on_commit`` is called with the payments that a committed batch has changed, ``on_public`` when the batch has
    facts that leave the service.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        shelf: Shelf,
        *,
        shard_id: int,
        on_commit: Callable[[Collection[Payment]], None],
        on_public: Callable[[], None],
    ) -> None:
        """Take the database, the clock and the shelf of what was used last."""
        self._db = db
        self._clock = clock
        self._shelf = shelf
        self._shard_id = shard_id
        self._on_commit = on_commit
        self._on_public = on_public
        self._head: Head | None = None
        """Where the journal ended after this process' last batch; None when that is not known."""

    async def __call__(self, commands: Sequence[Command]) -> list[Verdict]:
        """Decide commands in their order in one transaction, and give an answer to each."""
        # Whatever goes wrong from here on, the end of the journal is not known then.
        head, self._head = self._head, None
        answers = None if head is None else await self._commit_behind(head, commands)
        return await self._commit_locked(commands) if answers is None else answers

    async def _commit_behind(self, head: Head, commands: Sequence[Command]) -> list[Verdict] | None:
        """Commit behind a head that is not locked; None when nothing was written, and the lock is needed.

        What is read is at least as new as the head. If anything of it is newer, so is the head by the time of
        writing. That a ticket is taken shows in the writing, too.
        """
        async with self._db.connection() as conn:
            now = self._clock()
            batch = Batch()
            subjects = await self._load(conn, batch, commands, head=head)
            answers = decide_all(batch, commands, now=now)
            if batch.events:
                try:
                    after = await self._write(conn, head, batch, now=now)
                except TicketHeld:
                    return None
            else:
                after = await read_head(conn, self._shard_id)
        if after is None or (after != head and not batch.events):
            return None
        self._committed(batch, subjects, after)
        return answers

    async def _commit_locked(self, commands: Sequence[Command]) -> list[Verdict]:
        """Commit while nobody else can.

        The time is read once the head is locked, so that the recorded times of the journal ascend with its numbers.
        """
        batch = Batch()
        async with self._db.transaction() as conn:
            head: Head | None = await lock_head(conn, self._shard_id)
            assert head is not None, "it is locked"
            now = self._clock()
            subjects = await self._load(conn, batch, commands, head=head)
            batch.live_tickets = await find_live_tickets(
                conn,
                {c.basket.ticket_key for c in commands if isinstance(c, OpenCheckout)},
                shard_id=self._shard_id,
            )
            answers = decide_all(batch, commands, now=now)
            if batch.events:
                head = await self._write(conn, head, batch, now=now)
                if head is None:
                    raise HeadLost("The shard has another epoch.", shard_id=self._shard_id)
        self._committed(batch, subjects, head)
        return answers

    async def _load(
        self, conn: Connection, batch: Batch, commands: Sequence[Command], *, head: Head
    ) -> set[UUID]:
        """Load what the commands are about, and give its subjects."""
        subjects = {subject for command in commands for subject in subjects_of(command)}
        limits = [command.limit for command in commands if isinstance(command, ExpireCheckouts)]
        if limits:
            # One more than the limit tells that there is more.
            batch.due_checkouts = await due_checkouts(
                conn, now=self._clock(), limit=max(limits) + 1, shard_id=self._shard_id
            )
        subjects.update(batch.due_checkouts)
        await self._shelf.load(conn, batch, subjects, head_seq=head.seq)
        return subjects

    async def _write(
        self, conn: Connection, head: Head, batch: Batch, *, now: datetime
    ) -> Head | None:
        return await write_batch(
            conn,
            head,
            [_fact(event) for event in batch.events],
            map(payment_row, _changed(batch)),
            filter(None, map(reference_row, batch.events)),
            recorded_time=now,
        )

    def _committed(self, batch: Batch, subjects: Collection[UUID], head: Head) -> None:
        self._head = head
        self._shelf.keep(batch, subjects, head_seq=head.seq)
        if batch.events:
            self._on_commit(_changed(batch))
        if any(map(is_public, batch.events)):
            self._on_public()


def _changed(batch: Batch) -> list[Payment]:
    """Give the payments that a batch has facts about, as they are after it."""
    subjects = dict.fromkeys(event.subject for event in batch.events)
    return [batch.payments[subject] for subject in subjects if subject in batch.payments]


def _fact(event: Event) -> Fact:
    event_type, payload = render_event(event)
    return Fact(event.stamp.event_id, event_type, event.subject, payload)
