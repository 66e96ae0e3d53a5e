"""Commit a batch: lock the head, load, fold, write facts and rows, commit, tell who waits."""

from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from services.common.kernel.clock import Clock
from services.common.runtime.database import Connection, Database
from services.common.runtime.journal import Fact, append_facts, lock_head
from services.wallet.codec.event import render_event
from services.wallet.domain.batch import Batch, subjects_of
from services.wallet.domain.command import Command, ExpireCheckouts, OpenCheckout
from services.wallet.domain.decide import Verdict, decide_all
from services.wallet.domain.event import Event
from services.wallet.domain.payment import Payment
from services.wallet.store.payments import (
    due_checkouts,
    find_live_tickets,
    write_payments,
    write_references,
)
from services.wallet.store.projection import payment_row, reference_row
from services.wallet.store.shelf import Shelf


class CommitBatch:
    """Commits batches of one shard: the function behind the group commit.

    ``on_commit`` is called with the payments that a committed batch has changed.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        shelf: Shelf,
        *,
        shard_id: int,
        on_commit: Callable[[Collection[Payment]], None],
    ) -> None:
        """Take the database, the clock and the shelf of what was used last."""
        self._db = db
        self._clock = clock
        self._shelf = shelf
        self._shard_id = shard_id
        self._on_commit = on_commit

    async def __call__(self, commands: Sequence[Command]) -> list[Verdict]:
        """Decide commands in their order in one transaction, and give an answer to each.

        The time is read once the head is locked, so that the recorded times of the journal
        ascend with its numbers.
        """
        batch = Batch()
        async with self._db.transaction() as conn:
            head = await lock_head(conn, self._shard_id)
            now = self._clock()
            subjects = {subject for command in commands for subject in subjects_of(command)}
            subjects |= await self._load_due(conn, batch, commands)
            await self._shelf.load(conn, batch, subjects, head_seq=head.seq)
            batch.live_tickets = await find_live_tickets(
                conn,
                {c.basket.ticket_key for c in commands if isinstance(c, OpenCheckout)},
                shard_id=self._shard_id,
            )
            answers = decide_all(batch, commands, now=now)
            if batch.events:
                await self._save(conn, batch)
                facts = [_fact(event) for event in batch.events]
                head = await append_facts(conn, head, facts, recorded_time=now)
        self._shelf.keep(batch, subjects, head_seq=head.seq)
        if batch.events:
            self._on_commit(_changed(batch))
        return answers

    async def _load_due(
        self, conn: Connection, batch: Batch, commands: Sequence[Command]
    ) -> set[UUID]:
        """Find what a sweep in the batch is to end; one more than its limit tells that there is more."""
        limits = [command.limit for command in commands if isinstance(command, ExpireCheckouts)]
        if limits:
            batch.due_checkouts = await due_checkouts(
                conn, now=self._clock(), limit=max(limits) + 1, shard_id=self._shard_id
            )
        return set(batch.due_checkouts)

    async def _save(self, conn: Connection, batch: Batch) -> None:
        rows = map(payment_row, _changed(batch))
        await write_payments(conn, rows, shard_id=self._shard_id)
        references = filter(None, map(reference_row, batch.events))
        await write_references(conn, references, shard_id=self._shard_id)


def _changed(batch: Batch) -> list[Payment]:
    """Give the payments that a batch has facts about, as they are after it."""
    subjects = dict.fromkeys(event.subject for event in batch.events)
    return [batch.payments[subject] for subject in subjects if subject in batch.payments]


def _fact(event: Event) -> Fact:
    event_type, payload = render_event(event)
    return Fact(event.stamp.event_id, event_type, event.subject, payload)
